"""Creates clips of a scene; requests that arrive together are written together.

A scene's clips are created one after another, so that no two get the same place. What arrives
while the ones before are being written waits, and then goes as one: one read of the scene, one
insert and one count for all of them.
"""

import contextlib
from collections.abc import Sequence

from backend.dtos.clip_dto import ClipCreateDTO
from backend.models.clip import Clip
from backend.models.scene import Scene
from backend.repositories.clip_repository import ClipRepository
from backend.repositories.scene_repository import SceneRepository
from backend.services.film.clip_timeline import ClipTimeline
from backend.utils.clock import Clock
from backend.utils.coalescer import Coalescer
from backend.utils.errors import ConflictError, StoryCanvasError
from backend.utils.ids import new_id
from backend.utils.timeline_validator import LATEST_START, to_ms

Made = list[Clip | ConflictError]


class ClipCreator:
    def __init__(
        self,
        scenes: SceneRepository,
        clips: ClipRepository,
        *,
        timeline: ClipTimeline,
        clock: Clock,
    ) -> None:
        self._scenes = scenes
        self._clips = clips
        self._timeline = timeline
        self._clock = clock
        self._groups = Coalescer(self._make, "clips of")
        #: Scenes whose totals may be wrong since the database failed in between.
        self._doubtful: set[str] = set()

    async def add(self, request: ClipCreateDTO) -> Clip:
        """Create a clip where it was asked for, else after the last one.

        ResourceNotFoundError without its scene, ConflictError when no clip may start so late.
        """
        made, place = await self._groups.join(request.scene_id, request)
        clip = made[place]
        if isinstance(clip, ConflictError):
            raise clip
        return clip

    async def _make(self, scene_id: str, requests: list[ClipCreateDTO]) -> Made:
        async with self._timeline.lock(scene_id):
            try:
                scene = await self._read(scene_id)
            finally:
                # Whoever comes from here on forms the next group.
                self._groups.close(scene_id)
            made = self._placed(scene, requests)
            while _clips(made) and not await self._timeline.count_in(scene, _clips(made)):
                scene = await self._scenes.get(scene_id)
                made = self._placed(scene, requests)
            await self._store(scene_id, _clips(made))
            self._timeline.stored(scene, _clips(made))
            return made

    async def _read(self, scene_id: str) -> Scene:
        if scene_id in self._doubtful:
            await self._recount(scene_id)
        return await self._scenes.get(scene_id)

    def _placed(self, scene: Scene, requests: Sequence[ClipCreateDTO]) -> Made:
        made: Made = []
        count, end = scene.clip_count, scene.duration
        for request in requests:
            if "timeline_position" not in request.model_fields_set and to_ms(end) > LATEST_START:
                made.append(_full(end))
                continue
            clip = self._clip(request, scene, count=count, end=end)
            count, end = count + 1, max(end, clip.timeline_end)
            made.append(clip)
        return made

    def _clip(self, request: ClipCreateDTO, scene: Scene, *, count: int, end: float) -> Clip:
        fields = request.changes()
        fields.pop("auto_generate", None)
        fields.setdefault("name", f"Clip {count + 1}")
        fields.setdefault("order", count)
        fields.setdefault("timeline_position", end)
        now = self._clock()
        return Clip(
            id=new_id(), project_id=scene.project_id, created_at=now, updated_at=now, **fields
        )

    async def _store(self, scene_id: str, clips: Sequence[Clip]) -> None:
        try:
            await self._clips.add_many(clips)
        except StoryCanvasError:
            # They are counted, and some of them may even be stored.
            self._doubtful.add(scene_id)
            with contextlib.suppress(StoryCanvasError):
                await self._recount(scene_id)
            raise

    async def _recount(self, scene_id: str) -> None:
        await self._timeline.recount(scene_id)
        self._doubtful.discard(scene_id)


def _clips(made: Made) -> list[Clip]:
    return [clip for clip in made if isinstance(clip, Clip)]


def _full(end: float) -> ConflictError:
    return ConflictError(
        f"The scene ends at {end:.10g} s, and no clip may start so late: name a timeline_position.",
        code="TIMELINE_FULL",
    )
