"""Clips and the takes in their galleries."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from backend.models.clip import Clip
from backend.models.content import ContentType, GeneratedContent
from backend.repositories.base_repository import BaseRepository, Document
from backend.repositories.shared.translation import CALL_SECONDS
from backend.utils.index_spec import IndexSpec
from backend.utils.timeline_validator import Span, to_ms

_GALLERIES = {ContentType.IMAGE: "generated_images", ContentType.VIDEO: "generated_videos"}
_SELECTIONS = {ContentType.IMAGE: "selected_image_id", ContentType.VIDEO: "selected_video_id"}
#: What a character's words are made of; they change together or not at all.
_WORDED = ("image_prompt", "video_prompt", "character_id")
#: A whole film is read in pieces that take some milliseconds each, and has time for it.
_READ_AT_ONCE = 250
_BULK_SECONDS = 20.0
#: Small parts of clips that are read at a time.
_BATCH = 1_000
#: What grows with every take.
_NOT_TO_RENDER = {"generated_images": 0, "generated_videos": 0, "versions": 0}
_ALONG_TIMELINE = (("timeline_position", 1), ("created_at", 1), ("_id", 1))


class Positions(NamedTuple):
    """Where all clips of a scene begin, in seconds and in order; how many are no alternates."""

    all: list[float]
    on_timeline: int


class ClipRepository(BaseRepository[Clip]):
    collection = "clips"
    kind = "clip"
    model = Clip
    indexes = (
        IndexSpec(name="along_timeline", keys=(("scene_id", 1), *_ALONG_TIMELINE)),
        IndexSpec(name="by_project", keys=(("project_id", 1),)),
        IndexSpec(name="by_change", keys=(("updated_at", -1),)),
        IndexSpec(name="by_character", keys=(("character_id", 1),)),
        IndexSpec(
            name="one_number_each",
            keys=(("parent_clip_id", 1), ("alternate_number", 1)),
            unique=True,
            partial={"is_alternate": True},
        ),
    )

    def to_model(self, document: Document) -> Clip:
        """Mark the selected take of each kind: the clip stores only its id."""
        marked = {
            gallery: [
                {**take, "is_selected": take["id"] == document.get(_SELECTIONS[kind])}
                for take in document[gallery]
            ]
            for kind, gallery in _GALLERIES.items()
            if document.get(gallery)
        }
        return super().to_model({**document, **marked})

    async def page_for_scene(
        self, scene_id: str, *, skip: int, limit: int
    ) -> tuple[list[Clip], int]:
        where = {"scene_id": scene_id}
        return await self._page(where, sort=_ALONG_TIMELINE, skip=skip, limit=limit)

    async def list_for_scene(self, scene_id: str, *, skip: int = 0, limit: int = 0) -> list[Clip]:
        where = {"scene_id": scene_id}
        return await self._find(where, sort=_ALONG_TIMELINE, skip=skip, limit=limit)

    async def positions(self, scene_id: str) -> Positions:
        """Where the clips of a scene begin."""
        starts: list[float] = []
        on_timeline = 0
        fields = {"timeline_position": 1, "is_alternate": 1}
        async for found in self._batches({"scene_id": scene_id}, fields):
            starts += [document["timeline_position"] for document in found]
            on_timeline += sum(not document.get("is_alternate") for document in found)
        return Positions(sorted(starts), on_timeline)

    async def along(self, scene_id: str, *, low: float | None, high: float | None) -> list[Clip]:
        """A scene's clips along its timeline, from `low` to before `high` seconds."""
        where: dict[str, Any] = {"scene_id": scene_id}
        bounds = {"$gte": low, "$lt": high}
        if window := {name: bound for name, bound in bounds.items() if bound is not None}:
            where["timeline_position"] = window
        clips = await self._find(where)
        clips.sort(key=lambda clip: (clip.timeline_position, clip.created_at, clip.id))
        return clips

    async def list_for_project(self, project_id: str) -> list[Clip]:
        """All clips of a project, in no order: the caller knows the order of the scenes.

        Made into models in a thread, as they come: 10,000 of them would hold everybody up.
        """
        clips: list[Clip] = []
        with self._guarded(_BULK_SECONDS):
            cursor = self._documents.find({"project_id": project_id}).batch_size(_READ_AT_ONCE)
            documents = await cursor.to_list(_READ_AT_ONCE)
            while documents:
                # The database reads the next ones while these are made.
                made, documents = await asyncio.gather(
                    asyncio.to_thread(self._models, documents), cursor.to_list(_READ_AT_ONCE)
                )
                clips += made
        return clips

    def _models(self, documents: Sequence[Document]) -> list[Clip]:
        return [self.to_model(document) for document in documents]

    async def ids_for_scene(self, scene_id: str) -> list[str]:
        found = await self._find_raw({"scene_id": scene_id}, fields={"_id": 1})
        return [document["_id"] for document in found]

    async def list_by_ids(self, clip_ids: Sequence[str]) -> list[Clip]:
        """Those of these clips that exist, in no order."""
        return await self._list_by_ids(clip_ids)

    async def to_render_of_project(self, project_id: str) -> list[Clip]:
        """All clips of a project without their takes and versions: what rendering asks for."""
        found: list[Clip] = []
        where = {"project_id": project_id}
        async for documents in self._batches(where, _NOT_TO_RENDER, seconds=_BULK_SECONDS):
            found += [self.to_model(document) for document in documents]
        return found

    async def ids_of_project(self, project_id: str) -> set[str]:
        found: set[str] = set()
        where = {"project_id": project_id}
        async for documents in self._batches(where, {"_id": 1}, seconds=_BULK_SECONDS):
            found |= {document["_id"] for document in documents}
        return found

    async def existing(self, clip_ids: Sequence[str]) -> set[str]:
        """Which of these clips there are."""
        return {each["_id"] for each in await self._raw_by_ids(clip_ids, {"_id": 1})}

    async def scenes_with_character(self, character_id: str) -> set[str]:
        """The scenes of the clips that have this character."""
        found = await self._find_raw({"character_id": character_id}, fields={"scene_id": 1})
        return {document["scene_id"] for document in found}

    async def list_with_character(self, scene_id: str, character_id: str) -> list[Clip]:
        return await self._find({"scene_id": scene_id, "character_id": character_id})

    async def projects_with_character(self, character_id: str) -> set[str]:
        """The projects of the clips that have this character."""
        found = await self._find_raw({"character_id": character_id}, fields={"project_id": 1})
        return {document["project_id"] for document in found}

    async def move(self, clip: Clip, position: float, *, now: datetime) -> bool:
        """Move along the timeline unless its place or length changed since `clip` was read.

        False means that it did, or that the clip is gone.
        """
        guard = {"timeline_position": clip.timeline_position, "length": clip.length}
        changes = {"timeline_position": position, "updated_at": now}
        return await self._update_one({"_id": clip.id, **guard}, {"$set": changes})

    async def update_as_read(self, clip: Clip, changes: Mapping[str, Any]) -> bool:
        """Set fields unless its prompts or character changed since `clip` was read.

        False means that they did, or that the clip is gone.
        """
        guard = {field: getattr(clip, field) for field in _WORDED}
        return await self._update_one({"_id": clip.id, **guard}, {"$set": dict(changes)})

    async def update_alike(self, clip: Clip, changes: Mapping[str, Any]) -> int:
        """Set fields of all clips of its scene that have its prompts and its character's words.

        Gives how many there were; a clip that changed since it was read is not among them.
        """
        words = clip.character_words
        where = {"scene_id": clip.scene_id, **{field: getattr(clip, field) for field in _WORDED}}
        where["character_words"] = words.model_dump(mode="json") if words else None
        with self._guarded(_BULK_SECONDS):
            result = await self._documents.update_many(where, {"$set": dict(changes)})
        return int(result.matched_count)

    async def changed_since(self, moment: datetime) -> set[str]:
        """The scenes whose clips changed since then."""
        where, fields = {"updated_at": {"$gte": moment}}, {"_id": 0, "scene_id": 1}
        # After a large import these are all of its clips.
        parts = self._batches(where, fields, seconds=_BULK_SECONDS)
        return {each["scene_id"] async for found in parts for each in found}

    async def spans(self, scene_id: str) -> list[Span]:
        """Where the scene's clips lie, alternates left out."""
        fields = {"name": 1, "timeline_position": 1, "length": 1, "is_alternate": 1}
        spans: list[Span] = []
        async for found in self._batches({"scene_id": scene_id}, fields):
            spans += [_span(each) for each in found if not each.get("is_alternate")]
        return spans

    async def _batches(
        self,
        where: Mapping[str, Any],
        fields: Mapping[str, int],
        *,
        seconds: float = CALL_SECONDS,
    ) -> AsyncIterator[list[Document]]:
        """Read many documents in parts, each with a deadline of its own.

        The embedded database looks for all of them before it gives the first.
        """
        cursor = self._documents.find(where, fields).batch_size(_BATCH)
        while True:
            with self._guarded(seconds):
                found: list[Document] = await cursor.to_list(_BATCH)
            if not found:
                return
            yield found

    async def add_take(self, clip_id: str, take: GeneratedContent) -> bool:
        """Put a take into the gallery once, however often it is delivered; False: no such clip.

        The first take of its kind becomes the selected one.
        """
        gallery, selection = _GALLERIES[take.content_type], _SELECTIONS[take.content_type]
        stored = take.model_dump(exclude={"is_selected"})
        push = {gallery: stored}
        changes = {"updated_at": take.created_at}
        where = {"_id": clip_id, f"{gallery}.id": {"$ne": take.id}}
        as_first = {"$push": push, "$set": {**changes, selection: take.id}}
        added = await self._update_one(
            {**where, selection: None}, as_first
        ) or await self._update_one(where, {"$push": push, "$set": changes})
        return added or await self.find_by_id(clip_id) is not None

    async def select(self, clip_id: str, kind: ContentType, take_id: str, now: datetime) -> bool:
        """Show a take of the gallery of that kind; False when it is not in there."""
        return await self._update_one(
            {"_id": clip_id, f"{_GALLERIES[kind]}.id": take_id},
            {"$set": {_SELECTIONS[kind]: take_id, "updated_at": now}},
        )

    async def last_alternate(self, parent_id: str) -> int:
        """The highest number among the alternates of a clip, 0 when it has none."""
        return await self._highest(
            {"parent_clip_id": parent_id, "is_alternate": True}, "alternate_number"
        )

    async def delete_for_scene(self, scene_id: str) -> int:
        return await self._delete_where({"scene_id": scene_id})

    async def delete_for_project(self, project_id: str) -> int:
        return await self._delete_where({"project_id": project_id})


def _span(document: Document) -> Span:
    start = to_ms(document["timeline_position"])
    name: Any = document.get("name", "")
    return Span(document["_id"], name, start, start + to_ms(document["length"]))
