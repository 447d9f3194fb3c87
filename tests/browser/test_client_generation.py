"""Making takes with the small client: servers, the dialog with everything set, pictures, videos."""

from tests.browser.stage import SIZE, Stage, loaded, playing
from tests.chromium import Tab

LORA = "example_style.safetensors"
PROMPT = "a red car under neon"
TAKES = "document.querySelectorAll('#takes figure').length"


async def test_a_server_is_registered_and_looked_into(stage: Stage) -> None:
    if not stage.has_browser:
        await looks_into_a_server(stage)
        return
    async with stage.page() as tab:
        await tab.type_in("#new-server [name=name]", "Attic")
        await tab.type_in("#new-server [name=url]", stage.simulator.url)
        await tab.press("#new-server button")
        await tab.press("[data-server=Attic] .look")
        for kind, name in (
            ("models", "sd_xl_base_1.0"),
            ("loras", "example_style"),
            ("vaes", "sdxl_vae"),
        ):
            inside = f"document.querySelector('[data-server=Attic] .{kind}')?.innerText"
            assert name in await tab.until(inside)
        await tab.press("#read-models")
        await tab.until("document.querySelectorAll('#model-list li').length > 5")
        await tab.type_in("#model-search", "XL_base")
        words = await tab.value("document.getElementById('model-list').innerText")
        assert words == "sd_xl_base_1.0.safetensors checkpoint, sdxl: Attic"


async def looks_into_a_server(stage: Stage) -> None:
    server = await stage.desk.server(stage.simulator, "Attic")
    info = await stage.desk.get(f"/comfyui/servers/{server}/info")
    for kind in ("models", "loras", "vaes"):
        assert all(thing["name"] for thing in info[kind])
    (model,) = await stage.desk.get("/models?search=xl_base")
    assert [server["name"] for server in model["servers"]] == ["Attic"]


async def test_a_picture_is_made_with_everything_set(stage: Stage) -> None:
    await stage.desk.server(stage.simulator, "Attic")
    (clip,) = await stage.film(image_prompt=PROMPT)
    if not stage.has_browser:
        await makes_a_picture(stage, clip["id"])
        return
    async with stage.page() as tab:
        await tab.press("#open-generate")
        await fill_in(tab)
        await tab.press("#generate .actions button:first-child")
        await tab.until(f"{TAKES} === 1 && !document.getElementById('generate').open")
        await tab.until(loaded("#takes img"))
        await tab.until(loaded("#track .block img"))
        await tab.until(loaded("#notices img"))
        assert PROMPT in await tab.value("document.getElementById('notices').innerText")
        await tab.press("#takes figure img")
        await tab.until(loaded("#viewer img"))
        assert LORA in await tab.value("document.querySelector('#viewer .loras').innerText")
        seed = "document.querySelector('#viewer [data-param=seed]').innerText"
        assert await tab.value(seed) == "7"
    (take,) = (await stage.desk.get(f"/clips/{clip['id']}/gallery"))["images"]
    assert (take["width"], take["height"], take["seed"]) == (256, 192, 7)


async def fill_in(tab: Tab) -> None:
    form = "#generate form"
    assert await tab.value(f"document.querySelector('{form} [name=prompt]').value") == PROMPT
    await tab.type_in(f"{form} [name=negative_prompt]", "text, watermark")
    await tab.choose(f"{form} [name=model]", "sd_xl_base_1.0.safetensors")
    await tab.choose(f"{form} [name=lora]", LORA)
    await tab.type_in(f"{form} [name=weight]", "0.6")
    await tab.press(f"{form} summary")
    settings = {"width": 256, "height": 192, "steps": 5, "cfg": 6.5, "seed": 7}
    for name, value in settings.items():
        await tab.type_in(f"{form} [name={name}]", str(value))
    await tab.choose(f"{form} [name=sampler]", "euler")
    await tab.choose(f"{form} [name=scheduler]", "karras")
    await tab.choose(f"{form} [name=vae]", "sdxl_vae.safetensors")


async def makes_a_picture(stage: Stage, clip_id: str) -> None:
    order = {"clip_id": clip_id, "prompt": PROMPT, "loras": [{"name": LORA, "weight": 0.6}]}
    made = await stage.desk.post("/generate", {**order, "params": {**SIZE, "seed": 7}}, 200)
    take = made["content"]
    for address in (take["url"], take["thumbnail_url"]):
        assert (await stage.loads(address)).headers["Content-Type"].startswith("image/")
    assert [lora["name"] for lora in take["loras"]] == [LORA]
    assert not [v for v in take["generation_params"].values() if isinstance(v, dict | list)]
    job = await stage.desk.get(f"/queue/jobs/{made['job_id']}")
    assert job["params"]["prompt"] == PROMPT
    await stage.loads(job["result"]["url"])


async def test_a_video_is_made_and_plays(stage: Stage) -> None:
    await stage.desk.server(stage.simulator, "Attic")
    (clip,) = await stage.film(video_prompt="slow dolly in")
    if not stage.has_browser:
        order = {"clip_id": clip["id"], "generation_type": "video", "params": {"steps": 2}}
        take = (await stage.desk.post("/generate", order, 200))["content"]
        assert (await stage.loads(take["url"])).headers["Accept-Ranges"] == "bytes"
        return
    async with stage.page() as tab:
        await tab.press("#open-generate")
        await tab.choose("#generate [name=generation_type]", "video")
        await tab.type_in("#generate [name=prompt]", "slow dolly in")
        await tab.press("#generate summary")
        settings = {"width": 320, "height": 192, "steps": 2, "video_frames": 17, "video_fps": 16}
        for name, value in settings.items():
            await tab.type_in(f"#generate [name={name}]", str(value))
        await tab.press("#generate .actions button:first-child")
        await tab.until(f"{TAKES} === 1")
        await tab.until(loaded("#takes img"))
        await tab.press("#takes figure img")
        await plays(tab, "#viewer video")
        assert await tab.value("document.querySelector('#viewer video').videoWidth") == 320


async def plays(tab: Tab, selector: str) -> None:
    await tab.until(f"document.querySelector('{selector}')?.readyState >= 3")
    await tab.value(f"void document.querySelector('{selector}').play()")
    await tab.until(playing(selector))


async def test_a_batch_reads_what_the_server_has(stage: Stage) -> None:
    server = await stage.desk.server(stage.simulator, "Attic")
    clips = await stage.film(5, image_prompt=PROMPT)
    if not stage.has_browser:
        known = await stage.desk.get(f"/comfyui/servers/{server}")
        assert LORA in [lora["name"] for lora in known["loras"]]
        ids = [clip["id"] for clip in clips]
        batch = await stage.desk.post("/generate/batch", {"clip_ids": ids, "params": SIZE})
        for job_id in batch["job_ids"]:
            await stage.desk.finished(job_id)
        for row in (await stage.desk.get(f"/generate/batch/{batch['id']}"))["results"]:
            await stage.loads(row["result"]["url"])
        return
    async with stage.page() as tab:
        await tab.press("#open-batch")
        await tab.choose("#batch [name=model]", "sd_xl_base_1.0.safetensors")
        await tab.choose("#batch [name=lora]", LORA)
        await tab.press("#batch .actions button:first-child")
        await tab.until("document.getElementById('batch-state').innerText === '2 of 2, completed'")
        await tab.until(loaded("#batch-results img"))
        assert await tab.value("document.querySelectorAll('#batch-results img').length") == 2
