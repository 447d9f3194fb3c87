"""What uvicorn answers by itself, in the contract's shape."""

import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from backend.api.http.errors import envelope
from backend.utils.ids import random_id


class EnvelopeHttpProtocol(HttpToolsProtocol):
    """A request that is no HTTP gets the envelope too: no application ever sees it."""

    #: The request that is being answered; `cycle` is the last one that was read.
    _answering: RequestResponseCycle | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Say so and hang up; what is still being answered to this client comes to nothing.

        An answer that is under way goes out first, and the connection ends behind it: a second
        one may not begin inside it.
        """
        other = self._answering
        if other is not None and not other.response_complete:
            if other.response_started:
                other.keep_alive = False
                self.flow.pause_reading()
                return
            other.disconnected = True
            other.message_event.set()
        request_id = random_id()
        message = "This is no HTTP request that can be read."
        body = json.dumps(envelope(request_id, code="MALFORMED_REQUEST", message=message))
        lines = (
            "HTTP/1.1 400 Bad Request",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"X-Request-ID: {request_id}",
            "Access-Control-Allow-Origin: *",
            "Access-Control-Expose-Headers: *",
            "Connection: close",
        )
        head = "".join(f"{line}\r\n" for line in lines)
        self.transport.write(f"{head}\r\n{body}".encode())
        self.transport.close()
