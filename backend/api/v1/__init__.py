"""Everything under /api/v1: the eleven routers of the contract, and beyond them one for each noun.

The server imports it, pages its dependencies. It imports `http`, `streams`, services and DTOs.
"""

from fastapi import FastAPI

from backend.api.v1 import (
    characters_router,
    clips_router,
    comfyui_router,
    events_router,
    generation_router,
    health_router,
    media_router,
    openai_router,
    projects_router,
    queue_router,
    scenes_router,
    spa_media_router,
    spa_router,
    templates_router,
    webhooks_router,
    worker_results_router,
)
from backend.api.v1.exports import (
    exports_router,
    imports_router,
    packages_router,
    storyboards_router,
)
from backend.api.v1.film import alternates_router, pool_router, selection_router, workflows_router
from backend.api.v1.generation import character_pictures_router, models_router, regeneration_router

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
    character_pictures_router,
    regeneration_router,
    selection_router,
    alternates_router,
    pool_router,
    workflows_router,
    models_router,
    spa_router,
    spa_media_router,
    storyboards_router,  # like the packages:
    packages_router,  # before the exports: their {format} would take its paths
    exports_router,
    imports_router,
    events_router,
    webhooks_router,
    worker_results_router,
)


def include_v1(app: FastAPI) -> None:
    """Put the routes into the app, in the order of the manual."""
    for module in _ROUTERS:
        app.router.routes.extend(module.router.routes)
    app.router.routes.extend(templates_router.mounted.routes)
