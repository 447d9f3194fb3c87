"""The body of a paid order, which stops being sent when the lease is lost."""

import socket
from collections.abc import Callable
from typing import Any

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from backend.services.comfyui.transport import guarded_socket
from backend.utils.errors import LeaseLostError

_PIECE = 16_384
#: The system takes no more than some 128 KB that the other side has not, so that what it holds
#: when this process is stopped is seldom a whole order.
_SYSTEM_BUFFER = 65_536


class OrderPayload(Payload):
    """Sends the body in pieces, and only while this process may order.

    A process may be stopped in the middle of it, and wake up when another one drives and has
    judged the job. Then the rest is never sent, so nobody took the order on. No piece waits in
    this process: each is with the system before the next one is thought about.
    """

    def __init__(self, content: bytes, content_type: str, may_order: Callable[[], bool]) -> None:
        super().__init__(content, content_type=content_type)
        self._content = content
        self._size = len(content)
        self._may_order = may_order
        self.was_stopped = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._content.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Send the whole order; LeaseLostError once this process may not order any more."""
        transport = getattr(writer, "transport", None)
        if transport is not None:
            transport.set_write_buffer_limits(high=0)
        for first in range(0, len(self._content), _PIECE):
            if not self._may_order():
                self.was_stopped = True
                raise LeaseLostError
            await writer.write(self._content[first : first + _PIECE])
            await writer.drain()


def order_socket(address: tuple[Any, ...]) -> socket.socket:
    """A guarded socket that buffers little of what is sent."""
    made = guarded_socket(address)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_BUFFER)
    return made
