"""Everything under /api/v1, a router for each noun.

Eleven of them are the contract's, with its routes and no others (health, projects, scenes, clips,
generation, characters, templates, queue, comfyui, media, openai); what is beyond has routers of
its own. The server imports it, pages its dependencies. It imports `http`, `streams`, services and
DTOs.
"""

from fastapi import FastAPI

from backend.api.v1 import (
    characters_router,
    clips_router,
    comfyui_router,
    film_router,
    generation_router,
    health_router,
    media_router,
    models_router,
    openai_router,
    pool_router,
    projects_router,
    queue_router,
    scenes_router,
    servers_router,
    takes_router,
    templates_router,
    uploads_router,
    workers_router,
    workflows_router,
)
from backend.api.v1.events import events_router, webhooks_router
from backend.api.v1.exports import exports_router, imports_router

_ROUTERS = (
    health_router,
    projects_router,
    scenes_router,
    clips_router,
    film_router,
    takes_router,
    generation_router,
    characters_router,
    queue_router,
    workers_router,
    comfyui_router,
    servers_router,
    media_router,
    uploads_router,
    openai_router,
    pool_router,
    workflows_router,
    models_router,
    exports_router,
    imports_router,
    events_router,
    webhooks_router,
)


def include_v1(app: FastAPI) -> None:
    """Put the routes into the app, in the order of the manual."""
    for module in _ROUTERS:
        app.router.routes.extend(module.router.routes)
    app.router.routes.extend(templates_router.mounted.routes)
