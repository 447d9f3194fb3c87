"""Health: a sign of life, and how every part is."""

from fastapi import Response

from backend.api.http.versioned_router import versioned_router
from backend.api.v1.dependencies import HealthServiceDep
from backend.dtos.health_dto import ApiRootDTO, HealthDTO
from backend.services.monitoring.health_service import HealthReport

router = versioned_router(tags=["Health"])


@router.get("/", response_model=ApiRootDTO, summary="What this is")
async def read_root(health: HealthServiceDep) -> dict[str, str]:
    """A sign of life that asks nobody."""
    return {"message": "StoryCanvas API", "status": "running", "version": health.version}


@router.get(
    "/health",
    response_model=HealthDTO,
    summary="How every part is",
    responses={503: {"model": HealthDTO, "description": "The database is down."}},
)
async def read_health(health: HealthServiceDep, response: Response) -> HealthReport:
    """Degraded is 200: work is possible. Only a database that is down makes it 503."""
    report = await health.report()
    if report.status == "unhealthy":
        response.status_code = 503
        response.headers["Retry-After"] = "3"
    return report
