"""Addresses of our own media: `/uploads/…` in documents, absolute for clients, signed with keys.

A web client puts the addresses of an answer into `src` as they are, from whatever origin it came.
So the edge of the API says, for the length of a request, where clients reach this server; the
DTOs turn each address by it when they are written, and back when they are read.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

#: Where media are served.
UPLOADS: Final = "/uploads/"
_ABSOLUTE = re.compile(r"(https?)://([^/?#]+)([^?#]*)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_EXPIRES = re.compile(r"expires=(\d{1,12})", re.ASCII)
_SIGNATURE = re.compile(r"signature=([\w-]{22})", re.ASCII)
#: 128 bits of the HMAC are beyond guessing, and keep the address short.
_SIGNATURE_BYTES = 16
#: An address stays the same for this part of its life, so that browsers find it in their cache.
_STEADY = 12
#: scrypt's cost, paid once a start: who sees a signature must not be able to try out keys.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "salt": b"storycanvas media addresses"}


class MediaSigner:
    """Signs addresses for those who can send no header: `<img>`, `<video>`, `<audio>`.

    `secrets` are the API keys: processes that share them take each other's signatures, and a
    changed key ends them all. `ttl` is in seconds, `now` gives seconds since 1970.
    """

    def __init__(self, secrets: Sequence[str], *, ttl: int, now: Callable[[], float]) -> None:
        joined = "\n".join(sorted(secrets)).encode()
        self._key = hashlib.scrypt(joined, **_SCRYPT)  # type: ignore[arg-type]
        self._ttl = ttl
        self._steady = max(1, ttl // _STEADY)
        self._now = now

    def sign(self, address: str) -> str:
        """Add when it ends and the signature to a path and its query."""
        expires = int(self._now()) // self._steady * self._steady + self._ttl
        path, _, query = address.partition("?")
        signature = self._signature(unquote(path), query.split("&"), expires)
        rest = f"expires={expires}&signature={signature}"
        return f"{path}?{query}&{rest}" if query else f"{path}?{rest}"

    def is_signed(self, path: str, query: str) -> bool:
        """Whether we signed this decoded path with this raw query, and it has not ended yet.

        Of a media file the other parameters do not count, nor their order: caches add some.
        """
        parts = query.split("&")
        ends = [each for part in parts if (each := _EXPIRES.fullmatch(part))]
        given = [each for part in parts if (each := _SIGNATURE.fullmatch(part))]
        if len(ends) != 1 or len(given) != 1 or int(ends[0][1]) <= self._now():
            return False
        rest = [part for part in parts if part not in {ends[0][0], given[0][0]}]
        return hmac.compare_digest(self._signature(path, rest, int(ends[0][1])), given[0][1])

    def _signature(self, path: str, parameters: Sequence[str], expires: int) -> str:
        query = "" if path.startswith(UPLOADS) else "&".join(parameters)
        signed = f"{path}\n{query}\n{expires}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, signed, "sha256")[:_SIGNATURE_BYTES]
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class MediaLinks:
    """Where clients reach this server. `bases` end without a slash; the first one is told.

    The others count as ours too when a request names them. Without any, addresses stay as kept.
    """

    bases: tuple[str, ...] = ()
    signer: MediaSigner | None = None

    def address(self, kept: str) -> str:
        """Give a path of ours as a client may load it, and any other text as it is."""
        if not self.bases or not kept.startswith("/"):
            return kept
        return self.bases[0] + (self.signer.sign(kept) if self.signer else kept)

    def kept(self, address: str) -> str:
        """Give `/uploads/…` for any form of an address of ours, and any other text as it is."""
        if address.startswith(UPLOADS):
            return address.partition("?")[0]
        place = _place(address)
        if place is None or ".." in unquote(place).split("/"):
            return address
        for base in self.bases:
            own = _place(base) or ""
            if place.startswith(own + UPLOADS):
                return place.removeprefix(own)
        return self._signed_by_us(address, place) or address

    def _signed_by_us(self, address: str, place: str) -> str | None:
        """Give the path of an address under another name of this server: only we can sign it."""
        path = UPLOADS + place.partition(UPLOADS)[2]
        query = address.partition("?")[2].partition("#")[0]
        ours = self.signer is not None and self.signer.is_signed(unquote(path), query)
        return path if ours else None


_AS_KEPT: Final = MediaLinks()
#: Of the request that is being answered; outside of one, addresses stay as they are kept.
media_links: ContextVar[MediaLinks] = ContextVar("media_links", default=_AS_KEPT)


@contextmanager
def linking(links: MediaLinks) -> Iterator[None]:
    """Write addresses in this way within the block."""
    token = media_links.set(links)
    try:
        yield
    finally:
        media_links.reset(token)


def linked(value: Any) -> Any:
    """Make every address of our media in a JSON value absolute, by the links of this request."""
    links = media_links.get()
    return with_addresses(value, links.address) if links.bases else value


def with_addresses(value: Any, link: Callable[[str], str]) -> Any:
    """Put what `link` makes of them in place of the addresses of our media in a JSON value."""
    if isinstance(value, str):
        return link(value) if value.startswith(UPLOADS) else value
    if isinstance(value, dict):
        return {name: with_addresses(each, link) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_addresses(each, link) for each in value]
    return value


def _place(address: str) -> str | None:
    """Host and path of an absolute address, by which two of them are compared.

    The scheme is left out: a proxy that ends TLS may not have told us of it.
    """
    found = _ABSOLUTE.match(address)
    if found is None:
        return None
    host = found[2].lower().removesuffix(_DEFAULT_PORTS[found[1].lower()])
    return host + found[3]
