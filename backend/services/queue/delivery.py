"""Downloads a finished prompt's files, stores them, and puts them into the gallery."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from backend.models.comfyui_server import ComfyUIServer, ServerType
from backend.models.content import GeneratedContent
from backend.models.job import Job, Outcome
from backend.models.provenance import Provenance
from backend.services.comfyui.messages import OutputFile, PromptOutcome
from backend.services.gallery_manager import GalleryManager, folder_of
from backend.services.media.media_files import MediaFiles
from backend.services.media.result_store import ResultStore, StoredMedia
from backend.services.queue.retry_policy import Failure
from backend.utils.clock import Clock
from backend.utils.errors import (
    ServerUnreachableError,
    StorageFullError,
    UpstreamError,
    UpstreamTimeoutError,
)
from backend.utils.ids import derived_id

#: A broken download is tried this often before the attempt counts as failed.
_TRIES = 3
_PAUSE = 0.5


class ResultDelivery:
    """Delivers results. `lost_seconds`: how long to wait for a file of an unreachable server."""

    def __init__(
        self,
        galleries: GalleryManager,
        results: ResultStore,
        *,
        media: MediaFiles,
        lost_seconds: float,
        clock: Clock,
    ) -> None:
        self._galleries = galleries
        self._results = results
        self._media = media
        self._lost = timedelta(seconds=lost_seconds)
        self._clock = clock

    async def deliver(
        self, job: Job, server: ComfyUIServer, outcome: PromptOutcome
    ) -> GeneratedContent | Failure:
        """Give the job's first take, or say why there is none.

        Takes have ids derived from prompt and file, so delivering twice adds nothing.
        """
        if not outcome.files:
            words = "The workflow finished without an image or video."
            return Failure(Outcome.FAILED, words, "NO_OUTPUT", final=True)
        takes: list[GeneratedContent] = []
        for file in outcome.files:
            stored = await self._fetch(job, server, file)
            if isinstance(stored, Failure):
                return stored
            take = self._take(job, stored, _content_id(job, file))
            takes.append(take.model_copy(update={"provenance": _made(job, server, outcome)}))
        return await self.add_to_gallery(job, takes)

    async def add_to_gallery(
        self, job: Job, takes: Sequence[GeneratedContent]
    ) -> GeneratedContent | Failure:
        """Put takes into the gallery; give the first of the kind that was asked for."""
        for take in takes:
            if not await self._galleries.add(job, take):
                await self._media.remove_folder(folder_of(job))
                return _gone(job)
        wanted = (take for take in takes if take.content_type == job.generation_type)
        return next(wanted, takes[0])

    async def adopt(self, job: Job, url: str, remote: ResultStore) -> GeneratedContent | Failure:
        """Download what an external worker made, from a URL that `remote` may read.

        Raises UpstreamError, or StorageFullError, when it cannot be had: the worker may report
        again.
        """
        file = OutputFile(filename=url)
        content_id = _content_id(job, file)
        stored = await remote.fetch(
            _worker_of(job),
            file,
            content_id=content_id,
            folder=folder_of(job),
        )
        return await self.add_to_gallery(job, [self._take(job, stored, content_id)])

    async def _fetch(
        self, job: Job, server: ComfyUIServer, file: OutputFile
    ) -> StoredMedia | Failure:
        deadline = self._clock() + self._lost
        tries = 0
        while True:
            try:
                return await self._results.fetch(
                    server,
                    file,
                    content_id=_content_id(job, file),
                    folder=folder_of(job),
                )
            except StorageFullError as error:
                return Failure(Outcome.FAILED, error.message, error.code, final=True)
            except (ServerUnreachableError, UpstreamTimeoutError) as error:
                if self._clock() >= deadline:
                    return Failure(Outcome.LOST, error.message, error.code)
            except UpstreamError as error:
                tries += 1
                if tries == _TRIES:
                    return Failure(Outcome.FAILED, error.message, error.code)
            await asyncio.sleep(_PAUSE)

    def _take(self, job: Job, stored: StoredMedia, content_id: str) -> GeneratedContent:
        render = job.render or {}
        return GeneratedContent(
            id=content_id,
            content_type=stored.content_type,
            path=stored.path,
            thumbnail_path=stored.thumbnail_path,
            prompt=job.prompt,
            negative_prompt=job.negative_prompt,
            server_id=job.server_id,
            server_name=job.server_name,
            model_name=render.get("model_name"),
            model_type=render.get("model_type"),
            generation_params={
                **job.params,
                **render.get("params", {}),
                "seed": render.get("seed"),
                "loras": list(job.loras),
            },
            seed=render.get("seed"),
            width=stored.width,
            height=stored.height,
            duration=stored.duration,
            fps=stored.fps,
            size_bytes=stored.size_bytes,
            job_id=job.id,
            created_at=self._clock(),
        )


def _gone(job: Job) -> Failure:
    who, code = ("clip", "CLIP_GONE") if job.clip_id else ("character", "CHARACTER_GONE")
    words = f"The {who} was deleted before its result came."
    return Failure(Outcome.CANCELLED, words, code, final=True)


def _made(job: Job, server: ComfyUIServer, outcome: PromptOutcome) -> Provenance | None:
    """What the attempt noted, and whether anything was rendered at all, if its server tells."""
    attempt = job.current_attempt
    if attempt is None or attempt.made is None:
        return None
    cached = None if server.server_type is ServerType.RUNPOD else outcome.cached
    return attempt.made.model_copy(update={"from_cache": cached})


def _worker_of(job: Job) -> ComfyUIServer:
    """The worker that holds a job, in the shape that the result store speaks of."""
    name = job.server_name or "external worker"
    return ComfyUIServer(
        id=job.server_id or "",
        name=name,
        url="",
        created_at=job.created_at,
        updated_at=job.created_at,
    )


def _content_id(job: Job, file: OutputFile) -> str:
    attempt = job.current_attempt
    prompt_id = attempt.prompt_id if attempt else job.id
    return derived_id(prompt_id, file.node_id, file.subfolder, file.filename)
