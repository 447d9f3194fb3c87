"""A project with its scenes and their clips in one answer."""

from pydantic import Field

from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.project_dto import ProjectResponseDTO
from backend.dtos.scene_dto import SceneResponseDTO
from backend.dtos.shared.common_dto import ResponseDTO


class TimelineSceneDTO(SceneResponseDTO):
    clips: list[ClipResponseDTO] = Field(description="Along the scene's timeline.")


class ProjectTimelineDTO(ResponseDTO):
    project: ProjectResponseDTO = Field(description="The project itself.")
    scenes: list[TimelineSceneDTO] = Field(description="In order, alternates among them.")
