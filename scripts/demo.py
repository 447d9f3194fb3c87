"""The demo: a short film through the public API, from the first prompt to an editor's timeline.

run.py starts it beside a server; `python scripts/demo.py --url ... --comfyui ...` also works.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __package__ in {None, ""}:  # run as a file: make `scripts` importable, not its parts
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from scripts._api import Api, ApiError, DemoError
from scripts._demo_output import Delivered, require_replaceable, write_output
from scripts._story import SECONDS, STORY, Act
from scripts._tune import write_tune

Json = dict[str, Any]

_POLL_SECONDS = 0.2
#: No job moved for so long: somebody must look at ComfyUI.
_STUCK_SECONDS = 900.0
_ONLINE_SECONDS = 20.0
#: Wide pictures in a size that each family is good at.
_SIZES = {"sdxl": (1344, 768), "sd15": (768, 432)}
_VIDEO_FAMILY = "wan_2_1"


@dataclass(frozen=True)
class Studio:
    """The ComfyUI server that the demo uses, and what it can make."""

    server_id: str
    image: Json
    video: Json | None


class Demo:
    """Tells each step as it is done; `run` goes from an empty project to finished files."""

    def __init__(self, api: Api, console: Console) -> None:
        self._api = api
        self._console = console

    def run(self, comfyui: str, output: Path) -> None:
        require_replaceable(output)
        studio = self.find_studio(comfyui)
        project = self.create_project()
        scenes = [self.create_scene(project["id"], act) for act in STORY]
        jobs = self.order_images(scenes, studio)
        jobs += self.order_video(scenes, studio)
        self.follow(project["id"], jobs)
        self.move_about(scenes)
        galleries = self.galleries(project["id"])
        delivered = write_output(self._api, project["id"], output)
        self.sum_up(project["id"], galleries, output=output, delivered=delivered)

    def find_studio(self, url: str) -> Studio:
        """Register the ComfyUI server, or take the one that is known under this URL."""
        server = self._server(url)
        deadline = time.monotonic() + _ONLINE_SECONDS
        while not (info := self._api.call("GET", f"/comfyui/servers/{server['id']}/info"))[
            "is_online"
        ]:
            if time.monotonic() > deadline:
                raise DemoError(f"StoryCanvas does not reach ComfyUI on {url}.")
            time.sleep(_POLL_SECONDS)
        studio = studio_of(info)
        self._tell(f"ComfyUI {info['version'] or ''} on {url}, {len(info['models'])} models")
        if studio.video is None:
            self._tell("It has no Wan 2.1 text-to-video model: images only, no video.")
        return studio

    def create_project(self) -> Json:
        about = "Made by the demo. Twenty seconds, one car, no dialogue."
        project: Json = self._api.call(
            "POST", "/projects", {"name": "Night Drive", "description": about, "fps": 24}
        )
        with tempfile.TemporaryDirectory() as folder:
            tune = Path(folder) / "night_drive.wav"
            write_tune(tune, SECONDS)
            music = self._api.upload(f"/media/projects/{project['id']}/upload-music", tune)
        self._tell(f"Project '{project['name']}' with {music['duration']:.0f} s of music")
        return project

    def create_scene(self, project_id: str, act: Act) -> Json:
        """The scene, with its `clips` added."""
        body = {"project_id": project_id, "name": act.name, "lyrics": act.lyrics}
        scene: Json = self._api.call("POST", "/scenes", body)
        scene["clips"] = [
            self._api.call(
                "POST",
                "/clips",
                {
                    "scene_id": scene["id"],
                    "name": shot.name,
                    "length": shot.seconds,
                    "image_prompt": shot.image_prompt,
                    "video_prompt": shot.video_prompt,
                    "auto_generate": False,  # the jobs are ordered below, in the demo's own size
                },
            )
            for shot in act.shots
        ]
        self._tell(f"Scene '{act.name}' with {len(scene['clips'])} clips")
        return scene

    def order_images(self, scenes: Sequence[Json], studio: Studio) -> list[str]:
        order = {"server_id": studio.server_id, "generation_type": "image", **studio.image}
        return [
            self._api.call("POST", "/queue/jobs", {"clip_id": clip["id"], **order})["job_id"]
            for clip in _clips(scenes)
        ]

    def order_video(self, scenes: Sequence[Json], studio: Studio) -> list[str]:
        """One video, by the route for people who wait; we look at the queue instead."""
        if studio.video is None:
            return []
        clip = next(clip for clip in _clips(scenes) if clip["video_prompt"])
        order = {"clip_id": clip["id"], "server_id": studio.server_id, "generation_type": "video"}
        prefer = {"Prefer": "respond-async"}
        try:
            queued = self._api.call("POST", "/generate", {**order, **studio.video}, headers=prefer)
        except ApiError as error:
            self._tell(f"No video: {error}")
            return []
        return [queued["job_id"]]

    def follow(self, project_id: str, job_ids: Sequence[str]) -> None:
        """Show progress until every job has ended. DemoError when an image failed."""
        columns = (TextColumn("{task.description:<8}"), BarColumn(30), TaskProgressColumn())
        last, changed = [0.0], time.monotonic()
        with Progress(*columns, TimeElapsedColumn(), console=self._console) as bars:
            kinds = {"image": bars.add_task("Images"), "video": bars.add_task("Video")}
            while True:
                jobs = self._jobs(project_id, job_ids)
                for kind, bar in kinds.items():
                    done = [_done(job) for job in jobs if job["generation_type"] == kind]
                    bars.update(bar, total=len(done), completed=sum(done), visible=bool(done))
                if all(job["status"] in {"completed", "failed", "cancelled"} for job in jobs):
                    break
                if (now := [job["seq"] for job in jobs]) != last:
                    last, changed = now, time.monotonic()
                if time.monotonic() - changed > _STUCK_SECONDS:
                    raise DemoError("No job moves any more: look at ComfyUI.")
                time.sleep(_POLL_SECONDS)
        self._tell_failures(jobs)

    def move_about(self, scenes: Sequence[Json]) -> None:
        """Try a place that is taken, change the order of two clips, open a gap and close it."""
        wide, wheel, mirror = scenes[0]["clips"]
        self._move_where_it_fits(mirror, wide["timeline_position"] + 1)
        after = wheel["timeline_position"] + wheel["length"] + mirror["length"]
        self._move(wheel, after + 10)
        self._move(mirror, wide["length"])
        self._move(wheel, wide["length"] + mirror["length"])
        self._tell(f"Timeline: '{mirror['name']}' now comes before '{wheel['name']}'")
        dawn = scenes[1]["clips"][-1]
        self._move(dawn, dawn["timeline_position"] + 2)
        self._close_gaps(scenes[1])

    def galleries(self, project_id: str) -> list[Json]:
        """The clips in story order, each with its `gallery`. DemoError when one is empty."""
        clips: list[Json] = self._api.call("GET", f"/projects/{project_id}/clips")
        for clip in clips:
            clip["gallery"] = self._api.call("GET", f"/clips/{clip['id']}/gallery")
            if not clip["gallery"]["images"]:
                raise DemoError(f"The gallery of '{clip['name']}' is empty.")
        return clips

    def sum_up(
        self, project_id: str, clips: Sequence[Json], *, output: Path, delivered: Delivered
    ) -> None:
        self._console.print()
        self._console.print(_table(clips, delivered))
        url = self._api.base_url
        for name, place in (
            ("Final Cut Pro", output / "project.fcpxml"),
            ("Resolve", output / "project_resolve.fcpxml"),
            ("EDL", output / "project.edl"),
            ("JSON", output / "project.json"),
            ("media", output / "media"),
            ("API manual", f"{url}/docs"),
            ("health", f"{url}/api/v1/health"),
            ("project", f"{url}/api/v1/projects/{project_id}/with-scenes?include_clips=true"),
        ):
            self._console.print(f"  {name:<14}{place}", soft_wrap=True, highlight=False)
        self._console.print(f"\nProject id: {project_id}", highlight=False)

    def _server(self, url: str) -> Json:
        body = {"name": f"ComfyUI {url.partition('://')[2]}", "url": url}
        try:
            created: Json = self._api.call("POST", "/comfyui/servers", body)
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            return created
        servers = self._api.call("GET", "/comfyui/servers?limit=500")
        known: Json = next(server for server in servers if server["url"] == url)
        if not known["is_active"]:
            self._api.call("PUT", f"/comfyui/servers/{known['id']}", {"is_active": True})
        return known

    def _jobs(self, project_id: str, job_ids: Sequence[str]) -> list[Json]:
        found = self._api.call("GET", f"/queue/jobs?project_id={project_id}&limit=500")
        return [job for job in found if job["id"] in job_ids]

    def _tell_failures(self, jobs: Sequence[Json]) -> None:
        for job in jobs:
            if job["status"] == "completed":
                continue
            words = (
                f"The {job['generation_type']} is {job['status']}: {job['error'] or 'no reason'}"
            )
            if job["generation_type"] == "image":
                raise DemoError(words)
            self._tell(words)

    def _move(self, clip: Json, position: float) -> None:
        path = f"/clips/{clip['id']}/timeline-position"
        self._api.call("PUT", path, {"position": position})

    def _move_where_it_fits(self, clip: Json, position: float) -> None:
        """Ask for a place that is taken, and take the one that the refusal suggests."""
        try:
            self._move(clip, position)
        except ApiError as error:
            if error.status != 409:
                raise
            fits = error.body["detail"]["suggested_position"]
            self._tell(f"Timeline: second {position:g} is taken, second {fits:g} fits")
            self._move(clip, fits)

    def _close_gaps(self, scene: Json) -> None:
        """Let the analysis find the gaps, and pull the clip behind each to its beginning."""
        path = f"/scenes/{scene['id']}/timeline-analysis"
        for gap in self._api.call("GET", path)["gaps"]:
            self._move({"id": gap["before_clip_id"]}, gap["gap_start"])
            name, length = gap["before_clip_name"], gap["gap_duration"]
            self._tell(f"Timeline: a gap of {length:g} s before '{name}' found and closed")
        if self._api.call("GET", path)["has_issues"]:
            raise DemoError(f"The timeline of '{scene['name']}' still has gaps or overlaps.")

    def _tell(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False, highlight=False)


def studio_of(info: Json) -> Studio:
    """Choose models from what a server has. DemoError when it has none."""
    by_family: dict[str, str] = {}
    for model in info["models"]:
        by_family.setdefault(model["type"], model["name"])
    if not by_family:
        raise DemoError("This ComfyUI has no model: put a checkpoint into its models/checkpoints.")
    family = next((name for name in _SIZES if name in by_family), None)
    image: Json = {"params": {"preset": "fast"}}
    if family:
        width, height = _SIZES[family]
        image["model"] = by_family[family]
        image["params"] |= {"width": width, "height": height}
    model = by_family.get(_VIDEO_FAMILY)
    video = {"model": model, "params": {"preset": "fast"}} if model else None
    return Studio(info["server"]["id"], image, video)


def _clips(scenes: Sequence[Json]) -> list[Json]:
    return [clip for scene in scenes for clip in scene["clips"]]


def _done(job: Json) -> float:
    return 1.0 if job["status"] == "completed" else float(job["progress"])


def _table(clips: Sequence[Json], delivered: Delivered) -> Table:
    """One line a clip: where it stands in its scene, what is in its gallery, what the cut shows."""
    shown = {
        item["clip_id"]: delivered.media[item["media_id"]].name
        for item in delivered.timeline["items"]
        if item["type"] == "clip"
    }
    table = Table(title="Night Drive", title_justify="left")
    for heading in ("Clip", "At", "Length", "Gallery", "In the cut"):
        table.add_column(heading, no_wrap=heading != "In the cut", overflow="fold")
    for clip in clips:
        gallery = clip["gallery"]
        takes = f"{len(gallery['images'])} image" + (", 1 video" if gallery["videos"] else "")
        at, length = f"{clip['timeline_position']:g} s", f"{clip['length']:g} s"
        table.add_row(clip["name"], at, length, takes, shown.get(clip["id"], "-"))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="demo.py", description="Make a short film by the API.")
    parser.add_argument("--url", default="http://127.0.0.1:8001", help="StoryCanvas (%(default)s)")
    parser.add_argument("--comfyui", default="http://127.0.0.1:8188", help="(%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="(%(default)s)")
    given = parser.parse_args(arguments)
    key = os.environ.get("API_KEYS", "").partition(",")[0].strip() or None
    began = time.monotonic()
    console = Console()
    try:
        Demo(Api(given.url, key), console).run(given.comfyui.rstrip("/"), given.output.absolute())
    except DemoError as error:
        print(f"The demo stops here: {error}", file=sys.stderr)
        return 1
    console.print(f"Done in {time.monotonic() - began:.0f} seconds.", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
