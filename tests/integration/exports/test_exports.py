"""Exports under v1: what the legacy routes give, byte by byte."""

import itertools
import json
import re
from typing import get_args
from urllib.parse import unquote

import httpx
import pytest

from backend.api.streams.downloads import has_copy
from backend.config import Settings
from backend.container import Container
from backend.services.exports.film import ExportFormat
from tests.conftest import API, Maker
from tests.export.fcpxml_reader import check
from tests.takes import VIDEO, Gallery
from tests.unit.services.media.media_samples import video

LEGACY = ("fcpxml", "edl", "resolve", "json")
OPTIONS = (
    "",
    "?include_alternates=true",
    "?media=placeholder",
    "?media_root=/Volumes/A%201&unique_reels=true",
)


async def test_both_routes_give_the_same(client: httpx.AsyncClient, make_clip: Maker) -> None:
    clip = await make_clip(name="Wide", length=2)
    await make_clip(scene_id=clip["scene_id"], length=1, timeline_position=7)
    for kind, query in itertools.product(LEGACY, OPTIONS):
        ours, legacy = [
            await client.get(f"{root}/projects/{clip['project_id']}/export/{kind}{query}")
            for root in (API, "/api")
        ]
        assert ours.status_code == legacy.status_code == 200
        assert ours.content == legacy.content
        for header in ("content-type", "content-disposition", "etag"):
            assert ours.headers[header] == legacy.headers[header]
        assert ours.headers["content-disposition"].startswith('attachment; filename="')


async def test_an_unknown_project(client: httpx.AsyncClient) -> None:
    for kind in LEGACY:
        response = await client.get(f"{API}/projects/none/export/{kind}")
        code = response.json()["error"]["code"]
        assert (response.status_code, code) == (404, "PROJECT_NOT_FOUND")


async def test_an_unknown_format_names_those_there_are(
    client: httpx.AsyncClient, make_project: Maker
) -> None:
    project = await make_project()
    for kind in ("avi", "FCPXML", "fcpxml%20", "x" * 300):
        response = await client.get(f"{API}/projects/{project['id']}/export/{kind}")
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (422, "VALIDATION_ERROR")
        for known in LEGACY:
            assert f"'{known}'" in error["message"]


async def test_bad_options(client: httpx.AsyncClient, make_project: Maker) -> None:
    project = await make_project()
    for query in ("media=all", "include_alternates=perhaps"):
        response = await client.get(f"{API}/projects/{project['id']}/export/json?{query}")
        assert response.status_code == 422, query


@pytest.fixture
def gallery(container: Container, settings: Settings) -> Gallery:
    return Gallery(container, settings.upload_dir)


async def test_a_copy_at_hand_is_not_sent_again(
    client: httpx.AsyncClient, make_clip: Maker
) -> None:
    clip = await make_clip(name="Wide", length=2)
    url, etag = "", ""
    for kind, root in itertools.product(LEGACY, (API, "/api")):
        url = f"{root}/projects/{clip['project_id']}/export/{kind}"
        first = await client.get(url)
        etag = first.headers["etag"]
        again = await client.get(url, headers={"If-None-Match": f'"x", W/{etag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        other = await client.get(url, headers={"If-None-Match": '"x"'})
        assert (other.status_code, other.content) == (200, first.content)
    await client.put(f"{API}/clips/{clip['id']}", json={"length": 3})
    changed = await client.get(url, headers={"If-None-Match": etag})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("given", "known"),
    [(None, False), ("*", True), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("a", False)],
)
def test_if_none_match_is_read_as_http_has_it(given: str | None, known: bool) -> None:
    assert has_copy(given, '"a"') is known


@pytest.mark.parametrize(
    "name", ['Zoë\'s "Film"', "夜の屋上 🎬", "a/b\\c", "x\u202egpj", "%41'*;=", "é" * 200]
)
async def test_a_download_is_named_in_utf_8(
    client: httpx.AsyncClient, make_project: Maker, name: str
) -> None:
    project = await make_project(name=name)
    for kind in get_args(ExportFormat):
        response = await client.get(f"{API}/projects/{project['id']}/export/{kind}")
        said = response.headers["content-disposition"]
        found = re.fullmatch(
            r"attachment; filename=\"([a-z0-9_.]+)\"; "
            r"filename\*=UTF-8''([A-Za-z0-9%!#$&+.^_`|~-]+)",
            said,
        )
        assert found, said
        title = unquote(found[2], errors="strict")
        assert not set(title) & set('/\\"*\u202e')
        assert title.endswith(found[1].rpartition(".")[2])


async def test_media_lie_where_the_editor_has_them(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> None:
    clip = await make_clip(name="Wide", length=2)
    await gallery.hang(clip)
    url = f"{API}/projects/{clip['project_id']}/export/"
    plain = (await client.get(f"{url}fcpxml")).content
    assert b'src="./media/s01_c01_wide_' in plain
    rooted = await client.get(f"{url}xmeml", params={"media_root": "C:\\Film"})
    assert b"file://localhost/C%3a/Film/s01_c01_wide_" in rooted.content
    reels = await client.get(f"{url}edl", params={"unique_reels": "true"})
    assert b"001  SC000001 V " in reels.content
    refused = await client.get(f"{url}fcpxml", params={"media_root": "Film"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_MEDIA_ROOT")


async def test_files_that_change_behind_our_back(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> None:
    """Gone, empty, cut off: a gap each, told before; nothing of them is in the file."""
    first = await make_clip(name="gone", length=1)
    rest = [
        await make_clip(scene_id=first["scene_id"], name=name, length=1)
        for name in ("empty", "cut off", "sound", "replaced")
    ]
    whole = video()
    for clip in (first, *rest):
        # A document that says how many bytes were delivered.
        take = await gallery.hang(clip, VIDEO, duration=2.0, fps=8.0, size_bytes=len(whole))
        body = {"gone": None, "empty": b"", "cut off": whole[:-99], "replaced": video() + b"\0"}
        content = body.get(clip["name"], whole)
        gallery.write(take.path, content or b"")
        if content is None:
            (gallery.folder / take.path).unlink()
    url = f"{API}/projects/{first['project_id']}/export"
    report = (await client.get(f"{url}/preflight")).json()
    places = {f["code"]: [p["clip_id"] for p in f["places"]] for f in report["findings"]}
    assert places["missing_file"] == [first["id"]]
    assert places["empty_file"] == [rest[0]["id"]]
    assert places["damaged_file"] == [rest[1]["id"]]
    for kind in get_args(ExportFormat):
        assert (await client.get(f"{url}/{kind}")).status_code == 200, kind
    checked = check((await client.get(f"{url}/fcpxml")).content)
    assert [item.get("name") for item in checked.items if item.tag == "asset-clip"] == [
        "sound",
        "replaced",
    ]


async def test_preflight_says_what_a_format_would_lose(
    client: httpx.AsyncClient, make_clip: Maker, gallery: Gallery
) -> None:
    clip = await make_clip(name="Wide", length=2)
    await gallery.hang(clip)
    await make_clip(scene_id=clip["scene_id"], name="Wide", length=1, timeline_position=5)
    url = f"{API}/projects/{clip['project_id']}/export/preflight"
    report = (await client.get(url, params={"format": "edl"})).json()
    assert report["can_export"]
    assert (report["total_frames"], report["duration"], report["events"]) == (144, 6.0, 1)
    severities = [finding["severity"] for finding in report["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert {"no_media", "gaps", "stills_in_edl"} <= {f["code"] for f in report["findings"]}
    assert (await client.get(url, params={"format": "avi"})).status_code == 422
    assert (await client.get(f"{API}/projects/none/export/preflight")).status_code == 404


async def test_what_cannot_be_written_is_refused_in_those_words(
    client: httpx.AsyncClient, make_scene: Maker, make_clip: Maker
) -> None:
    scene = await make_scene()
    for number in range(9):
        where = scene if not number else await make_scene(project_id=scene["project_id"])
        await make_clip(scene_id=where["id"], length=10_000, name=f"Hours {number}")
    url = f"{API}/projects/{scene['project_id']}/export"
    report = (await client.get(f"{url}/preflight", params={"format": "edl"})).json()
    error = (await client.get(f"{url}/edl")).json()["error"]
    assert not report["can_export"]
    assert error["code"] == "EXPORT_REFUSED"
    finding = report["findings"][0]
    assert error["message"] == f"{finding['message']} {finding['advice']}"
    for kind in get_args(ExportFormat):
        status = (await client.get(f"{url}/{kind}")).status_code
        assert status == (409 if kind == "edl" else 200), kind


async def test_names_that_break_naive_writers(
    client: httpx.AsyncClient, make_project: Maker, make_clip: Maker, gallery: Gallery
) -> None:
    names = [
        "]]><!--&amp;\"'",
        "\u202eright to left\u2066",
        "\x01\x1b[31m",
        "🎬" * 200,
        "../../etc/passwd",
        "C:\\CON",
        "\ufffe\uffff",
        "<clip name='a'/>",
        "same",
        "same",
    ]
    project = await make_project(name="]]>🎬\u202e/..", fps=29.97, drop_frame=True)
    scene = await client.post(
        f"{API}/scenes", json={"project_id": project["id"], "name": "]]>", "description": "\x02&"}
    )
    for name in names:
        clip = await make_clip(scene_id=scene.json()["id"], name=name, length=0.04, lyrics=name)
        await gallery.hang(clip)
    url = f"{API}/projects/{project['id']}/export"
    for kind in get_args(ExportFormat):
        response = await client.get(f"{url}/{kind}")
        assert response.status_code == 200, kind
        if kind in {"fcpxml", "resolve"}:
            assert len(check(response.content).items) == len(names)
    listed = json.loads((await client.get(f"{url}/json")).content)
    assert [clip["name"] for clip in listed["clips"]].count("same") == 2
