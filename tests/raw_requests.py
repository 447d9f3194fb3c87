"""Raw requests that no honest client sends, made from a seed, and a client that reads the answers.

Half of them are HTTP with a bad inside (broken JSON, wrong types, odd paths), half are hardly HTTP.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

#: Values that are wrong for most fields, as JSON text.
ODD_VALUES = (
    "null", "true", "-1", "0", "1e400", "-1e309", "NaN", "Infinity", "9" * 400, "1" + "0" * 30,
    "0.1e-999", '""', '"\\u0000"', '"\\ud800"', '"' + "x" * 12_000 + '"', "[]", "{}", "[[[]]]",
    '{"$where": "1"}', '["a", 1, null]', '"../../etc/passwd"', '"<script>"', "[" * 60 + "]" * 60,
)  # fmt: skip
ODD_SEGMENTS = (
    "%00", "%", "%zz", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%c0%af", "%ff%fe", "..", ".",
    "%5c..%5c", "a%2Fb", "%0d%0aX-Evil:1", "~", "*", "{id}", "$where", "a;b=c", "x" * 5_000,
    "\xff\xfe", "\x80", "%F0%9F%8E%AC", "%25%30%30", "nan", "-1", "null", "''", "@", "a?b=c?d",
)  # fmt: skip
ODD_QUERIES = (
    "limit=0", "limit=-1", "limit=1e9", "limit=" + "9" * 400, "skip=NaN", "limit=10&limit=x",
    "status=%00", "status=" + "a," * 500, "search=%ff", "search=.*(", "&&&&=&", "a=b&" * 500,
    "check_overlap=maybe", "position=", "include_clips=2", "%00=%00", "project_id[]=1", "?" * 50,
)  # fmt: skip
ODD_METHODS = (
    b"TRACE", b"PROPFIND", b"M-SEARCH", b"OPTIONS", b"HEAD", b"PATCH", b"PURGE", b"LINK", b"MKCOL",
)  # fmt: skip
ODD_HEADERS: tuple[bytes, ...] = (
    b"Range: bytes=9-1", b"If-None-Match: \xff", b"Accept: */*;q=z", b"Accept-Encoding: gzip;q=x",
    b"X-Request-ID: \xff\xfe", b"X-Request-ID: " + b"x" * 4_000, b"Idempotency-Key: \xc3\xa9",
    b"Idempotency-Key: " + b"k" * 9_000, b"Prefer: respond-async, wait=x", b"Last-Event-ID: -1",
    b"Authorization: Basic !!!", b"Cookie: " + b"a=b; " * 500, b"X-Forwarded-For: x, y",
    b"Content-Encoding: br", b"Content-Type: application/json; charset=utf-7", b"Origin: null",
    b"Content-Type: multipart/form-data; boundary=", b"Content-Type: multipart/form-data",
    b"Content-Type: \xff", b"Connection: keep-alive, x", b"Upgrade: h2c", b"TE: trailers",
    b"Expect: 100-continue", b"Transfer-Encoding-X: chunked", b"X: " + b"\t" * 300,
)  # fmt: skip
#: What no reader of HTTP should take for a request. Each is answered with a 400, or hung up on.
BROKEN: tuple[bytes, ...] = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET / HTP/1.1\r\nHost: x\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\x00y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\n{}",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 2 2\r\n\r\n{}",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 3\r\n\r\n{}",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2\r\n\r\n{}",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"F" * 17 + b"\r\n{}\r\n",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}xx",
    b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
)  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """Bytes to send, and how many answers they ask for: None for what is hardly HTTP."""

    raw: bytes
    answers: int | None = 1
    has_body: bool = True


class Attacks:
    """An endless supply. `operations` are (method, path with {ids}); `ids` exist."""

    def __init__(
        self, operations: Sequence[tuple[str, str]], ids: dict[str, str], bodies: Sequence[Any]
    ) -> None:
        self._random = Random(10_000)
        self._operations = operations
        self._ids = ids
        self._bodies = [json.dumps(body) for body in bodies]
        self._kinds: tuple[Callable[[], Attack], ...] = (
            self._bad_body, self._bad_body, self._bad_body, self._bad_target, self._bad_target,
            self._bad_header, self._odd_method, self._odd_form, self._pipelined, self._chunked,
            self._broken, self._broken_behind, self._cut_off, self._noise,
        )  # fmt: skip

    def next(self) -> Attack:
        return self._random.choice(self._kinds)()

    def _bad_body(self) -> Attack:
        method, target = self._operation()
        return Attack(request(method, target, self._mangled(), *JSON_TYPE))

    def _bad_target(self) -> Attack:
        method, target = self._operation(odd=0.7)
        query = self._random.choice(("", *ODD_QUERIES))
        return Attack(request(method, f"{target}?{query}", b"" if method == b"GET" else b"{}"))

    def _bad_header(self) -> Attack:
        method, target = self._operation()
        headers = self._random.sample(ODD_HEADERS, self._random.randint(1, 4))
        return Attack(request(method, target, self._mangled(), *headers))

    def _odd_method(self) -> Attack:
        method = self._random.choice(ODD_METHODS)
        _, target = self._operation(odd=0.3)
        return Attack(request(method, target), has_body=method != b"HEAD")

    def _odd_form(self) -> Attack:
        """Other forms of target, of line ends before it, of version, and of Host."""
        _, target = self._operation()
        path = target.encode("latin-1")
        return Attack(
            self._random.choice(
                (
                    b"GET http://elsewhere.example" + path + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET http://[::1" + path + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /" + path + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET " + path + b"#part HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"\r\n\r\nGET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET " + path + b" HTTP/1.0\r\n\r\n",
                    b"GET " + path + b" HTTP/1.1\r\n\r\n",
                    b"GET " + path + b" HTTP/1.1\r\nHost: [\r\n\r\n",
                    b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    b"GET " + path + b" HTTP/1.1\r\nHost: x:99999999\r\n\r\n",
                    b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 400 + b"\r\n",
                )
            )
        )

    def _pipelined(self) -> Attack:
        count = self._random.randint(2, 6)
        return Attack(b"".join(request(b"GET", self._operation()[1]) for _ in range(count)), count)

    def _chunked(self) -> Attack:
        method, target = self._operation()
        body = self._mangled()
        cut = self._random.randint(0, len(body))
        pieces = [piece for piece in (body[:cut], body[cut:]) if piece]
        sent = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return Attack(
            head(method, target, b"Transfer-Encoding: chunked", *JSON_TYPE)
            + sent
            + b"0\r\nTrailer: x\r\n\r\n"
        )

    def _broken(self) -> Attack:
        return Attack(self._random.choice(BROKEN), None)

    def _broken_behind(self) -> Attack:
        """A good request, and behind it, while that is being answered, what is none."""
        good = request(b"GET", self._operation()[1])
        return Attack(good + self._random.choice(BROKEN), None)

    def _cut_off(self) -> Attack:
        """Part of a request, or less of a body than was promised; then the line goes dead."""
        method, target = self._operation()
        whole = request(method, target, self._mangled(), *JSON_TYPE)
        return Attack(whole[: self._random.randint(0, len(whole) - 1)], 0)

    def _noise(self) -> Attack:
        noise = bytearray(request(b"POST", "/api/v1/projects", self._mangled(), *JSON_TYPE))
        for _ in range(self._random.randint(1, 12)):
            noise[self._random.randrange(len(noise))] = self._random.randrange(256)
        return Attack(bytes(noise), None)

    def _operation(self, odd: float = 0.1) -> tuple[bytes, str]:
        method, path = self._random.choice(self._operations)
        for name, real in self._ids.items():
            segment = self._random.choice(ODD_SEGMENTS) if self._random.random() < odd else real
            path = path.replace(f"{{{name}}}", segment)
        return method.upper().encode(), path

    def _mangled(self) -> bytes:
        """A body that was good once."""
        text = self._random.choice(self._bodies)
        match self._random.randrange(6):
            case 0:
                text = text[: self._random.randrange(len(text))]
            case 1:
                text = self._random.choice(ODD_VALUES)
            case 2:
                depth = self._random.choice((10, 500, 20_000))
                text = '{"a":' * depth + "1" + "}" * depth
            case 3 | 4:
                fields = json.loads(text)
                name = self._random.choice(sorted(fields))
                rest = json.dumps({key: each for key, each in fields.items() if key != name})
                text = rest[:-1] + f', "{name}": {self._random.choice(ODD_VALUES)}}}'
            case _:
                return text.encode().replace(b'"', self._random.choice((b'"\xff', b"'", b'"\x00')))
        return text.encode()


JSON_TYPE = (b"Content-Type: application/json",)


def head(method: bytes, target: str, *headers: bytes) -> bytes:
    lines = (method + b" " + target.encode("latin-1") + b" HTTP/1.1", b"Host: x", *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def request(method: bytes, target: str, body: bytes = b"", *headers: bytes) -> bytes:
    length = (b"Content-Length: %d" % len(body),) if body else ()
    return head(method, target, *headers, *length) + body


class Wire:
    """One connection that is made anew when the other side closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def attack(self, attack: Attack) -> list[int]:
        """Send it; give the statuses of the answers. An answer that never comes is an error."""
        reader, writer = self._streams = self._streams or await self._connect()
        statuses: list[int] = []
        try:
            writer.write(attack.raw)
            if attack.answers == 0:
                await self.close()
                return []
            if attack.answers is None:
                writer.write_eof()
            async with asyncio.timeout(20):
                while attack.answers is None or len(statuses) < attack.answers:
                    statuses.append(await self._answer(reader, has_body=attack.has_body))
        except (ConnectionError, asyncio.IncompleteReadError):
            await self.close()
        return statuses

    async def close(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            try:
                await writer.wait_closed()
            except ConnectionError:
                return

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)

    async def _answer(self, reader: asyncio.StreamReader, *, has_body: bool) -> int:
        """Read one answer. IncompleteReadError at the end of the connection."""
        status = 100
        lines: list[bytes] = []
        while status < 200:
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            status = int(lines[0].split(b" ")[1])
        fields = dict(line.split(b": ", 1) for line in lines[1:] if line)
        if has_body and status not in {204, 304}:
            await self._body(reader, fields)
        if fields.get(b"connection") == b"close":
            await self.close()
            self._streams = await self._connect()
        return status

    async def _body(self, reader: asyncio.StreamReader, fields: dict[bytes, bytes]) -> None:
        if b"content-length" in fields:
            await reader.readexactly(int(fields[b"content-length"]))
            return
        size = -1
        while size:
            size = int(await reader.readuntil(b"\r\n"), 16)
            await reader.readexactly(size + 2)
