"""Plans the animatic of a project as it stands now."""

from backend.models.animatic import AnimaticOptions
from backend.services.animatic_plan import AnimaticPlan, plan_animatic
from backend.services.export_service import ExportService
from backend.services.film import ExportOptions


class AnimaticPlanner:
    def __init__(self, exports: ExportService) -> None:
        self._exports = exports

    async def plan(self, project_id: str, options: AnimaticOptions) -> AnimaticPlan:
        """ResourceNotFoundError; ConflictError for a film that no timeline can carry."""
        wanted = ExportOptions(
            include_alternates=options.include_alternates, media_mode=options.media_mode
        )
        film, timeline = await self._exports.film_and_timeline(
            project_id, wanted, short_video=options.short_video
        )
        return await self._exports.in_turn(
            lambda: plan_animatic(film.project, timeline, options, locate=self._exports.locate)
        )

    async def check(self, project_id: str) -> None:
        """ResourceNotFoundError without the project."""
        await self._exports.check(project_id)
