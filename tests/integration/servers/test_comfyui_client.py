"""The ComfyUI client against the simulator, and against servers that answer anything at all."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from backend.comfyui_simulator import Simulator, SimulatorOptions
from backend.models.comfyui_server import ComfyUIServer
from backend.models.content import ContentType
from backend.models.render import RenderRequest
from backend.services.comfyui.client import ComfyUIClient, Timeouts, open_session
from backend.services.comfyui.messages import (
    NodesFinished,
    NodeStarted,
    OutputFile,
    ProgressEvent,
    PromptFinished,
    PromptOutcome,
    PromptState,
    StepDone,
)
from backend.services.media.result_store import ResultStore
from backend.services.workflows import build_workflow
from backend.utils.errors import (
    ServerUnreachableError,
    StorageFullError,
    SubmissionUncertainError,
    UpstreamError,
    UpstreamTimeoutError,
    WorkflowError,
)
from backend.utils.ids import new_id
from tests.waiting import eventually

NOW = datetime(2026, 11, 22, tzinfo=UTC)
#: On Linux a device that takes no byte. Elsewhere test_result_store covers the full disk.
FULL = Path("/dev/full")
HAS_FULL = FULL.exists()
FILE = OutputFile("a.png", "sub", "output", "9")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def server_at(url: str, **changes: Any) -> ComfyUIServer:
    return ComfyUIServer(id="s", name="A", url=url, created_at=NOW, updated_at=NOW, **changes)


@pytest.fixture
async def client() -> AsyncIterator[ComfyUIClient]:
    async with open_session() as session:
        yield ComfyUIClient(session)


@pytest.fixture
async def impatient() -> AsyncIterator[ComfyUIClient]:
    timeouts = Timeouts(connect=1, answer=0.3, probe=0.3, slow_answer=0.3, stall=0.3, heartbeat=0.2)
    async with open_session() as session:
        yield ComfyUIClient(session, timeouts=timeouts)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorOptions()) as running:
        yield running


@asynccontextmanager
async def answering(handler: Handler, prefix: str = "") -> AsyncIterator[ComfyUIServer]:
    """A server that answers every request with the handler."""
    app = web.Application()
    app.router.add_route("*", f"{prefix}/{{path:.*}}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield server_at(f"http://127.0.0.1:{port}{prefix}")
    finally:
        await runner.cleanup()


def saying(body: str | bytes, status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        content = body if isinstance(body, bytes) else body.encode()
        return web.Response(body=content, status=status, headers=headers)

    return handler


async def graph_for(client: ComfyUIClient, server: ComfyUIServer, **changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"kind": ContentType.IMAGE, "prompt": "a boat", "seed": 7, "steps": 4}
    request = RenderRequest(**(asked | {"width": 64, "height": 64} | changes))
    return build_workflow(request, await client.catalog(server)).graph


async def outcome_of(client: ComfyUIClient, server: ComfyUIServer, prompt_id: str) -> PromptOutcome:
    async def is_done() -> bool:
        return await client.history(server, prompt_id) is not None

    await eventually(is_done)
    outcome = await client.history(server, prompt_id)
    assert outcome is not None
    return outcome


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if not path.is_dir()]


async def render(client: ComfyUIClient, server: ComfyUIServer, **changes: Any) -> PromptOutcome:
    prompt_id = new_id()
    graph = await graph_for(client, server, **changes)
    await client.submit(server, graph, prompt_id=prompt_id, client_id=new_id())
    return await outcome_of(client, server, prompt_id)


class TestWithSimulator:
    async def test_tells_what_it_is_and_has(
        self, client: ComfyUIClient, simulator: Simulator
    ) -> None:
        server = server_at(simulator.url)
        stats = await client.system_stats(server)
        assert stats.simulator
        assert stats.version is not None
        assert stats.devices[0].vram_total > 0
        catalog = await client.catalog(server)
        assert "sd_xl_base_1.0.safetensors" in catalog.checkpoints
        assert {"KSampler", "SaveImage", "SaveVideo"} <= catalog.node_classes
        assert (await client.queue(server)).pending == ()

    @pytest.mark.parametrize("kind", [ContentType.IMAGE, ContentType.VIDEO])
    async def test_renders_and_stores(
        self, client: ComfyUIClient, simulator: Simulator, tmp_path: Path, kind: ContentType
    ) -> None:
        server = server_at(simulator.url)
        outcome = await render(client, server, kind=kind, frames=9)
        assert outcome.state is PromptState.SUCCESS
        assert not outcome.cached
        store = ResultStore(tmp_path, client, 10**8)
        media = await store.fetch(server, outcome.files[0], content_id="t", folder="p")
        assert media.content_type is kind
        assert (media.width, media.height) == (64, 64)
        assert media.frames == (9 if kind is ContentType.VIDEO else None)

    async def test_a_repeat_is_told_as_cached(
        self, client: ComfyUIClient, simulator: Simulator
    ) -> None:
        server = server_at(simulator.url)
        first = await render(client, server)
        second = await render(client, server)
        assert (first.cached, second.cached) == (False, True)
        assert second.files == first.files

    async def test_tells_progress(self, client: ComfyUIClient) -> None:
        async with Simulator(SimulatorOptions(preview_method="auto")) as simulator:
            server = server_at(simulator.url)
            graph = await graph_for(client, server)
            events: list[ProgressEvent] = []
            listening = asyncio.Event()

            async def listen() -> None:
                async with aclosing(client.progress(server, "me")) as stream:
                    listening.set()
                    async for event in stream:
                        events.append(event)
                        if isinstance(event, PromptFinished):
                            return

            async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
                tasks.create_task(listen())
                await listening.wait()
                await eventually(_heard(simulator, "me"))
                await client.submit(server, graph, prompt_id="p", client_id="me")
            steps = [event for event in events if isinstance(event, StepDone)]
            assert [(step.value, step.max) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
            assert NodeStarted("p", "5") in events
            assert events[-1] == PromptFinished("p")
            assert set(graph) <= set().union(
                *(event.node_ids for event in events if isinstance(event, NodesFinished))
            )

    async def test_progress_ends_quietly_when_the_server_dies(
        self, client: ComfyUIClient, simulator: Simulator
    ) -> None:
        server = server_at(simulator.url)

        async def listen() -> list[ProgressEvent]:
            return [event async for event in client.progress(server, "me")]

        task = asyncio.create_task(listen())
        async with asyncio.timeout(10):
            await eventually(_heard(simulator, "me"))
            await simulator.die()
            assert await task == []
        with pytest.raises(ServerUnreachableError):
            await listen()

    async def test_a_waiting_prompt_is_taken_back_and_a_running_one_interrupted(
        self, client: ComfyUIClient
    ) -> None:
        async with Simulator(SimulatorOptions(seconds_per_step=0.05)) as simulator:
            server = server_at(simulator.url)
            long = await graph_for(client, server, steps=400)
            for name in ("runs", "waits", "stays"):
                await client.submit(server, long, prompt_id=name, client_id="c")

            async def runs() -> bool:
                return (await client.queue(server)).running == ("runs",)

            await eventually(runs)
            await client.take_back(server, "waits")
            await client.interrupt(server, "waits")  # must not hit the one that runs
            queue = await client.queue(server)
            assert (queue.running, queue.pending) == (("runs",), ("stays",))
            await client.interrupt(server, "runs")
            outcome = await outcome_of(client, server, "runs")
            assert outcome.state is PromptState.INTERRUPTED
            assert await client.history(server, "waits") is None

    async def test_a_refused_graph_keeps_comfyuis_words(
        self, client: ComfyUIClient, simulator: Simulator
    ) -> None:
        server = server_at(simulator.url)
        graph = await graph_for(client, server)
        graph["1"]["inputs"]["ckpt_name"] = "nope.safetensors"
        with pytest.raises(WorkflowError) as refusal:
            await client.submit(server, graph, prompt_id="p", client_id="c")
        first = refusal.value.details["errors"][0]
        assert first["loc"] == ["workflow", "1", "ckpt_name"]
        assert first["type"] == "value_not_in_list"
        assert "'nope.safetensors' not in" in first["msg"]
        assert await client.history(server, "p") is None

    async def test_a_graph_refused_in_part_is_taken_back_whole(self, client: ComfyUIClient) -> None:
        async with Simulator(SimulatorOptions(seconds_per_step=0.05)) as simulator:
            server = server_at(simulator.url)
            graph = await graph_for(client, server, steps=400)
            graph["99"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}
            with pytest.raises(WorkflowError) as refusal:
                await client.submit(server, graph, prompt_id="p", client_id="c")
            assert refusal.value.details["errors"][0]["loc"] == ["workflow", "99", "images"]

            async def is_gone() -> bool:
                return "p" not in await client.queue(server)

            await eventually(is_gone)
            outcome = await client.history(server, "p")
            assert outcome is None or outcome.state is PromptState.INTERRUPTED

    @pytest.mark.parametrize(
        ("fault", "out_of_memory"), [("out_of_memory", True), ("execution_error", False)]
    )
    async def test_a_failure_names_its_node(
        self, client: ComfyUIClient, simulator: Simulator, fault: str, out_of_memory: bool
    ) -> None:
        simulator.set_fault(fault)
        outcome = await render(client, server_at(simulator.url))
        assert outcome.state is PromptState.ERROR
        assert outcome.error is not None
        assert outcome.error.out_of_memory is out_of_memory
        assert outcome.error.node_type

    @pytest.mark.parametrize("fault", ["dropped_answer", "delayed_answer", "prompt_500"])
    async def test_a_lost_answer_leaves_it_open(
        self, impatient: ComfyUIClient, simulator: Simulator, fault: str
    ) -> None:
        server = server_at(simulator.url)
        graph = await graph_for(impatient, server)
        simulator.set_fault(fault)
        with pytest.raises(SubmissionUncertainError):
            await impatient.submit(server, graph, prompt_id="p", client_id="c")
        if fault != "prompt_500":
            assert (await outcome_of(impatient, server, "p")).state is PromptState.SUCCESS

    @pytest.mark.parametrize("fault", ["truncated_download", "garbage_download"])
    async def test_a_bad_download_leaves_nothing(
        self, client: ComfyUIClient, simulator: Simulator, tmp_path: Path, fault: str
    ) -> None:
        server = server_at(simulator.url)
        file = (await render(client, server)).files[0]
        simulator.set_fault(fault)
        store = ResultStore(tmp_path, client, 10**8)
        with pytest.raises(UpstreamError):
            await store.fetch(server, file, content_id="t", folder="p")
        assert files_in(tmp_path) == []
        simulator.clear_faults()
        assert (await store.fetch(server, file, content_id="t", folder="p")).width == 64

    async def test_a_wrong_type_header_does_no_harm(
        self, client: ComfyUIClient, simulator: Simulator, tmp_path: Path
    ) -> None:
        server = server_at(simulator.url)
        file = (await render(client, server)).files[0]
        simulator.set_fault("wrong_content_type", "text/html")
        stored = await ResultStore(tmp_path, client, 10**8).fetch(
            server, file, content_id="t", folder="p"
        )
        assert stored.media_type == "image/png"

    async def test_a_result_that_is_gone_says_so(
        self, client: ComfyUIClient, simulator: Simulator, tmp_path: Path
    ) -> None:
        with pytest.raises(UpstreamError) as failure:
            await client.download(server_at(simulator.url), FILE, tmp_path / "x", max_bytes=10**6)
        assert failure.value.code == "RESULT_GONE"


class TestDownloads:
    async def test_asks_for_the_file_by_name_and_writes_where_it_is_told(
        self, client: ComfyUIClient, tmp_path: Path
    ) -> None:
        asked: dict[str, str] = {}

        async def handler(request: web.Request) -> web.Response:
            asked.update(request.query)
            return web.Response(body=b"x" * 3_000_000)

        file = OutputFile("../../e vil&.png", "a/b", "temp")
        async with answering(handler) as server:
            size = await client.download(server, file, tmp_path / "mine", max_bytes=10**7)
        assert size == (tmp_path / "mine").stat().st_size == 3_000_000
        assert asked == {"filename": "../../e vil&.png", "subfolder": "a/b", "type": "temp"}

    @pytest.mark.parametrize("announced", [True, False])
    async def test_stops_at_the_cap(
        self, client: ComfyUIClient, tmp_path: Path, announced: bool
    ) -> None:
        async def handler(request: web.Request) -> web.StreamResponse:
            if announced:
                return web.Response(body=bytes(2_000_000))
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            for _ in range(20):
                await response.write(bytes(100_000))
            return response

        async with answering(handler) as server:
            with pytest.raises(UpstreamError) as failure:
                await client.download(server, FILE, tmp_path / "x", max_bytes=1_000_000)
        assert failure.value.code == "RESULT_TOO_LARGE"
        assert files_in(tmp_path) == []

    async def test_a_cut_body_is_the_servers_fault(
        self, client: ComfyUIClient, tmp_path: Path
    ) -> None:
        async def handler(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b"short")
            assert request.transport is not None
            request.transport.abort()
            return response

        async with answering(handler) as server:
            with pytest.raises(UpstreamError):
                await client.download(server, FILE, tmp_path / "x", max_bytes=10_000)
        assert files_in(tmp_path) == []

    async def test_silence_times_out(self, impatient: ComfyUIClient, tmp_path: Path) -> None:
        async def handler(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b"short")
            await asyncio.sleep(5)
            return response

        async with answering(handler) as server:
            with pytest.raises(UpstreamTimeoutError):
                await impatient.download(server, FILE, tmp_path / "x", max_bytes=10_000)
        assert files_in(tmp_path) == []

    async def test_a_full_disk_is_told_as_such(self, client: ComfyUIClient, tmp_path: Path) -> None:
        if not HAS_FULL:
            return
        target = tmp_path / "x"
        target.symlink_to(FULL)
        async with answering(saying(bytes(100_000))) as server:
            with pytest.raises(StorageFullError):
                await client.download(server, FILE, target, max_bytes=10**6)
        assert not target.is_symlink()

    async def test_a_cancelled_download_leaves_nothing(
        self, client: ComfyUIClient, tmp_path: Path
    ) -> None:
        begun = asyncio.Event()

        async def handler(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            begun.set()
            await asyncio.sleep(5)
            return response

        async with answering(handler) as server:
            task = asyncio.create_task(
                client.download(server, FILE, tmp_path / "x", max_bytes=10_000)
            )
            await begun.wait()

            async def has_file() -> bool:
                return bool(files_in(tmp_path))

            await eventually(has_file)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert files_in(tmp_path) == []


class TestOddServers:
    @pytest.mark.parametrize(
        "body", ["", "<html>hi</html>", "[]", "null", '"x"', "{", "[" * 100_000, "\xff", "{}"]
    )
    async def test_nonsense_is_an_upstream_error_and_nothing_else(
        self, client: ComfyUIClient, body: str
    ) -> None:
        async with answering(saying(body.encode("latin-1"))) as server:
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: client.queue(server),
                lambda: client.system_stats(server),
                lambda: client.submit(server, {}, prompt_id="p", client_id="c"),
            ]
            if body != "{}":  # that is a sound answer to these two
                calls += [lambda: client.history(server, "p"), lambda: client.catalog(server)]
            for call in calls:
                with pytest.raises(UpstreamError):
                    await call()

    @pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502])
    async def test_every_status_has_its_error(self, client: ComfyUIClient, status: int) -> None:
        async with answering(saying("no", status)) as server:
            with pytest.raises(UpstreamError) as failure:
                await client.queue(server)
            with pytest.raises(UpstreamError) as submission:
                await client.submit(server, {}, prompt_id="p", client_id="c")
        assert str(status) in failure.value.message
        assert (failure.value.code == "COMFYUI_UNAUTHORIZED") == (status in {401, 403})
        assert isinstance(submission.value, SubmissionUncertainError) == (status >= 500)

    async def test_a_connection_refused_surely_queued_nothing(self, client: ComfyUIClient) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            server = server_at(f"http://127.0.0.1:{unused.getsockname()[1]}")
            for call in (
                lambda: client.submit(server, {}, prompt_id="p", client_id="c"),
                lambda: client.queue(server),
            ):
                with pytest.raises(ServerUnreachableError) as failure:
                    await call()
                assert "'A'" in failure.value.message

    async def test_a_name_that_does_not_resolve_is_unreachable(self, client: ComfyUIClient) -> None:
        with pytest.raises(ServerUnreachableError) as failure:
            await client.queue(server_at("http://no-such-host.invalid:8188"))
        assert "does not resolve" in failure.value.message

    async def test_silence_is_a_timeout_and_open_for_a_submission(
        self, impatient: ComfyUIClient
    ) -> None:
        async def handler(_: web.Request) -> web.Response:
            await asyncio.sleep(5)
            return web.Response()

        async with answering(handler) as server:
            with pytest.raises(UpstreamTimeoutError):
                await impatient.system_stats(server)
            with pytest.raises(SubmissionUncertainError):
                await impatient.submit(server, {}, prompt_id="p", client_id="c")

    async def test_bytes_that_are_no_http_are_an_upstream_error(
        self, client: ComfyUIClient
    ) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            writer.close()

        listener = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with listener:
            server = server_at(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
            with pytest.raises(UpstreamError):
                await client.queue(server)
            with pytest.raises(SubmissionUncertainError):
                await client.submit(server, {}, prompt_id="p", client_id="c")
            with pytest.raises(UpstreamError):
                await anext(client.progress(server, "c"))

    @pytest.mark.parametrize("status", [301, 302, 307])
    async def test_redirects_are_not_followed(self, client: ComfyUIClient, status: int) -> None:
        hits: list[str] = []

        async def elsewhere(request: web.Request) -> web.Response:
            hits.append(request.path)
            return web.json_response({"queue_running": [], "queue_pending": []})

        async with (
            answering(elsewhere) as target,
            answering(saying("", status, Location=f"{target.url}/queue")) as server,
        ):
            with pytest.raises(UpstreamError):
                await client.queue(server)
            with pytest.raises(UpstreamError) as submission:
                await client.submit(server, {}, prompt_id="p", client_id="c")
            with pytest.raises(UpstreamError):
                await anext(client.progress(server, "c"))
        assert hits == []
        assert not isinstance(submission.value, SubmissionUncertainError)

    @pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "2852039166"])
    async def test_forbidden_addresses_are_not_dialled(
        self, client: ComfyUIClient, host: str
    ) -> None:
        with pytest.raises(UpstreamError):
            await client.queue(server_at(f"http://{host}:8188"))

    async def test_a_name_that_turns_to_a_forbidden_address_is_not_dialled(self) -> None:
        class Rebound(AbstractResolver):
            async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
                return [
                    {
                        "hostname": host,
                        "host": "169.254.169.254",
                        "port": port,
                        "family": socket.AF_INET,
                        "proto": 0,
                        "flags": 0,
                    }
                ]

            async def close(self) -> None:
                return

        async with open_session(resolver=Rebound()) as session:
            with pytest.raises(ServerUnreachableError) as failure:
                await ComfyUIClient(session).queue(server_at("http://gpu.example:8188"))
        assert "refused to connect" in failure.value.message

    async def test_sends_the_key_and_no_origin_and_keeps_no_cookies(
        self, client: ComfyUIClient
    ) -> None:
        seen: list[dict[str, str]] = []

        async def handler(request: web.Request) -> web.Response:
            seen.append(dict(request.headers))
            return web.json_response(
                {"queue_running": [], "queue_pending": []}, headers={"Set-Cookie": "a=b"}
            )

        async with answering(handler, prefix="/comfy") as server:
            keyed = server.model_copy(update={"api_key": "secret"})
            await client.queue(keyed)
            await client.queue(server)
            with pytest.raises(UpstreamError):
                await anext(client.progress(keyed, "c"))
        assert [headers.get("Authorization") for headers in seen] == [
            "Bearer secret",
            None,
            "Bearer secret",
        ]
        assert not any({"Origin", "Cookie"} & set(headers) for headers in seen)

    async def test_a_server_that_gives_ids_of_its_own_is_too_old(
        self, client: ComfyUIClient
    ) -> None:
        posted: list[tuple[str, Any]] = []

        async def handler(request: web.Request) -> web.Response:
            if request.method == "POST":
                posted.append((request.path, await request.json()))
            told = {"prompt_id": "theirs", "number": 1, "node_errors": {}}
            running = {"queue_running": [[0, "theirs"]], "queue_pending": []}
            version = {"system": {"comfyui_version": "0.3.10"}, "devices": []}
            return web.json_response(told | running | version)

        async with answering(handler) as server:
            with pytest.raises(UpstreamError) as failure:
                await client.submit(server, {}, prompt_id="ours", client_id="c")
        assert failure.value.code == "COMFYUI_TOO_OLD"
        assert posted[1:] == [
            ("/queue", {"delete": ["theirs"]}),
            ("/interrupt", {"prompt_id": "theirs"}),
        ]

    @pytest.mark.parametrize(
        ("version", "running", "interrupted"),
        [
            ("0.3.64", "stranger", True),  # it looks at the id itself
            ("0.3.40", "stranger", False),  # it would stop whatever runs
            ("0.3.40", "ours", True),
            (None, "stranger", False),
            ("nightly", "stranger", False),
        ],
    )
    async def test_old_servers_are_not_told_to_stop_a_strangers_prompt(
        self, client: ComfyUIClient, version: str | None, running: str, interrupted: bool
    ) -> None:
        posted: list[str] = []

        async def handler(request: web.Request) -> web.Response:
            if request.method == "POST":
                posted.append(request.path)
            queue = {"queue_running": [[0, running]], "queue_pending": []}
            return web.json_response({"system": {"comfyui_version": version}} | queue)

        async with answering(handler) as server:
            await client.interrupt(server, "ours")
        assert posted == (["/interrupt"] if interrupted else [])

    async def test_sockets_full_of_nonsense_are_read_past(self, client: ComfyUIClient) -> None:
        async def handler(request: web.Request) -> web.WebSocketResponse:
            stream = web.WebSocketResponse()
            await stream.prepare(request)
            await stream.send_bytes(b"\0\0\0\1preview")
            await stream.send_str("not json")
            await stream.send_str("[" * 100_000)
            await stream.send_json([1, 2])
            await stream.send_json({"type": "executing", "data": {"node": None, "prompt_id": "p"}})
            await stream.close()
            return stream

        async with answering(handler) as server:
            events = [event async for event in client.progress(server, "me")]
        assert events == [PromptFinished("p")]

    async def test_a_dead_socket_is_noticed_by_its_missing_pongs(
        self, impatient: ComfyUIClient
    ) -> None:
        async def handler(request: web.Request) -> web.WebSocketResponse:
            stream = web.WebSocketResponse(autoping=False)
            await stream.prepare(request)
            await asyncio.sleep(5)
            return stream

        async with answering(handler) as server, asyncio.timeout(4):
            assert [event async for event in impatient.progress(server, "me")] == []


def _heard(simulator: Simulator, client_id: str) -> Callable[[], Awaitable[bool]]:
    """Tell whether the server has that socket: messages before are lost."""

    async def check() -> bool:
        engine = simulator._engine
        return engine is not None and client_id in engine.hub.client_ids

    return check
