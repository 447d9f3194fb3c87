"""Everything under /api/v1."""

from fastapi import APIRouter

from backend.api.v1 import (
    alternates_router,
    characters_router,
    clips_router,
    comfyui_router,
    exports_router,
    generation_router,
    health_router,
    media_router,
    models_router,
    openai_router,
    pool_router,
    projects_router,
    queue_router,
    scenes_router,
    selection_router,
    spa_media_router,
    spa_router,
    templates_router,
)
from backend.dtos.common_dto import ErrorDTO

_ROUTERS = (
    health_router,
    projects_router,
    scenes_router,
    clips_router,
    generation_router,
    characters_router,
    queue_router,
    comfyui_router,
    media_router,
    openai_router,
    selection_router,
    alternates_router,
    pool_router,
    models_router,
    spa_router,
    spa_media_router,
    exports_router,
)


def api_v1() -> APIRouter:
    """Put the routers together, in the order of the manual."""
    router = APIRouter(prefix="/api/v1", responses={"default": {"model": ErrorDTO}})
    for module in _ROUTERS:
        router.include_router(module.router)
    router.include_router(templates_router.router, prefix="/style-templates")
    router.include_router(templates_router.router, prefix="/templates", include_in_schema=False)
    return router
