"""The queue in the small client: a job is watched, cancelled, tried again, and told of."""

from tests.browser.stage import SIZE, Stage, loaded
from tests.chromium import Tab

ROW = "document.querySelector('#jobs li')"


async def test_a_job_is_cancelled_and_tried_again(stage: Stage) -> None:
    await stage.desk.server(stage.simulator, "Attic")
    (clip,) = await stage.film()
    stage.simulator.set_fault("execution_error", "the moon is in the way", times=1)
    if not stage.has_browser:
        await cancels_and_retries(stage, clip)
        return
    async with stage.page() as tab:
        await tries_a_failed_one_again(tab, stage, clip)
        job_id = await stage.desk.job(clip, prompt="Moonset", params={**SIZE, "steps": 200})
        await tab.until(f"document.querySelector('{row(job_id)} progress')?.value > 0")
        await tab.press(f"{row(job_id)} .cancel")
        await tab.until(f"!!document.querySelector('{row(job_id)}[data-status=cancelled]')")
        assert (await stage.desk.finished(job_id))["status"] == "cancelled"


def row(job_id: str) -> str:
    return f'[data-job="{job_id}"]'


async def tries_a_failed_one_again(tab: Tab, stage: Stage, clip: dict[str, str]) -> None:
    job_id = await stage.desk.job(clip, prompt="Moonrise", params=SIZE, max_retries=0)
    words = f"document.querySelector('{row(job_id)}[data-status=failed]')?.innerText"
    assert "the moon is in the way" in await tab.until(words)
    await tab.press(f"{row(job_id)} .retry")
    await tab.until(f"!!document.querySelector('{row(job_id)}[data-status=completed]')")
    await tab.until(loaded("#notices img"))
    assert "Done: Moonrise" in await tab.value("document.getElementById('notices').innerText")
    await tab.until(loaded("#takes img"))


async def cancels_and_retries(stage: Stage, clip: dict[str, str]) -> None:
    desk = stage.desk
    failed = await desk.job(clip, params=SIZE, max_retries=0)
    assert (await desk.finished(failed))["status"] == "failed"
    await desk.post(f"/queue/jobs/{failed}/retry", {}, 200)
    await desk.until(failed, lambda job: job["status"] == "completed")
    long = await desk.job(clip, params={**SIZE, "steps": 200})
    await desk.post(f"/queue/jobs/{long}/cancel", {}, 200)
    assert (await desk.finished(long))["status"] == "cancelled"
    seen = await desk.get("/queue/jobs?status=processing,pending,completed")
    assert [job["id"] for job in seen] == [failed]
    await stage.loads(seen[0]["result"]["thumbnail_url"])
