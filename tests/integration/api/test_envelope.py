"""What every response has, whatever it answers: id, open CORS, one log line, one error body."""

import io
import json
import logging
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from backend.api.http.logs import JsonFormatter
from backend.config import Settings
from backend.server import create_app
from tests.conftest import API, Maker
from tests.studio import quick_settings, serving

JSON = {"Content-Type": "application/json"}
CALLS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("GET", "/api/v1/", 200, {}),
    ("GET", "/api/v1/projects/", 307, {}),
    ("GET", "/nowhere", 404, {}),
    ("GET", "/api/v1/nowhere", 404, {}),
    ("GET", "/api/v1/projects/none", 404, {}),
    ("GET", "/api/v1/projects/a%2Fb", 404, {}),
    ("GET", "/api/v1/projects/%00", 404, {}),
    ("GET", "/uploads/none.png", 404, {}),
    ("GET", "/api/v1/projects/" + "x" * 101, 422, {}),
    ("PATCH", "/api/v1/projects", 405, {}),
    ("OPTIONS", "/api/v1/projects", 405, {}),
    ("POST", "/api/v1/projects", 422, {"json": {}}),
    ("POST", "/api/v1/projects", 422, {"content": b"{", "headers": JSON}),
    ("POST", "/api/v1/projects", 422, {"content": b"", "headers": JSON}),
    ("POST", "/api/v1/projects", 415, {"content": b"{}", "headers": {"Content-Type": "text/x"}}),
    ("POST", "/api/v1/projects", 413, {"content": b" " * 1_048_577}),
    ("POST", "/crash", 500, {}),
]


async def crash() -> None:
    raise ZeroDivisionError("secret words at /some/path")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return quick_settings(tmp_path, max_body_size_mb=1)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    app = create_app(settings)
    app.add_api_route("/crash", crash, methods=["POST"])
    return app


@pytest.fixture
def access_lines(caplog: pytest.LogCaptureFixture) -> Iterator[io.StringIO]:
    """What our formatter makes of the log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("storycanvas.access")
    with caplog.at_level(logging.INFO, logger.name):
        logger.addHandler(handler)
        yield stream
        logger.removeHandler(handler)


def assert_is_envelope(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"detail", "error", "request_id"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert re.fullmatch(r"[A-Z][A-Z_]+", body["error"]["code"])
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert len(body["error"]["message"]) > 10
    return dict(body)


@pytest.mark.parametrize(("method", "path", "status", "request_"), CALLS)
async def test_every_answer(
    client: httpx.AsyncClient, method: str, path: str, status: int, request_: dict[str, Any]
) -> None:
    response = await client.request(method, path, **request_)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Expose-Headers"] == "*"
    uuid.UUID(response.headers["X-Request-ID"])
    if status < 400:
        assert response.status_code == status
        return
    body = assert_is_envelope(response, status)
    assert body["detail"] == body["error"]["message"]
    for leak in ("Traceback", "/some/path", "secret words", ".py", str(Path.home())):
        assert leak not in response.text


async def test_head_has_the_headers_of_an_error_too(client: httpx.AsyncClient) -> None:
    response = await client.head(f"{API}/projects")
    assert response.status_code == 405
    assert "Allow" in response.headers
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/projects", "GET, POST"), ("/projects/x", "DELETE, GET, PUT"),
        ("/pool/item/x", "DELETE, GET, PUT"), ("/clips/x/prompts", "PUT"),
    ],
)  # fmt: skip
async def test_a_405_names_every_method_of_the_address(
    client: httpx.AsyncClient, path: str, methods: str
) -> None:
    response = await client.patch(f"{API}{path}")
    assert_is_envelope(response, 405)
    assert response.headers["Allow"] == methods


@pytest.mark.parametrize("given", ["a", "Az09._:-", "x" * 128])
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get(f"{API}/", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "<script>", "a\tb", "é", "a\n", "%0d%0a"])
async def test_an_insane_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get(f"{API}/", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    uuid.UUID(response.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/api/v1/projects", "/nowhere", "/crash"])
async def test_preflight_allows_everything(client: httpx.AsyncClient, path: str) -> None:
    asked = {
        "Origin": "https://studio.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization, x-anything",
    }
    response = await client.options(path, headers=asked)
    assert response.status_code == 204
    assert response.content == b""
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "PUT" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, x-anything"


async def test_one_structured_line_a_request(
    client: httpx.AsyncClient, access_lines: io.StringIO
) -> None:
    await client.get(f"{API}/projects?search=private", headers={"X-Request-ID": "mine"})
    await client.post("/crash")
    first, second = (json.loads(line) for line in access_lines.getvalue().splitlines())
    assert first["request_id"] == "mine"
    assert (first["method"], first["path"], first["status"]) == ("GET", "/api/v1/projects", 200)
    assert 0 <= first["ms"] < 5000
    assert "private" not in access_lines.getvalue()
    assert (second["path"], second["status"]) == ("/crash", 500)


async def test_a_crash_is_logged_with_its_traceback(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.post("/crash")
    crashes = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(crashes) == 1
    assert "ZeroDivisionError" in JsonFormatter().format(crashes[0])


async def test_a_log_line_is_one_line_whatever_is_in_it() -> None:
    record = logging.makeLogRecord({"msg": 'a\nb"c\u2028', "levelname": "INFO", "name": "x"})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == 'a\nb"c\u2028'


def test_middleware_is_pure_asgi(app: FastAPI) -> None:
    kinds = [middleware.cls for middleware in app.user_middleware]
    assert kinds
    assert not any(
        isinstance(kind, type) and issubclass(kind, BaseHTTPMiddleware) for kind in kinds
    )


class TestBodyLimit:
    async def test_is_one_of_bytes_not_of_promises(self, client: httpx.AsyncClient) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield b'{"name": "a", "description": "'
            for _ in range(20):
                yield b"x" * 65_536

        response = await client.post(f"{API}/projects", content=chunks(), headers=JSON)
        assert_is_envelope(response, 413)
        assert (await client.get(f"{API}/projects")).json()["total"] == 0

    @pytest.mark.parametrize("declared", [b"5", b"0", b"-1", b"", b"\xb2", b"abc", b"00000000002"])
    async def test_a_lying_length_does_not_help(
        self, client: httpx.AsyncClient, declared: bytes
    ) -> None:
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", declared)]
        body = b'{"name": "' + b"x" * 1_100_000 + b'"}'
        response = await client.post(f"{API}/projects", content=body, headers=headers)
        assert_is_envelope(response, 413)

    @pytest.mark.parametrize("declared", [b"1048577", b"9" * 5000, b"0" * 5000 + b"1048577"])
    async def test_a_promise_beyond_it_is_refused_unread(
        self, client: httpx.AsyncClient, declared: bytes
    ) -> None:
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", declared)]
        response = await client.post(f"{API}/projects", content=b"{}", headers=headers)
        assert_is_envelope(response, 413)
        assert response.headers["Connection"] == "close"

    async def test_what_just_fits_is_read(self, client: httpx.AsyncClient) -> None:
        body = b'{"name": "a"}'
        response = await client.post(f"{API}/projects", content=body.ljust(1_048_576), headers=JSON)
        assert response.status_code == 201


class TestJson:
    """The body is read by one strict parser, on every route that takes one."""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"nul",
            b"{'name': 'a'}",
            b'{"name": "a",}',
            b'{"name": "a"} {"name": "b"}',
            b'{"name": NaN}',
            b'{"name": "a", "width": Infinity}',
            b'{"name": "a", "width": 1e400}',
            b'{"name": "a", "width": 1' + b"0" * 5000 + b"}",
            b'{"name": "\\ud800"}',
            b'{"name": "\xff"}',
            b'{"name": "a\x00b"}',
            b'{"name": "a\\u0000b"}',
            b'{"name": "a", "\\u0000": 1}',
            '{"name": "a"}'.encode("utf-16"),
            b"[" * 100_000,
            b'{"a":' * 2000 + b"1" + b"}" * 2000,
            b"null",
            b"true",
            b"7",
            b'"name"',
            b"[]",
            b'[{"name": "a"}]',
        ],
        ids=lambda body: repr(body[:30]),
    )
    async def test_refuses(self, client: httpx.AsyncClient, body: bytes) -> None:
        response = await client.post(f"{API}/projects", content=body, headers=JSON)
        fault = assert_is_envelope(response, 422)["error"]["details"]["errors"][0]
        assert set(fault) == {"loc", "msg", "type"}
        assert fault["loc"][0] == "body"
        assert (await client.get(f"{API}/projects")).json()["total"] == 0

    @pytest.mark.parametrize(
        ("body", "name"),
        [
            (b'{"name": "a", "name": "b"}', "b"),
            (b'{"name": "\\\\u0000"}', "\\u0000"),
            (b'{"name": "a", "unknown": {"$where": [null, {"a.b": 1}]}}', "a"),
            (b' \n{"name": "\\ud83c\\udfac"}\r\n ', "\U0001f3ac"),
            (b'{"a":' * 1000 + b"1" + b"}" * 1000, None),
        ],
    )
    async def test_takes(self, client: httpx.AsyncClient, body: bytes, name: str | None) -> None:
        response = await client.post(f"{API}/projects", content=body, headers=JSON)
        if name is None:
            assert response.json()["error"]["details"]["errors"][0]["loc"] == ["body", "name"]
        else:
            assert response.json()["name"] == name

    @pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
    async def test_other_media_are_415(self, client: httpx.AsyncClient, kind: str | None) -> None:
        headers = {"Content-Type": kind} if kind else {}
        response = await client.post(f"{API}/projects", content=b'{"name":"a"}', headers=headers)
        body = assert_is_envelope(response, 415)
        assert "application/json" in body["detail"]

    async def test_every_route_with_a_body_is_strict(
        self, client: httpx.AsyncClient, app: FastAPI
    ) -> None:
        asked = 0
        for path, methods in app.openapi()["paths"].items():
            for method, operation in methods.items():
                if "application/json" not in operation.get("requestBody", {}).get("content", {}):
                    continue
                address = re.sub(r"\{\w+\}", "x", path)
                response = await client.request(
                    method, address, content=b'{"a": NaN}', headers=JSON
                )
                fault = assert_is_envelope(response, 422)["error"]["details"]["errors"][0]
                assert fault["type"] == "json_invalid", (method, path)
                asked += 1
        assert asked >= 8

    async def test_faults_name_places_and_never_echo(self, client: httpx.AsyncClient) -> None:
        body = {"name": "hunter2" * 100, "width": "hunter2", "fps": 12}
        response = await client.post(f"{API}/projects", json=body)
        faults = assert_is_envelope(response, 422)["error"]["details"]["errors"]
        assert [fault["loc"] for fault in faults] == [
            ["body", "name"], ["body", "fps"], ["body", "width"],
        ]  # fmt: skip
        assert "hunter2" not in response.text

    async def test_nul_in_a_query_is_refused(self, client: httpx.AsyncClient) -> None:
        for query in ("search=%00", "search=a%00b", "%00=1", "limit=%00"):
            assert_is_envelope(await client.get(f"{API}/projects?{query}"), 422)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=501", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=1e2",
        "limit=Infinity", "limit=" + "9" * 5000, "skip=-1", "skip=2147483648", "skip=NaN",
    ],
)  # fmt: skip
async def test_pages_have_limits(client: httpx.AsyncClient, query: str) -> None:
    assert_is_envelope(await client.get(f"{API}/projects?{query}"), 422)


@pytest.mark.parametrize("query", ["limit=1", "limit=500", "skip=0", "skip=2147483647", "extra=1"])
async def test_pages_at_their_limits(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"{API}/projects?{query}")).json() == {"projects": [], "total": 0}


async def test_odd_hosts_and_enormous_headers_do_no_harm(client: httpx.AsyncClient) -> None:
    for headers in ({"Host": "["}, {"Host": ""}, {"X-Long": "x" * 500_000}, {"Accept": "x/y"}):
        response = await client.get(f"{API}/projects", headers=headers)
        assert response.status_code == 200


class TestApiKeys:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return quick_settings(tmp_path, api_keys="first-key, zweiter-schlüssel-à")

    @pytest.mark.parametrize(
        "header",
        [None, b"", b"Bearer", b"Bearer ", b"Bearer wrong", b"Basic first-key", b"first-key",
         b"Bearer first-key x", b"Bearer FIRST-KEY", b"Bearer \xff\xfe", b"Bearer first-key, "],
    )  # fmt: skip
    async def test_without_a_known_key_401(
        self, client: httpx.AsyncClient, header: bytes | None
    ) -> None:
        headers = [] if header is None else [(b"Authorization", header)]
        for path in (f"{API}/projects", "/nowhere", "/uploads/x", "/"):
            response = await client.get(path, headers=headers)
            body = assert_is_envelope(response, 401)
            assert body["error"]["code"] == "UNAUTHORIZED"
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert "first-key" not in response.text

    @pytest.mark.parametrize("key", ["first-key", "zweiter-schlüssel-à"])
    async def test_each_key_opens(self, client: httpx.AsyncClient, key: str) -> None:
        for scheme in ("Bearer", "bearer", "BEARER"):
            headers = [(b"Authorization", f"{scheme} {key}".encode())]
            assert (await client.get(f"{API}/projects", headers=headers)).status_code == 200

    @pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/health", "/docs", "/openapi.json"])
    async def test_health_and_docs_stay_open(self, client: httpx.AsyncClient, path: str) -> None:
        assert (await client.get(path)).status_code == 200

    async def test_preflights_need_no_key(self, client: httpx.AsyncClient) -> None:
        asked = {"Origin": "http://x", "Access-Control-Request-Method": "POST"}
        assert (await client.options(f"{API}/projects", headers=asked)).status_code == 204


async def test_uploads_are_served_with_care(
    client: httpx.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    folder = settings.upload_dir / "projects"
    (folder / ".incoming").mkdir(parents=True)
    (folder / "a.txt").write_text("0123456789")
    (folder / ".hidden").write_text("x")
    (tmp_path / "outside.txt").write_text("x")
    (folder / "link").symlink_to(tmp_path / "outside.txt")
    whole = await client.get("/uploads/projects/a.txt")
    assert whole.text == "0123456789"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    part = await client.get("/uploads/projects/a.txt", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.text) == (206, "234")
    known = {"If-None-Match": whole.headers["ETag"]}
    assert (await client.get("/uploads/projects/a.txt", headers=known)).status_code == 304
    for path in (
        "projects", "projects/", "projects/.hidden", "projects/.incoming", "projects/link", "",
        "..%2foutside.txt", "%2e%2e/outside.txt", "projects/%00", "x" * 5000,
        "projects/a.txt/b", "//etc/passwd", "%5c..%5coutside.txt",
    ):  # fmt: skip
        response = await client.get(f"/uploads/{path}", follow_redirects=True)
        assert_is_envelope(response, 404)


@pytest.mark.parametrize(
    ("range_", "status"), [("bytes=20-30", 416), ("bytes=x", 400), ("lines=1-2", 400), ("b", 400)]
)
async def test_a_range_that_cannot_be_served_has_the_same_error_body(
    client: httpx.AsyncClient, settings: Settings, range_: str, status: int
) -> None:
    settings.upload_dir.mkdir(exist_ok=True)
    (settings.upload_dir / "a.txt").write_text("0123456789")
    response = await client.get("/uploads/a.txt", headers={"Range": range_})
    assert_is_envelope(response, status)
    assert response.headers.get("Content-Range") == ("bytes */10" if status == 416 else None)


async def test_trailing_slashes_lead_to_the_route(
    client: httpx.AsyncClient, make_project: Maker
) -> None:
    project = await make_project()
    for path in ("/projects/", f"/projects/{project['id']}/", "/health/"):
        response = await client.get(f"{API}{path}", follow_redirects=True)
        assert response.status_code == 200, path
    created = await client.post(f"{API}/projects/", json={"name": "b"}, follow_redirects=True)
    assert created.status_code == 201


async def test_two_apps_do_not_share_anything(tmp_path: Path) -> None:
    """No module-level instance: what one app stores, another one in this process knows not."""
    apps = [create_app(quick_settings(tmp_path / name)) for name in ("a", "b")]
    async with serving(apps[0]) as first, serving(apps[1]) as second:
        await first.post(f"{API}/projects", json={"name": "a"})
        assert (await second.get(f"{API}/projects")).json()["total"] == 0
