"""What is made of a film, and what comes back from editors."""

from dataclasses import dataclass

from backend.services.events.hub import EventHub
from backend.services.export_service import ExportService
from backend.services.exports.animatic_plan import AnimaticPlanner
from backend.services.exports.animatic_runner import AnimaticRunner
from backend.services.exports.animatic_service import AnimaticService
from backend.services.exports.bundle import BundleService
from backend.services.exports.film import FilmLoader
from backend.services.exports.film_timelines import FilmTimelines
from backend.services.exports.media_preparation import MediaPreparer
from backend.services.exports.render_cache import RenderCache
from backend.services.exports.rendering.process import RenderProcess
from backend.services.exports.storyboard_export import StoryboardService
from backend.services.exports.timing_service import TimingService
from backend.services.film.clip_timeline import ClipTimeline
from backend.services.film.project_import import ProjectImporter
from backend.utils.clock import utc_now
from backend.wiring.foundation import MEGABYTE, Foundation


@dataclass(frozen=True)
class ExportParts:
    """Packages and animatics have a rendering process each."""

    service: ExportService
    timing: TimingService
    importer: ProjectImporter
    bundles: BundleService
    storyboards: StoryboardService
    animatics: AnimaticService
    animatic_runner: AnimaticRunner
    media_preparer: MediaPreparer
    render_cache: RenderCache


def build_exports(base: Foundation, hub: EventHub, timeline: ClipTimeline) -> ExportParts:
    repos, settings = base.repositories, base.settings
    films = FilmLoader(repos.projects, repos.scenes, repos.clips, repos.characters)
    timelines = FilmTimelines(films, settings.upload_dir)
    cache = RenderCache(settings.upload_dir, settings.max_cache_size_mb * MEGABYTE)
    preparer = MediaPreparer(cache, RenderProcess())
    planner = AnimaticPlanner(timelines)
    runner = AnimaticRunner(
        repos.animatics, planner, cache, process=RenderProcess(), events=hub, clock=utc_now
    )
    return ExportParts(
        service=ExportService(timelines),
        timing=TimingService(timelines, repos.clips, timeline=timeline, clock=utc_now),
        importer=ProjectImporter(repos, base.media_files, clock=utc_now),
        bundles=BundleService(timelines, preparer),
        storyboards=StoryboardService(timelines, settings.upload_dir),
        animatics=AnimaticService(
            repos.animatics,
            planner,
            cache,
            runner=runner,
            wait_seconds=settings.generate_wait_seconds,
            clock=utc_now,
        ),
        animatic_runner=runner,
        media_preparer=preparer,
        render_cache=cache,
    )
