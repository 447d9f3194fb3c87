"""/events and /ws over a real wire: what a browser's EventSource and WebSocket get."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from fastapi import FastAPI

from backend.api.http.logs import JsonFormatter
from backend.api.streams.event_streams import EventResponse
from backend.container import Container
from backend.models.event import EventFilter, EventKind
from backend.mongo.embedded import EmbeddedDatabase
from backend.server import create_app
from backend.utils.ids import random_id
from tests.listening import eventually, listening, on_a_port
from tests.studio import quick_settings, server_process

JOB = EventKind.JOB_STARTED


@asynccontextmanager
async def stage(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[str, Container]]:
    app: FastAPI = create_app(quick_settings(tmp_path, event_heartbeat_seconds=0.1, **changes))
    async with on_a_port(app) as base:
        yield base, app.state.container


@asynccontextmanager
async def talking(base: str, query: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{base}/api/v1/ws{query}") as socket,
    ):
        yield socket


async def heard(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            message: dict[str, Any] = await socket.receive_json()
            if message["type"] == kind:
                return message


async def test_an_event_as_browsers_get_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as (base, container), listening(base) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["cache-control"] == "no-store"
        assert stream.response.headers["access-control-allow-origin"] == "*"
        await eventually(lambda: stream.of("hello"))
        data = {"status": "processing", "note": "two\nlines \u2028 \U0001f3ac"}
        container.events.hub.publish(JOB, project_id="p", job_id="j", data=data)
        await eventually(lambda: stream.of("job.started"))
        (event,) = stream.of("job.started")
        assert event == {
            "id": stream.last_id, "event": "job", "type": "job.started", "at": event["at"],
            "project_id": "p", "clip_id": None, "job_id": "j", "batch_id": None,
            "server_id": None, "data": data,
        }  # fmt: skip
        assert stream.names[-1] == "job"
        assert event["at"].endswith("Z")


async def test_silence_is_filled_with_comments(tmp_path: Path) -> None:
    async with stage(tmp_path) as (base, _), listening(base, "?job_id=none") as stream:
        await eventually(lambda: stream.comments >= 3)
        assert [event["type"] for event in stream.events] == ["hello"]


async def test_filters(tmp_path: Path) -> None:
    async with (
        stage(tmp_path) as (base, container),
        listening(base, "?project_id=p") as project,
        listening(base, "?batch_id=b&job_id=j") as job,
        listening(base, "?types=server,job.failed") as kinds,
        talking(base, "?clip_id=c") as clip,
    ):
        await eventually(lambda: container.events.hub.listening == 4)
        publish = container.events.hub.publish
        publish(JOB, project_id="p", job_id="j", batch_id="b", clip_id="c")
        publish(JOB, project_id="q", job_id="j", clip_id="d")
        publish(EventKind.SERVER_ONLINE, server_id="s")
        publish(EventKind.JOB_FAILED, project_id="p", clip_id="c")
        assert (await heard(clip, "job.started"))["project_id"] == "p"
        await heard(clip, "job.failed")
        await eventually(lambda: [len(s.events) for s in (project, job, kinds)] == [3, 2, 3])
        assert [event["type"] for event in project.events[1:]] == ["job.started", "job.failed"]
        assert [event["batch_id"] for event in job.events[1:]] == ["b"]
        assert [event["type"] for event in kinds.events[1:]] == ["server.online", "job.failed"]


@pytest.mark.parametrize("query", ["types=job.exploded", "types=hello", "job_id=", "job_id=%00"])
async def test_wrong_filters_are_refused(query: str, client: httpx.AsyncClient) -> None:
    response = await client.get(f"/api/v1/events?{query}")
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_a_lost_connection_resumes_without_gap_or_repeat(tmp_path: Path) -> None:
    async with stage(tmp_path) as (base, container):
        sent = [str(number) for number in range(60)]
        seen: list[str] = []
        last: str | None = None

        async def publish() -> None:
            for job in sent:
                container.events.hub.publish(JOB, job_id=job)
                await asyncio.sleep(0.01)

        async with listening(base) as stream:
            await eventually(lambda: stream.of("hello"))
            publishing = asyncio.create_task(publish())
            last = stream.last_id
        while len(seen) < len(sent):
            wanted = min(12, len(sent) - len(seen))
            async with listening(base, **{"Last-Event-ID": str(last)}) as stream:
                await stream.until("job.started", wanted)
                seen += [event["job_id"] for event in stream.of("job.started")]
                last = stream.last_id
                assert not stream.of("hello")
        await publishing
        assert seen == sent
        async with talking(base, f"?last_event_id={last}") as socket:
            container.events.hub.publish(JOB, job_id="more")
            assert (await socket.receive_json())["job_id"] == "more"


async def test_an_unknown_id_brings_a_reset(tmp_path: Path) -> None:
    async with stage(tmp_path) as (base, _):
        async with listening(base, "?last_event_id=17") as stream:
            await eventually(lambda: stream.of("reset"))
            assert stream.names[0] == "reset"
        async with talking(base, "?last_event_id=x") as socket:
            assert (await socket.receive_json())["type"] == "reset"


async def test_two_processes_on_one_database_tell_all(
    tmp_path: Path, embedded: EmbeddedDatabase
) -> None:
    place: dict[str, Any] = {"mongo_url": embedded.url, "db_name": f"ev_{random_id()[:8]}"}
    async with (
        stage(tmp_path / "a", **place) as (base_a, a),
        stage(tmp_path / "b", mongo_driver="pymongo", **place) as (base_b, b),
        listening(base_a) as at_a,
        listening(base_b) as at_b,
        talking(base_b) as socket,
    ):
        await eventually(lambda: at_a.of("hello") and at_b.of("hello"))
        for number in range(80):
            (a if number % 3 else b).events.hub.publish(JOB, job_id=str(number))
            await asyncio.sleep(0.005)
        await eventually(lambda: len(at_a.of("job.started")) == len(at_b.of("job.started")) == 80)
        assert at_a.of("job.started") == at_b.of("job.started")
        ids = [int(event["id"]) for event in at_a.of("job.started")]
        assert ids == sorted(set(ids))
        assert {event["job_id"] for event in at_a.of("job.started")} == set(map(str, range(80)))
        assert await heard(socket, "job.started") == at_a.of("job.started")[0]


async def test_one_that_reads_nothing_is_dropped_and_nobody_waits(tmp_path: Path) -> None:
    async with stage(tmp_path) as (base, container), listening(base) as quick:
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            lazy.connect(("127.0.0.1", int(base.rpartition(":")[2])))
            lazy.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            await eventually(lambda: container.events.hub.listening == 2)
            for listener in container.events.hub._listeners:
                listener._room = 100
            sent: list[str] = []
            while not any(listener.ending for listener in container.events.hub._listeners):
                assert len(sent) < 1_000
                for job in range(len(sent), len(sent) + 50):
                    container.events.hub.publish(JOB, job_id=str(job), data={"error": "x" * 8_000})
                    sent.append(str(job))
                await quick.until("job.started", len(sent))
            assert [event["job_id"] for event in quick.of("job.started")] == sent
            text = await asyncio.to_thread(read_all, lazy)
            assert "event: dropped" in text
            assert text.count("event: job") < len(sent)


def read_all(lazy: socket.socket, seconds: float = 20) -> str:
    """Read until the server hangs up."""
    deadline = time.monotonic() + seconds
    lazy.settimeout(seconds)
    parts = []
    while (part := lazy.recv(1 << 20)) and time.monotonic() < deadline:
        parts.append(part)
    return b"".join(parts).decode()


async def test_who_takes_nothing_at_all_is_let_go_after_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The response is stuck in a send: no queue is full, but nobody is there."""
    async with stage(tmp_path) as (_, container):
        response = EventResponse(
            container.events.streams.open(EventFilter(), None), send_seconds=0.05
        )
        gone = asyncio.Event()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def receive() -> dict[str, str]:
            await gone.wait()
            return {"type": "http.disconnect"}

        with caplog.at_level(logging.INFO):
            async with asyncio.timeout(5):
                await response({"type": "http", "method": "GET"}, receive, send)
        assert container.events.hub.listening == 0
        assert "was dropped" in caplog.text


async def test_a_socket_that_is_too_slow_is_closed_with_a_reason(tmp_path: Path) -> None:
    async with stage(tmp_path) as (base, container), talking(base) as slow:
        await eventually(lambda: container.events.hub.listening == 1)
        (listener,) = container.events.hub._listeners
        listener._room = 3
        for number in range(20):
            container.events.hub.publish(JOB, job_id=str(number))
        await heard(slow, "dropped")
        message = await slow.receive()
        assert (message.type, message.data, message.extra) == (
            aiohttp.WSMsgType.CLOSE, 1013, "too slow",
        )  # fmt: skip


async def test_a_fault_of_ours_is_logged_and_closes_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("backend.api.streams.event_streams.event_json", fail)
    async with stage(tmp_path) as (base, container), talking(base) as socket:
        async with asyncio.timeout(5):
            message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)
        await eventually(lambda: container.events.hub.listening == 0)
    assert "for a reason of our own" in caplog.text


async def test_listeners_leave_nothing_behind(tmp_path: Path) -> None:
    async with stage(tmp_path) as (base, container):
        async with listening(base), talking(base) as socket:
            await eventually(lambda: container.events.hub.listening == 2)
            await socket.send_str("what clients say goes unread")
        await eventually(lambda: container.events.hub.listening == 0)


class TestKeys:
    async def test_header_or_query(self, tmp_path: Path) -> None:
        async with stage(tmp_path, api_keys="s3cret,\u00e9") as (base, _):
            async with listening(base, "?api_key=s3cret") as stream:
                await eventually(lambda: stream.of("hello"))
            async with listening(base, Authorization="Bearer s3cret") as stream:
                await eventually(lambda: stream.of("hello"))
            async with talking(base, "?api_key=%C3%A9") as socket:
                await heard(socket, "hello")
            async with httpx.AsyncClient(base_url=base) as client:
                for path in ("/events", "/events?api_key=", "/projects?api_key=s3cret"):
                    response = await client.get(f"/api/v1{path}")
                    assert (response.status_code, response.json()["error"]["code"]) == (
                        401, "UNAUTHORIZED",
                    )  # fmt: skip
            for query in ("", "?api_key=wrong"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    async with talking(base, query):
                        pass
                assert refused.value.status == 403

    async def test_no_log_line_holds_it(self, tmp_path: Path) -> None:
        with server_process(tmp_path, mongo_url="memory:", api_keys="s3cret") as server:
            server.start()
            await server.ready()
            async with (
                listening(server.url, "?api_key=s3cret") as stream,
                talking(server.url, "?job_id=a&api_key=s3cret") as socket,
            ):
                await heard(socket, "hello")
                await eventually(lambda: stream.of("hello"))
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    async with talking(server.url, "?api_key=s3cretive"):
                        pass
                code, seconds = await asyncio.to_thread(server.terminate)
                await eventually(lambda: stream.over)
            assert code == 0
            assert seconds < 5
            assert "s3cret" not in server.log
            lines = [json.loads(line) for line in server.log.splitlines()]
            assert any(line.get("path") == "/api/v1/events" for line in lines)

    def test_logs_hide_it_wherever_it_stands(self) -> None:
        record = logging.makeLogRecord({"msg": 'GET "/ws?api_key=a%20b&x=1" API_KEY=c d'})
        told = json.loads(JsonFormatter().format(record))["message"]
        assert told == 'GET "/ws?api_key=***&x=1" API_KEY=*** d'
