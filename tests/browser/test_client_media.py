"""What people bring to the small client and keep there: the pool, music, faces of characters."""

from tests.browser.stage import SIZE, Stage, loaded, playing
from tests.chromium import Tab

PLAYER = "#music-player"
FIGURES = "document.querySelectorAll('#takes figure').length"


async def test_takes_and_files_are_kept_in_the_pool(stage: Stage) -> None:
    await stage.desk.server(stage.simulator, "Attic")
    made_from, other = await stage.film(5)
    await stage.desk.finished(await stage.desk.job(made_from, params=SIZE))
    if not stage.has_browser:
        await keeps_a_take(stage, made_from, other)
        return
    async with stage.page() as tab:
        await tab.press("#takes .keep")
        await tab.until(loaded("#pool-items [data-source=clip_generation] img"))
        await tab.choose_files("#pool-file", stage.picture())
        await tab.until(loaded("#pool-items [data-source=manual_upload] img"))
        await tab.press(f'[data-clip="{other["id"]}"]')
        await tab.until(f"{FIGURES} === 0")
        await tab.press("#pool-items [data-source=clip_generation] .apply")
        await tab.until(f"{FIGURES} === 1")
        await tab.press("#pool-items [data-source=manual_upload] .apply")
        await tab.until(f"{FIGURES} === 2")
        await tab.until(loaded("#takes img"))
        await tab.press("#pool-items [data-source=manual_upload] .drop")
        await tab.until("document.querySelectorAll('#pool-items figure').length === 1")
        await tab.press("#takes figure:last-child img")
        await tab.until(loaded("#viewer img"))


async def keeps_a_take(stage: Stage, clip: dict[str, str], other: dict[str, str]) -> None:
    (take,) = await stage.desk.takes({"id": clip["id"]})
    item = await stage.desk.post(
        "/pool",
        {
            "project_id": clip["project_id"],
            "name": "Kept",
            "content_type": "image",
            "source_type": "clip_generation",
            "source_clip_id": clip["id"],
            "media_url": take["url"],
            "generation_params": take["generation_params"],
        },
    )
    assert item["source_type"] == "clip_generation"
    await stage.loads(item["media_url"])
    path = f"/pool/item/{item['id']}/apply-to-clip/{other['id']}"
    shown = await stage.desk.post(path, {}, 200)
    await stage.loads(shown["generated_images"][0]["url"])


async def test_music_plays(stage: Stage) -> None:
    (clip,) = await stage.film()
    project = f"/projects/{clip['project_id']}"
    if not stage.has_browser:
        files = {"file": ("song.wav", stage.song().read_bytes())}
        answer = await stage.desk.client.post(f"/api/v1{project}/upload-music", files=files)
        known = await stage.desk.get(project)
        for address in (
            answer.json()["file_url"],
            known["music_file_url"],
            known["music_file_path"],
        ):
            assert (await stage.loads(address)).headers["Content-Type"].startswith("audio/")
        return
    async with stage.page() as tab:
        await tab.choose_files("#music-file", stage.song())
        await hears_music(tab)
    async with stage.page() as tab:
        await hears_music(tab)
    known = await stage.desk.get(project)
    await stage.loads(known["music_file_url"])


async def hears_music(tab: Tab) -> None:
    await tab.until(f"document.querySelector('{PLAYER}').duration > 2.9")
    await tab.press("#play-music")
    await tab.until(playing(PLAYER))


async def test_a_character_gets_a_face_and_is_drawn(stage: Stage) -> None:
    await stage.desk.server(stage.simulator, "Attic")
    (clip,) = await stage.film(image_prompt="in the rain")
    if not stage.has_browser:
        await draws_a_character(stage, clip)
        return
    async with stage.page() as tab:
        await tab.choose_files("#face-file", stage.picture())
        await tab.until(loaded("#new-faces img"))
        await tab.choose_files("#reference-files", stage.picture("a.png"), stage.picture("b.png"))
        await tab.until("document.querySelectorAll('#new-faces img').length === 3")
        await tab.type_in("#new-character [name=name]", "Mara")
        await tab.type_in("#new-character [name=trigger_words]", "red scarf")
        await tab.press("#new-character > button")
        await tab.until(loaded("[data-character=Mara] .faces img"))
        await tab.press("[data-character=Mara] .apply")
        await tab.until("document.getElementById('notices').innerText.includes('in this clip')")
        await tab.press("[data-character=Mara] .draw")
        await tab.until(loaded("[data-character=Mara] .drawn img"))
    assert "red scarf" in (await stage.desk.get(f"/clips/{clip['id']}"))["image_prompt"]


async def draws_a_character(stage: Stage, clip: dict[str, str]) -> None:
    desk, face = stage.desk, stage.picture().read_bytes()
    answer = await desk.client.post("/api/v1/upload-face-image", files={"file": face})
    file_url = answer.json()["file_url"]
    several = [("files", (name, face)) for name in ("a.png", "b.png")]
    answer = await desk.client.post("/api/v1/upload-character-images", files=several)
    body = {"name": "Mara", "face_image": file_url, "reference_images": answer.json()["file_urls"]}
    mara = await desk.post("/characters", {**body, "project_id": clip["project_id"]})
    for address in (mara["face_image"], *mara["reference_images"]):
        await stage.loads(address)
    await desk.post(
        f"/characters/{mara['id']}/generate", {"prompt": "portrait", "params": SIZE}, 200
    )
    gallery = await desk.get(f"/characters/{mara['id']}/gallery")
    await stage.loads(gallery["images"][0]["url"])
