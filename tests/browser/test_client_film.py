"""The film in the small client: it is written, cut by hand, saved as files, and fits a phone."""

from lxml import etree

from tests.browser.stage import SIZE, Stage, loaded

AT = (
    "[...document.querySelectorAll('.block')].map(block => [block.dataset.name, +block.dataset.at])"
)
OVERLAP = "document.getElementById('overlap')"
PLACES = f"{AT}.map(([, at]) => at).join(', ')"
TOO_LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente" * 3
#: What stands out of the page, but for what the timeline scrolls.
TOO_WIDE = """[...document.querySelectorAll('body, main *')]
  .filter(part => part.getBoundingClientRect().right > document.documentElement.clientWidth)
  .filter(part => !part.closest('#track'))
  .map(part => part.outerHTML.slice(0, 200))"""
SECOND = 24  # pixels of the client's timeline
SAVED = "[...document.querySelectorAll('#saved li')].map(saved => saved.innerText)"


async def test_a_film_is_written(stage: Stage) -> None:
    if not stage.has_browser:
        (clip,) = await stage.film()
        timeline = await stage.desk.get(f"/projects/{clip['project_id']}/timeline")
        assert timeline["scenes"][0]["clips"][0]["id"] == clip["id"]
        return
    async with stage.page() as tab:
        await tab.type_in("#new-project [name=name]", "Night Drive")
        await tab.press("#new-project button")
        await tab.until(
            "document.getElementById('project').selectedOptions[0].text === 'Night Drive'"
        )
        await tab.type_in("#new-scene [name=name]", "Rooftop")
        await tab.press("#new-scene button")
        await tab.until("document.getElementById('scene').selectedOptions[0]?.text === 'Rooftop'")
        for name in ("Wide", "Close"):
            await tab.type_in("#new-clip [name=name]", name)
            await tab.press("#new-clip button")
            await tab.until(f"document.getElementById('clip-name').innerText === '{name}'")
        assert await tab.value(AT) == [["Wide", 0], ["Close", 5]]


async def test_a_clip_is_dragged_to_where_there_is_room(stage: Stage) -> None:
    _, _, dragged = await stage.film(10, 20)
    move = f"/api/v1/clips/{dragged['id']}/timeline-position"
    if not stage.has_browser:
        refused = await stage.desk.client.put(move, json={"position": 3})
        assert refused.status_code == 409
        assert refused.json()["detail"]["suggested_position"] == 5
        assert (await stage.desk.client.put(move, json={"position": 5})).status_code == 200
        return
    async with stage.page(f"409 {stage.url}{move}") as tab:
        await tab.until(f"{AT}.length === 3")
        block = f'[data-clip="{dragged["id"]}"]'
        await tab.drag(block, -17 * SECOND)
        await tab.until(f"{OVERLAP}.open")
        assert "overlap" in await tab.value(f"{OVERLAP}.innerText")
        await tab.press("#overlap .close")
        await tab.until(f"{PLACES} === '0, 10, 20'")
        await tab.drag(block, -17 * SECOND)
        await tab.press("#overlap .accept")
        await tab.until(f"{PLACES} === '0, 5, 10'")
        await tab.drag(block, 12 * SECOND)
        await tab.until(f"{PLACES} === '0, 10, 17'")
        assert not await tab.value(f"{OVERLAP}.open")
        assert len(tab.refused) == 2
    moved = await stage.desk.get(f"/clips/{dragged['id']}")
    assert moved["timeline_position"] == 17


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
