"""One catalog for all servers that have the same."""

import hashlib
from collections.abc import Callable
from weakref import WeakValueDictionary

from backend.services.server_catalog import ServerCatalog


class CatalogShelf:
    """Gives the same snapshot for the same answer, as long as anybody keeps it.

    Servers set up alike answer alike, and a server that is asked again answers as before: reading
    20 MB takes 0.3 s, what was read takes megabytes, and what was worked out about a snapshot need
    not be worked out again. Called from threads.
    """

    def __init__(self) -> None:
        self._kept: WeakValueDictionary[bytes, ServerCatalog] = WeakValueDictionary()

    def read(self, body: bytes, parse: Callable[[], object]) -> ServerCatalog:
        """The catalog of an answer; `parse` gives its JSON or raises what is wrong with it."""
        digest = hashlib.blake2b(body, digest_size=32).digest()
        known = self._kept.get(digest)
        if known is None:
            known = self._kept.setdefault(digest, ServerCatalog.from_object_info(parse()))
        return known
