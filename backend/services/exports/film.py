"""A film as the repositories hold it, and the ways in which it may be exported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backend.models.character import Character
from backend.models.clip import Clip
from backend.models.project import Project
from backend.models.scene import Scene
from backend.services.exports.timeline_media import MediaMode

ExportFormat = Literal["fcpxml", "resolve", "edl", "xmeml", "otio", "json", "csv"]


class ProjectReader(Protocol):
    async def get(self, project_id: str, /) -> Project:
        """ResourceNotFoundError if there is none."""
        ...


class SceneReader(Protocol):
    async def list_for_project(self, project_id: str, /) -> list[Scene]: ...


class ClipReader(Protocol):
    async def list_for_project(self, project_id: str, /) -> list[Clip]: ...


class CharacterReader(Protocol):
    async def of_film(self, project_id: str, character_ids: set[str], /) -> list[Character]:
        """Those of the project, and those of all projects among these ids."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """`media_root` is the absolute folder of the media on the editor's machine, if known.

    `unique_reels` gives each file of an EDL a reel of its own, for Resolve and Avid. `link` makes
    an address of our media one that whoever gets the JSON can load; without it they stay as kept.
    """

    include_alternates: bool = False
    media_mode: MediaMode = "selected"
    media_root: str | None = None
    unique_reels: bool = False
    link: Callable[[str], str] = field(default=str, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Film:
    project: Project
    scenes: Sequence[Scene]
    clips: Sequence[Clip]
    characters: Sequence[Character] = ()
    options: ExportOptions = field(default_factory=ExportOptions)


class FilmLoader:
    def __init__(
        self,
        projects: ProjectReader,
        scenes: SceneReader,
        clips: ClipReader,
        characters: CharacterReader,
    ) -> None:
        self._projects = projects
        self._scenes = scenes
        self._clips = clips
        self._characters = characters

    async def project(self, project_id: str) -> Project:
        """ResourceNotFoundError if there is none."""
        return await self._projects.get(project_id)

    async def load(
        self, project_id: str, options: ExportOptions, *, with_characters: bool = False
    ) -> Film:
        """ResourceNotFoundError without the project."""
        project = await self._projects.get(project_id)
        scenes = await self._scenes.list_for_project(project_id)
        clips = await self._clips.list_for_project(project_id)
        characters: list[Character] = []
        if with_characters:
            named = {clip.character_id for clip in clips if clip.character_id}
            characters = await self._characters.of_film(project_id, named)
        return Film(project, scenes, clips, characters, options)
