"""A road between two that can be cut: what networks do."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

from backend.comfyui_simulator.simulator import take_no_more_calls


class Road:
    """A TCP way to a server that can be taken away, given back, and made deaf."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._listening: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        #: What comes is taken and goes nowhere.
        self.is_deaf = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        self._server = await asyncio.start_server(self._carry, sock=self._listening)

    async def close(self) -> None:
        assert self._server is not None
        assert self._listening is not None
        await take_no_more_calls(self._listening)
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), self._closing(writer):
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            with self._closing(back):
                await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    @contextlib.contextmanager
    def _closing(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._open.add(writer)
        try:
            yield
        finally:
            writer.close()
            self._open.discard(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            if not self.is_deaf:
                writer.write(chunk)
                await writer.drain()
        writer.close()
