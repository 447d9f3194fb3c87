"""Makes the documents of an imported project from its file, with new ids. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from backend.dtos.exports.project_file_dto import (
    ClipFileDTO,
    ProjectFileDTO,
    SceneFileDTO,
    TakeFileDTO,
)
from backend.models.character import Character, CharacterWords
from backend.models.clip import Clip
from backend.models.content import GeneratedContent
from backend.models.project import Project
from backend.models.scene import Scene
from backend.utils.errors import UnprocessableError
from backend.utils.ids import new_id


@dataclass(frozen=True, slots=True)
class ImportedFilm:
    """Takes still have the paths of the file: whoever copies them gives them new ones."""

    project: Project
    characters: list[Character]
    scenes: list[Scene]
    clips: list[Clip]


def imported_film(given: ProjectFileDTO, known: set[str], now: datetime) -> ImportedFilm:
    """`known` are characters of all projects that are here already; they are used as they are.

    UnprocessableError for ids that come twice, and clips of scenes that are not in the file.
    """
    _check_ids(given)
    return _Maker(given, known, now).film()


def not_a_project(why: str, **details: Any) -> UnprocessableError:
    return UnprocessableError(
        f"This is no JSON export of a project: {why}.", code="PROJECT_FILE_INVALID", **details
    )


class _Maker:
    def __init__(self, given: ProjectFileDTO, known: set[str], now: datetime) -> None:
        self._given = given
        self._now = now
        self._project_id = new_id()
        self._ids = {scene.id: new_id() for scene in given.scenes}
        self._ids |= {clip.id: new_id() for clip in given.clips}
        self._characters = {each.id: new_id() for each in given.characters}
        self._characters |= {character_id: character_id for character_id in known}
        self._known = known

    def film(self) -> ImportedFilm:
        clips = [self._clip(each) for each in self._given.clips]
        totals = _totals(clips)
        scenes = [
            self._scene(each, *totals.get(self._ids[each.id], (0, 0.0)))
            for each in self._given.scenes
        ]
        characters = [
            self._character(each.id, each.model_dump(exclude={"id"}, exclude_unset=True))
            for each in self._given.characters
            if each.id not in self._known
        ]
        return ImportedFilm(self._project(scenes), characters, scenes, clips)

    def _project(self, scenes: Iterable[Scene]) -> Project:
        counted = [scene for scene in scenes if not scene.is_alternate]
        return Project(
            **self._given.project.model_dump(exclude={"id"}),
            id=self._project_id,
            scene_count=len(counted),
            clip_count=sum(scene.clip_count for scene in counted),
            duration=round(sum(scene.duration for scene in counted), 3),
            updated_at=self._now,
        )

    def _scene(self, given: SceneFileDTO, clip_count: int, duration: float) -> Scene:
        fields = given.model_dump(exclude={"id", "project_id", "parent_scene_id"})
        return Scene(
            **_given(fields),
            id=self._ids[given.id],
            project_id=self._project_id,
            parent_scene_id=self._new(given.parent_scene_id),
            clip_count=clip_count,
            duration=duration,
            updated_at=self._now,
        )

    def _clip(self, given: ClipFileDTO) -> Clip:
        fields = given.model_dump(exclude=_REPLACED)
        character_id = self._characters.get(given.character_id or "")
        return Clip(
            **_given(fields),
            id=self._ids[given.id],
            scene_id=self._ids[given.scene_id],
            project_id=self._project_id,
            parent_clip_id=self._new(given.parent_clip_id),
            generated_images=tuple(_take(each) for each in given.generated_images),
            generated_videos=tuple(_take(each) for each in given.generated_videos),
            character_id=character_id,
            character_words=self._words(given.character_words),
            updated_at=self._now,
        )

    def _words(self, given: dict[str, Any] | None) -> CharacterWords | None:
        """Kept while their character is: of nobody, they are plain words of the prompts."""
        if given is None:
            return None
        try:
            words = CharacterWords.model_validate(given)
        except ValidationError as error:
            raise not_a_project("character_words are malformed") from error
        new = self._characters.get(words.character_id)
        return words.model_copy(update={"character_id": new}) if new else None

    def _character(self, given_id: str, fields: dict[str, Any]) -> Character:
        own = {"id": self._characters[given_id], "project_id": self._project_id}
        return Character(**fields | own | {"updated_at": self._now})

    def _new(self, old_id: str | None) -> str | None:
        """The same new id each time, also for what is not in the file any more."""
        return old_id and self._ids.setdefault(old_id, new_id())


#: What a clip does not take over as it stands.
_REPLACED = {
    "id",
    "scene_id",
    "parent_clip_id",
    "auto_generate",
    "character_id",
    "character_words",
    "generated_images",
    "generated_videos",
}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what was left out: routes work out a default for it, a model has its own."""
    return {name: value for name, value in fields.items() if value is not None}


def _take(given: TakeFileDTO) -> GeneratedContent:
    return GeneratedContent(**given.model_dump())


def _totals(clips: Iterable[Clip]) -> dict[str, tuple[int, float]]:
    """Clips and end of each scene, alternates left out."""
    found: dict[str, tuple[int, float]] = {}
    for clip in clips:
        if not clip.is_alternate:
            count, end = found.get(clip.scene_id, (0, 0.0))
            found[clip.scene_id] = (count + 1, max(end, clip.timeline_end))
    return found


def _check_ids(given: ProjectFileDTO) -> None:
    scene_ids = [scene.id for scene in given.scenes]
    others = [*(clip.id for clip in given.clips), *(each.id for each in given.characters)]
    takes = [take.id for clip in given.clips for take in _gallery(clip)]
    for what, values in (
        ("an id", [*scene_ids, *others]),
        ("the id of a take", takes),
        ("the number of an alternate", list(_alternates(given))),
    ):
        if len(set(values)) < len(values):
            raise not_a_project(f"{what} comes twice")
    scenes = set(scene_ids)
    if any(clip.scene_id not in scenes for clip in given.clips):
        raise not_a_project("a clip belongs to a scene that is not in it")


def _gallery(clip: ClipFileDTO) -> tuple[TakeFileDTO, ...]:
    return (*clip.generated_images, *clip.generated_videos)


def _alternates(given: ProjectFileDTO) -> Iterable[tuple[str, str | None, int]]:
    """What the database keeps unique: the number of an alternate among those of its parent."""
    for scene in given.scenes:
        if scene.is_alternate:
            yield "scene", scene.parent_scene_id, scene.alternate_number
    for clip in given.clips:
        if clip.is_alternate:
            yield "clip", clip.parent_clip_id, clip.alternate_number
