"""Those who make jobs, and the one life of their attempts."""

from dataclasses import dataclass

from backend.services.media.result_store import Downloads, ResultStore
from backend.services.openai_video_service import OpenAIVideoService
from backend.services.providers.openai.client import OpenAIVideoClient, VideoDownloads
from backend.services.providers.runpod.client import RunPodDownloads
from backend.services.queue.context import SchedulerContext
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.input_images import InputImages
from backend.services.queue.job_requirements import can_go_somewhere
from backend.services.queue.provenance import GraphRecorder
from backend.services.queue.runners.attempt import AttemptLife
from backend.services.queue.runners.comfyui import ComfyUIRunner
from backend.services.queue.runners.comfyui_follower import PromptMonitor, PromptTimeouts
from backend.services.queue.runners.openai import OpenAIVideoRunner, VideoMonitor
from backend.services.queue.runners.recorder import AttemptRecorder
from backend.services.queue.runners.router import RunnerRouter
from backend.services.queue.runners.runpod import RunPodMonitor, RunPodRunner
from backend.services.workers.remote_media import RemoteMedia
from backend.utils.clock import utc_now
from backend.wiring.foundation import Foundation
from backend.wiring.scheduler import FleetParts

#: A video that was paid for is worth so many times SERVER_LOST_SECONDS of waiting for its file.
_PAID_PATIENCE = 10


@dataclass(frozen=True)
class RunnerParts:
    recorder: AttemptRecorder
    attempts: AttemptLife
    router: RunnerRouter
    openai: OpenAIVideoRunner
    openai_videos: OpenAIVideoService
    delivery: ResultDelivery
    results: ResultStore
    remote_results: ResultStore


def build_runners(base: Foundation, fleet: FleetParts, context: SchedulerContext) -> RunnerParts:
    repos = base.repositories
    images = InputImages(base.media_files, base.clients.comfyui)
    graphs = GraphRecorder(repos.graphs, fleet.fleet, clock=utc_now)
    results = base.results_of(base.clients.comfyui)
    delivery = _delivery(base, results)
    recorder = AttemptRecorder(
        repos.jobs,
        repos.stats,
        driving=context.leadership,
        observer=base.metrics,
        clock=utc_now,
    )
    comfyui = ComfyUIRunner(
        base.clients.comfyui,
        images=images,
        graphs=graphs,
        monitor=_prompt_monitor(base, context),
        delivery=delivery,
        watch=fleet.fleet,
        in_flight=context.in_flight,
    )
    openai_client = _openai_client(base)
    openai = _openai(base, context, openai_client)
    runpod = _runpod(base, fleet, context, images=images, graphs=graphs)
    router = RunnerRouter(comfyui, runpod, openai)
    return RunnerParts(
        recorder=recorder,
        attempts=AttemptLife(
            repos.jobs, recorder, runner_of=router.of, standard=comfyui, clock=utc_now
        ),
        router=router,
        openai=openai,
        openai_videos=OpenAIVideoService(openai_client),
        delivery=delivery,
        results=results,
        remote_results=base.results_of(_remote_media(base)),
    )


def _delivery(base: Foundation, results: ResultStore, *, patience: float = 1) -> ResultDelivery:
    return ResultDelivery(
        base.galleries,
        results,
        media=base.media_files,
        lost_seconds=patience * base.settings.server_lost_seconds,
        clock=utc_now,
    )


def _paid_delivery(base: Foundation, downloads: Downloads) -> ResultDelivery:
    return _delivery(base, base.results_of(downloads), patience=_PAID_PATIENCE)


def _prompt_monitor(base: Foundation, context: SchedulerContext) -> PromptMonitor:
    return PromptMonitor(
        base.repositories.jobs,
        base.clients.comfyui,
        patience=PromptTimeouts(
            poll=base.settings.queue_poll_seconds,
            lost=base.settings.server_lost_seconds,
            stall=base.settings.job_stall_seconds,
        ),
        on_start=context.in_flight.prompt_started,
        clock=utc_now,
    )


def _runpod(
    base: Foundation,
    fleet: FleetParts,
    context: SchedulerContext,
    *,
    images: InputImages,
    graphs: GraphRecorder,
) -> RunPodRunner:
    client = fleet.runpod
    bucket = _remote_media(base, who="The bucket of a RunPod endpoint")
    return RunPodRunner(
        client,
        images=images,
        graphs=graphs,
        monitor=RunPodMonitor(
            base.repositories.jobs,
            client,
            poll_seconds=base.settings.queue_poll_seconds,
            clock=utc_now,
        ),
        delivery=_paid_delivery(base, RunPodDownloads(client, bucket)),
        watch=fleet.fleet,
        can_go_elsewhere=lambda job: can_go_somewhere(job, fleet.fleet.states),
        may_order=context.leadership.holds,
    )


def _openai_client(base: Foundation) -> OpenAIVideoClient:
    key = base.settings.openai_api_key
    return OpenAIVideoClient(
        base.clients.provider,
        base_url=base.settings.openai_base_url,
        api_key=key.get_secret_value() if key else None,
    )


def _openai(
    base: Foundation, context: SchedulerContext, client: OpenAIVideoClient
) -> OpenAIVideoRunner:
    repos, settings = base.repositories, base.settings
    return OpenAIVideoRunner(
        repos.clips,
        client,
        monitor=VideoMonitor(
            repos.jobs, client, poll_seconds=settings.openai_poll_seconds, clock=utc_now
        ),
        delivery=_paid_delivery(base, VideoDownloads(client)),
        media=base.media_files,
        default_model=settings.openai_model,
        capacity=settings.openai_max_concurrent,
        may_order=context.leadership.holds,
        clock=utc_now,
    )


def _remote_media(base: Foundation, **who: str) -> RemoteMedia:
    return RemoteMedia(
        base.clients.public,
        base.clients.registered,
        servers=base.repositories.servers,
        media=base.media_files,
        **who,
    )
