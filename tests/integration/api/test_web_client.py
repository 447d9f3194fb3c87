"""A built web client below /app/: its files, its own addresses, and nothing else of the disk."""

from pathlib import Path

import httpx
import pytest

from backend.config import Settings
from backend.server import create_app
from scripts._chromium import find_chromium
from tests.chromium import browser_tab
from tests.conftest import API
from tests.integration.api.test_envelope import assert_is_envelope
from tests.listening import on_a_port
from tests.studio import quick_settings, serving, studio

INDEX = """<!doctype html>
<title>Client</title>
<script type="module" src="/app/assets/main-d7Kq2LxA.js"></script>
<ul></ul>
"""
MAIN = """
const told = await (await fetch("/api/v1/projects")).json();
for (const project of told.projects) {
  const row = document.createElement("li");
  row.textContent = project.name;
  document.querySelector("ul").append(row);
}
document.title = `${location.pathname}: ${told.total}`;
"""
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a builder leaves behind, and what must not get out."""
    folder = tmp_path / "client"
    files = {
        "index.html": INDEX,
        "favicon.ico": "icon",
        "sw.js": "self",
        "assets/main-d7Kq2LxA.js": MAIN,
        "assets/logo-dark.svg": "<svg/>",
        "static/css/main.8f3a2b1c.chunk.css": "a{}",
        "static/js/453.0ab44547.chunk.js.map": "{}",
        "assets/plain.css": "b{}",
        "other-d7Kq2LxA.js": "c",
        ".env": "SECRET=1",
        "assets/.git/config": "x",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (tmp_path / "outside.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    return folder


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Settings:
    return quick_settings(tmp_path, frontend_dir=folder)


async def test_its_files(client: httpx.AsyncClient) -> None:
    for path, kind, cached in (
        ("", "text/html; charset=utf-8", "no-cache"),
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("favicon.ico", "image/vnd.microsoft.icon", "no-cache"),
        ("sw.js", "text/javascript; charset=utf-8", "no-cache"),
        ("assets/main-d7Kq2LxA.js", "text/javascript; charset=utf-8", FOREVER),
        ("static/css/main.8f3a2b1c.chunk.css", "text/css; charset=utf-8", FOREVER),
        ("static/js/453.0ab44547.chunk.js.map", "application/json", FOREVER),
        ("assets/logo-dark.svg", "image/svg+xml", "no-cache"),
        ("assets/plain.css", "text/css; charset=utf-8", "no-cache"),
        ("other-d7Kq2LxA.js", "text/javascript; charset=utf-8", "no-cache"),
    ):
        response = await client.get(f"/app/{path}")
        assert (response.status_code, response.headers["content-type"]) == (200, kind), path
        assert response.headers["cache-control"] == cached, path
        assert response.headers["x-content-type-options"] == "nosniff"
        head = await client.head(f"/app/{path}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(response.content))
        known = {"If-None-Match": response.headers["etag"]}
        same = await client.get(f"/app/{path}", headers=known)
        assert (same.status_code, same.headers["cache-control"]) == (304, cached)
    part = await client.get("/app/assets/main-d7Kq2LxA.js", headers={"Range": "bytes=1-5"})
    assert (part.status_code, part.text) == (206, "const")
    beyond = await client.get("/app/sw.js", headers={"Range": "bytes=99-"})
    assert_is_envelope(beyond, 416)


async def test_its_own_addresses_get_the_index(client: httpx.AsyncClient) -> None:
    for path in ("projects", "projects/7/scenes/", "a b/é", "assets", "assets/7", "x" * 5_000):
        for headers in (PAGE, {"Accept": "*/*"}):
            response = await client.get(f"/app/{path}", headers=headers)
            assert (response.status_code, response.text) == (200, INDEX), path
            assert response.headers["cache-control"] == "no-cache"
            assert response.headers["x-content-type-options"] == "nosniff"
    named = await client.get("/app/projects/night.drive", headers=PAGE)
    assert named.text == INDEX


async def test_a_file_that_is_missing_is_no_page(client: httpx.AsyncClient) -> None:
    """An old page that asks for the script of an older build must not get HTML."""
    for path in ("assets/x.js", "assets/main-AAAAAAAA.js", "x.css", "a/b.png", "x.json", "X.JS"):
        for headers in (PAGE, {"Accept": "*/*"}):
            assert_is_envelope(await client.get(f"/app/{path}", headers=headers), 404)
    assert_is_envelope(await client.get("/app/night.drive", headers={"Accept": "*/*"}), 404)


async def test_nothing_hidden_and_no_way_out(client: httpx.AsyncClient) -> None:
    for path in (
        ".env", "assets/.git/config", "assets/.git", "..%2foutside.txt", "%2e%2e/outside.txt",
        "assets/..%2f..%2foutside.txt", "%2e%2e%2fapi/v1/projects", "link.txt", "%00", "a%00.js",
        "%2e%2e", ".well-known/x",
    ):  # fmt: skip
        for headers in (PAGE, {"Accept": "*/*"}):
            response = await client.get(f"/app/{path}", headers=headers)
            assert_is_envelope(response, 404)
            assert "outside" not in response.text


async def test_only_reading(client: httpx.AsyncClient) -> None:
    for path in ("/app/", "/app/sw.js", "/app/projects"):
        assert_is_envelope(await client.post(path), 405)


async def test_without_the_slash(client: httpx.AsyncClient) -> None:
    response = await client.get("/app?tab=2")
    assert (response.status_code, response.headers["location"]) == (307, "/app/?tab=2")
    assert (await client.get("/app", follow_redirects=True)).text == INDEX


async def test_a_new_build_is_seen_at_once(client: httpx.AsyncClient, folder: Path) -> None:
    before = await client.get("/app/")
    (folder / "index.html").write_text("<!doctype html>new")
    known = {"If-None-Match": before.headers["etag"]}
    assert (await client.get("/app/", headers=known)).text == "<!doctype html>new"
    (folder / "index.html").unlink()
    assert_is_envelope(await client.get("/app/"), 404)


async def test_with_keys_its_files_are_public_and_nothing_else(
    tmp_path: Path, folder: Path
) -> None:
    keyed = quick_settings(tmp_path, frontend_dir=folder, api_keys="secret")
    async with serving(create_app(keyed)) as client:
        for path in ("/app/", "/app/projects", "/app/assets/main-d7Kq2LxA.js"):
            assert (await client.get(path, headers=PAGE)).status_code == 200
        assert (await client.get("/app")).status_code == 307
        assert_is_envelope(await client.get("/app%2f..%2fmetrics"), 404)
        for path in (f"{API}/projects", "/uploads/x", "/application", "/metrics"):
            assert_is_envelope(await client.get(path), 401)
        locked = await client.get("/", headers=PAGE)
        assert (locked.status_code, '<a href="/app/">' in locked.text) == (401, True)


async def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    async with studio(tmp_path) as desk:
        for path in ("/app", "/app/", "/app/projects"):
            assert_is_envelope(await desk.client.get(path, headers=PAGE), 404)
        assert "/app/" not in (await desk.client.get("/")).text


async def test_the_live_page_leads_to_it(client: httpx.AsyncClient) -> None:
    assert '<a href="/app/">Web client</a>' in (await client.get("/")).text


async def test_in_a_browser(tmp_path: Path, settings: Settings) -> None:
    """Wherever one comes in, it is the client, and it reaches the API of its own address."""
    program = find_chromium()
    async with (
        on_a_port(create_app(settings)) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        await client.post(f"{API}/projects", json={"name": "Night Drive"})
        if program is None:
            assert (await client.get("/app/projects/7", headers=PAGE)).text == INDEX
            return
        async with browser_tab(program, tmp_path) as tab:
            for path in ("/app", "/app/projects/7"):
                await tab.open(url + path)
                await tab.until("document.title.endsWith(': 1')")
                assert await tab.value("document.querySelector('li').textContent") == "Night Drive"
                assert tab.problems == []
