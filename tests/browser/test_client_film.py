"""The film in the small client: it is written, cut by hand, saved as files, and fits a phone."""

import pytest
from lxml import etree

from tests.browser.stage import SIZE, Stage, loaded
from tests.chromium import Tab

OVERLAP = "document.getElementById('overlap')"
PLACES = "[...document.querySelectorAll('.block')].map(block => block.dataset.at).join(', ')"
TOO_LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente" * 3
#: What stands out of the page, but for what the timeline scrolls.
TOO_WIDE = """[...document.querySelectorAll('body, main *')]
  .filter(part => part.getBoundingClientRect().right > document.documentElement.clientWidth)
  .filter(part => !part.closest('#track'))
  .map(part => part.outerHTML.slice(0, 200))"""
SECOND = 24  # pixels of the client's timeline
SAVED = "[...document.querySelectorAll('#saved li')].map(saved => saved.innerText)"


async def test_a_film_is_written_and_cut_by_hand(stage: Stage) -> None:
    if not stage.has_browser:
        await is_told_where_there_is_room(stage)
        return
    async with stage.page(f"409 {stage.url}/api/v1/clips/") as tab:
        await writes(tab)
        await tab.drag("[data-name=Late]", 10 * SECOND)
        await tab.until(f"{PLACES} === '0, 5, 20'")
        assert not await tab.value(f"{OVERLAP}.open")
        await tab.drag("[data-name=Late]", -17 * SECOND)
        await tab.until(f"{OVERLAP}.open")
        assert "10 s is the nearest free position" in await tab.value(f"{OVERLAP}.innerText")
        await tab.press("#overlap .close")
        await tab.until(f"{PLACES} === '0, 5, 20'")
        await tab.drag("[data-name=Late]", -17 * SECOND)
        await tab.press("#overlap .accept")
        await tab.until(f"{PLACES} === '0, 5, 10'")
        assert len(tab.refused) == 2
    (project,) = (await stage.desk.get("/projects"))["projects"]
    timeline = await stage.desk.get(f"/projects/{project['id']}/timeline")
    kept = [(clip["name"], clip["timeline_position"]) for clip in timeline["scenes"][0]["clips"]]
    assert kept == [("Wide", 0), ("Close", 5), ("Late", 10)]


async def is_told_where_there_is_room(stage: Stage) -> None:
    _, _, dragged = await stage.film(5, 20)
    path = f"/api/v1/clips/{dragged['id']}/timeline-position"
    refused = await stage.desk.client.put(path, json={"position": 3})
    assert refused.status_code == 409
    free = refused.json()["detail"]["suggested_position"]
    assert free == 10
    assert (await stage.desk.client.put(path, json={"position": free})).status_code == 200


async def writes(tab: Tab) -> None:
    """A project with a scene of three clips, typed in."""
    await tab.type_in("#new-project [name=name]", "Night Drive")
    await tab.press("#new-project button")
    await tab.type_in("#new-scene [name=name]", "Rooftop")
    await tab.press("#new-scene button")
    for name in ("Wide", "Close", "Late"):
        await tab.type_in("#new-clip [name=name]", name)
        await tab.press("#new-clip button")
        await tab.until(f"document.getElementById('clip-name').innerText === '{name}'")
    chosen = "document.getElementById('{}').selectedOptions[0].text"
    assert await tab.value(chosen.format("project")) == "Night Drive"
    assert await tab.value(chosen.format("scene")) == "Rooftop"
    assert await tab.value(PLACES) == "0, 5, 10"


async def test_exports_are_saved_under_their_names(stage: Stage) -> None:
    (clip,) = await stage.film(image_prompt="a red car")
    project = f"/projects/{clip['project_id']}"
    await stage.desk.client.put(f"/api/v1{project}", json={"name": "Nächte"})
    if not stage.has_browser:
        for path in (f"/api{project}/export/fcpxml", f"/api/v1{project}/export/otio"):
            answer = await stage.desk.client.get(path, headers={"Origin": stage.pages})
            assert answer.headers["Access-Control-Expose-Headers"] == "*"
            assert "filename" in answer.headers["Content-Disposition"]
        return
    downloads = stage.folder / "downloads"
    async with stage.page() as tab:
        await tab.download_into(downloads)
        formats = await tab.value("[...document.querySelectorAll('#formats button')].length")
        for number in range(1, formats + 1):
            await tab.press(f"#formats button:nth-child({number})")
            await tab.until(f"{SAVED}.length === {number}")
        names = await tab.value(SAVED)
    assert len(set(names)) == formats
    assert all(name.startswith("Nächte") for name in names)
    (fcpxml,) = (downloads / name for name in names if name.endswith("resolve.fcpxml"))
    assert etree.parse(fcpxml).getroot().tag == "fcpxml"


@pytest.mark.parametrize("stage", [""], indirect=True, ids=["open"])
async def test_it_fits_a_desk_and_a_phone(stage: Stage) -> None:
    server = await stage.desk.server(stage.simulator, TOO_LONG)
    (clip,) = await stage.film(name=TOO_LONG)
    if not stage.has_browser:
        assert (await stage.desk.get(f"/comfyui/servers/{server}"))["name"] == TOO_LONG
        return
    await stage.desk.finished(await stage.desk.job(clip, prompt=TOO_LONG, params=SIZE))
    stage.simulator.set_fault("execution_error", f"no such file: {TOO_LONG}", times=1)
    failed = await stage.desk.job(clip, prompt=TOO_LONG, params=SIZE, max_retries=0)
    await stage.desk.finished(failed)
    async with stage.page() as tab:
        await tab.press("#takes .keep")
        await tab.until(loaded("#takes img, #pool-items img"))
        await tab.press("#server-list .look")
        await tab.until("!!document.querySelector('#server-list .loras')")
        for width in (1280, 390):
            await tab.resize(width, 800)
            await tab.until(f"innerWidth === {width}")
            (stage.folder / f"{width}.png").write_bytes(await tab.screenshot())
            wide = await tab.value(TOO_WIDE)
            assert wide == [], width
