"""What uvicorn answers by itself, in the contract's shape."""

import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backend.api.errors import envelope
from backend.utils.ids import new_id


class EnvelopeHttpProtocol(HttpToolsProtocol):
    """A request that is no HTTP gets the envelope too: no application ever sees it."""

    def send_400_response(self, msg: str) -> None:
        request_id = new_id()
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
