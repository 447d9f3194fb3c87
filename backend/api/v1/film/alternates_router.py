"""Alternates (2), beyond the 65: another go at a clip or a scene, beside the timeline."""

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import AlternatesServiceDep, Id
from backend.dtos.clip_dto import ClipResponseDTO
from backend.dtos.scene_dto import SceneResponseDTO
from backend.models.clip import Clip
from backend.models.scene import Scene

router = versioned_router(tags=["Alternates"])


@router.post(
    "/clips/{clip_id}/create-alternate",
    response_model=ClipResponseDTO,
    status_code=201,
    summary="Copy a clip with its takes as a numbered alternate, outside the timeline",
    responses={404: {"description": "No such clip."}},
)
async def create_clip_alternate(clip_id: Id, alternates: AlternatesServiceDep) -> Clip:
    """Number within the original and copy; an alternate of an alternate belongs to the original.

    The alternate has files of its own, and stays when the original is deleted.
    """
    return await alternates.of_clip(clip_id)


@router.post(
    "/scenes/{scene_id}/create-alternate",
    response_model=SceneResponseDTO,
    status_code=201,
    summary="Copy a scene with its clips and takes as a numbered alternate, outside the film",
    responses={404: {"description": "No such scene."}},
)
async def create_scene_alternate(scene_id: Id, alternates: AlternatesServiceDep) -> Scene:
    """Number within the original and copy; an alternate of an alternate belongs to the original.

    Its clips are ordinary clips of its own timeline, which count in no total of the project.
    It stays when the original is deleted.
    """
    return await alternates.of_scene(scene_id)
