"""The queue and those who carry out its jobs."""

from functools import cached_property

from backend.services.comfyui_service import ComfyUIService
from backend.services.media.result_store import ResultStore
from backend.services.monitoring.health_service import HealthService
from backend.services.monitoring.live_board import LiveBoard
from backend.services.monitoring.outlook import JobForecasts
from backend.services.monitoring.queue_view import QueueView
from backend.services.openai_video_service import OpenAIVideoService
from backend.services.providers.openai.client import OpenAIVideoClient, VideoDownloads
from backend.services.providers.runpod.client import RunPodDownloads
from backend.services.queue.admission import QueueLimits
from backend.services.queue.delivery import ResultDelivery
from backend.services.queue.dispatcher import Dispatcher
from backend.services.queue.input_images import InputImages
from backend.services.queue.job_requirements import can_go_somewhere
from backend.services.queue.late_results import LateResults
from backend.services.queue.provenance import GraphNotes
from backend.services.queue.runners.attempt import AttemptLife
from backend.services.queue.runners.comfyui import ComfyUIRunner
from backend.services.queue.runners.comfyui_follower import Patience, PromptMonitor
from backend.services.queue.runners.openai import OpenAIVideoRunner, VideoMonitor
from backend.services.queue.runners.recorder import AttemptRecorder
from backend.services.queue.runners.router import RunnerRouter
from backend.services.queue.runners.runpod import RunPodMonitor, RunPodRunner
from backend.services.queue_manager import QueueManager
from backend.services.servers.model_library import ModelLibrary
from backend.services.workers.remote_media import RemoteMedia
from backend.services.workers.reports import WorkerReports
from backend.services.workers.service import WorkerService
from backend.utils.clock import utc_now
from backend.wiring.scheduler import SchedulerParts

#: A video that was paid for is worth so many times SERVER_LOST_SECONDS of waiting for its file.
_PAID_PATIENCE = 10
_MEGABYTE = 1_048_576


class QueueParts(SchedulerParts):
    """From the fleet of servers to the view of the queue."""

    @cached_property
    def dispatcher(self) -> Dispatcher:
        dispatcher = Dispatcher(
            self.repositories.jobs,
            self.scheduler_context,
            self.attempts,
            provider_capacity=self.provider.capacity,
            late=self._late_results,
        )
        self.fleet.on_change = dispatcher.wake
        return dispatcher

    @cached_property
    def _late_results(self) -> LateResults:
        late = LateResults(
            self.repositories.jobs, self.fleet, self._clients.comfyui, delivery=self.delivery
        )
        self.attempts.on_lost = late.lost
        return late

    @cached_property
    def recorder(self) -> AttemptRecorder:
        return AttemptRecorder(
            self.repositories.jobs,
            self.repositories.stats,
            driving=self.leadership,
            observer=self.metrics,
            clock=utc_now,
        )

    @cached_property
    def attempts(self) -> AttemptLife:
        return AttemptLife(
            self.repositories.jobs,
            self.recorder,
            runner_of=self.runners.of,
            standard=self._comfyui_runner,
            clock=utc_now,
        )

    @cached_property
    def _comfyui_runner(self) -> ComfyUIRunner:
        return ComfyUIRunner(
            self._clients.comfyui,
            images=self.images,
            graphs=self._graph_notes,
            monitor=self._monitor,
            delivery=self.delivery,
            watch=self.fleet,
            in_flight=self.in_flight,
        )

    @cached_property
    def images(self) -> InputImages:
        return InputImages(self.media_files, self._clients.comfyui)

    @cached_property
    def _graph_notes(self) -> GraphNotes:
        return GraphNotes(self.repositories.graphs, self.fleet, clock=utc_now)

    @cached_property
    def runners(self) -> RunnerRouter:
        return RunnerRouter(self._comfyui_runner, self._runpod_runner, self.provider)

    @cached_property
    def _runpod_runner(self) -> RunPodRunner:
        repos = self.repositories
        client = self._runpod_client
        return RunPodRunner(
            client,
            images=self.images,
            graphs=self._graph_notes,
            monitor=RunPodMonitor(
                repos.jobs,
                client,
                poll_seconds=self._settings.queue_poll_seconds,
                clock=utc_now,
            ),
            delivery=ResultDelivery(
                self.galleries,
                self._results_of(RunPodDownloads(client, self._bucket_media)),
                media=self.media_files,
                lost_seconds=_PAID_PATIENCE * self._settings.server_lost_seconds,
                clock=utc_now,
            ),
            watch=self.fleet,
            can_go_elsewhere=lambda job: can_go_somewhere(job, self.fleet.states),
            may_order=self.leadership.holds,
        )

    @cached_property
    def _bucket_media(self) -> RemoteMedia:
        return RemoteMedia(
            self._clients.public,
            self._clients.registered,
            servers=self.repositories.servers,
            media=self.media_files,
            who="The bucket of a RunPod endpoint",
        )

    @cached_property
    def delivery(self) -> ResultDelivery:
        return ResultDelivery(
            self.galleries,
            self.results,
            media=self.media_files,
            lost_seconds=self._settings.server_lost_seconds,
            clock=utc_now,
        )

    @cached_property
    def results(self) -> ResultStore:
        return self._results_of(self._clients.comfyui)

    @cached_property
    def openai_videos(self) -> OpenAIVideoService:
        return OpenAIVideoService(self._provider_client)

    @cached_property
    def provider(self) -> OpenAIVideoRunner:
        repos = self.repositories
        client = self._provider_client
        return OpenAIVideoRunner(
            repos.clips,
            client,
            monitor=VideoMonitor(
                repos.jobs,
                client,
                poll_seconds=self._settings.openai_poll_seconds,
                clock=utc_now,
            ),
            delivery=ResultDelivery(
                self.galleries,
                self._results_of(VideoDownloads(client)),
                media=self.media_files,
                lost_seconds=_PAID_PATIENCE * self._settings.server_lost_seconds,
                clock=utc_now,
            ),
            media=self.media_files,
            default_model=self._settings.openai_model,
            capacity=self._settings.openai_max_concurrent,
            may_order=self.leadership.holds,
            clock=utc_now,
        )

    @cached_property
    def _provider_client(self) -> OpenAIVideoClient:
        key = self._settings.openai_api_key
        return OpenAIVideoClient(
            self._clients.provider,
            base_url=self._settings.openai_base_url,
            api_key=key.get_secret_value() if key else None,
        )

    @cached_property
    def _remote_results(self) -> ResultStore:
        remote = RemoteMedia(
            self._clients.public,
            self._clients.registered,
            servers=self.repositories.servers,
            media=self.media_files,
        )
        return self._results_of(remote)

    @cached_property
    def _monitor(self) -> PromptMonitor:
        return PromptMonitor(
            self.repositories.jobs,
            self._clients.comfyui,
            patience=Patience(
                poll=self._settings.queue_poll_seconds,
                lost=self._settings.server_lost_seconds,
                stall=self._settings.job_stall_seconds,
            ),
            on_start=self.in_flight.prompt_started,
            clock=utc_now,
        )

    @cached_property
    def queue(self) -> QueueManager:
        repos = self.repositories
        return QueueManager(
            repos.jobs,
            repos.servers,
            self.runners,
            recorder=self.recorder,
            dispatcher=self.dispatcher,
            limits=self.queue_limits,
            clock=utc_now,
        )

    @cached_property
    def queue_limits(self) -> QueueLimits:
        return QueueLimits(
            self.repositories.jobs.totals,
            most=self._settings.queue_max_pending,
            most_per_project=self._settings.queue_max_pending_per_project,
        )

    @cached_property
    def queue_view(self) -> QueueView:
        repos = self.repositories
        return QueueView(
            self.queue,
            repos.stats,
            projects=repos.projects,
            workers=self.workers,
            fleet=self.fleet,
            forecasts=JobForecasts(
                self.scheduler_context, provider_capacity=self._settings.openai_max_concurrent
            ),
        )

    @cached_property
    def live_board(self) -> LiveBoard:
        repos = self.repositories
        return LiveBoard(
            repos.jobs,
            self.queue_view,
            forecasts=JobForecasts(
                self.scheduler_context, provider_capacity=self._settings.openai_max_concurrent
            ),
            fleet=self.fleet,
            in_flight=self.in_flight,
            projects=repos.projects,
            clips=repos.clips,
            characters=repos.characters,
            clock=utc_now,
        )

    @cached_property
    def workers(self) -> WorkerService:
        repos = self.repositories
        return WorkerService(
            repos.workers,
            repos.servers,
            repos.jobs,
            recorder=self.recorder,
            fleet=self.fleet,
            backlog_sync=self.scheduler_context.backlog_sync,
            lease_seconds=self._settings.worker_lease_seconds,
            clock=utc_now,
        )

    @cached_property
    def worker_reports(self) -> WorkerReports:
        return WorkerReports(
            self.repositories.jobs,
            self.galleries,
            self.attempts,
            recorder=self.recorder,
            delivery=self.delivery,
            remote=self._remote_results,
            store_of=self._results_of,
            media=self.media_files,
            max_bytes=self._settings.max_result_size_mb * _MEGABYTE,
            lease_seconds=self._settings.worker_lease_seconds,
            clock=utc_now,
        )

    @cached_property
    def model_library(self) -> ModelLibrary:
        return ModelLibrary(self.fleet)

    @cached_property
    def servers(self) -> ComfyUIService:
        return ComfyUIService(
            self.repositories.servers,
            self.fleet,
            self.queue,
            events=self.server_events,
            clock=utc_now,
        )

    @cached_property
    def health(self) -> HealthService:
        return HealthService(
            self._database,
            self.queue,
            fleet=self.fleet,
            media=self.media_files,
            leadership=self.leadership,
        )
