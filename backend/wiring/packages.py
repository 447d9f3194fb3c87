"""What is made of the film and its media."""

from functools import cached_property

from backend.services.exports.animatic_plan import AnimaticPlanner
from backend.services.exports.animatic_runner import AnimaticRunner
from backend.services.exports.animatic_service import AnimaticService
from backend.services.exports.bundle import BundleService
from backend.services.exports.media_preparation import MediaPreparer
from backend.services.exports.render_cache import RenderCache
from backend.services.exports.rendering.process import RenderProcess
from backend.services.exports.storyboard_export import StoryboardService
from backend.utils.clock import utc_now
from backend.wiring.making import MakingParts

_MEGABYTE = 1_048_576


class PackageParts(MakingParts):
    """Media packages and animatics. Each kind has a rendering process of its own."""

    @cached_property
    def render_cache(self) -> RenderCache:
        room = self._settings.max_cache_size_mb * _MEGABYTE
        return RenderCache(self._settings.upload_dir, room)

    @cached_property
    def media_preparer(self) -> MediaPreparer:
        return MediaPreparer(self.render_cache, RenderProcess())

    @cached_property
    def bundles(self) -> BundleService:
        return BundleService(self.film_timelines, self.media_preparer)

    @cached_property
    def storyboards(self) -> StoryboardService:
        return StoryboardService(self.film_timelines, self._settings.upload_dir)

    @cached_property
    def animatic_runner(self) -> AnimaticRunner:
        return AnimaticRunner(
            self.repositories.animatics,
            self._animatic_planner,
            self.render_cache,
            process=RenderProcess(),
            events=self.events,
            clock=utc_now,
        )

    @cached_property
    def animatics(self) -> AnimaticService:
        return AnimaticService(
            self.repositories.animatics,
            self._animatic_planner,
            self.render_cache,
            runner=self.animatic_runner,
            wait_seconds=self._settings.generate_wait_seconds,
            clock=utc_now,
        )

    @cached_property
    def _animatic_planner(self) -> AnimaticPlanner:
        return AnimaticPlanner(self.film_timelines)
