"""Everything under /api/v1."""

from fastapi import APIRouter

from backend.api.v1 import (
    clips_router,
    comfyui_router,
    generation_router,
    health_router,
    media_router,
    projects_router,
    queue_router,
    scenes_router,
)
from backend.dtos.common_dto import ErrorDTO

_ROUTERS = (
    health_router,
    projects_router,
    scenes_router,
    clips_router,
    generation_router,
    queue_router,
    comfyui_router,
    media_router,
)


def api_v1() -> APIRouter:
    """Put the routers together, in the order of the manual."""
    router = APIRouter(prefix="/api/v1", responses={"default": {"model": ErrorDTO}})
    for module in _ROUTERS:
        router.include_router(module.router)
    return router
