"""Lists the model files of all servers, each once, with the servers that have it.

Servers set up alike share a catalog, so that two hundred of them are looked through as one. What
is kept are dictionaries of names: millions of objects would hold up the garbage collector.
"""

import asyncio
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Protocol, TypedDict

from backend.models.model_file import ModelFileType
from backend.services.comfyui.catalog import ServerCatalog
from backend.services.families import FAMILIES
from backend.services.servers.fleet import ServerState
from backend.services.servers.server_files import UNKNOWN, family_of, files_of
from backend.utils.errors import UnprocessableError
from backend.utils.ids import derived_id

#: Names that are sorted in one go: sorting lets nobody else have a turn.
_SLICE = 5_000


class KnownServers(Protocol):
    @property
    def states(self) -> Sequence[ServerState]: ...


@dataclass(frozen=True)
class ModelQuery:
    """`search` is part of a name, in any case; `is_active`: whether somebody online has it."""

    search: str = ""
    kind: ModelFileType | None = None
    family: str | None = None
    is_active: bool | None = None


class ModelOwner(TypedDict):
    id: str
    name: str
    is_online: bool


@dataclass(frozen=True)
class ListedModel:
    """`servers` are those that have it, online ones first; models on the same share the list."""

    id: str
    name: str
    kind: ModelFileType
    family: str
    servers: list[ModelOwner]


@dataclass(frozen=True)
class _Files:
    """The files of one kind by their paths, which are the same on Windows and elsewhere.

    `owners` has a bit for each catalog. `spelled` is what servers call a file, where all that have
    it spell its path with backslashes.
    """

    family_of: Mapping[str, str]
    owners: Mapping[str, int]
    spelled: Mapping[str, str]


@dataclass(frozen=True)
class _Index:
    bits: Mapping[ServerCatalog, int] = field(default_factory=dict)
    files: Mapping[ModelFileType, _Files] = field(default_factory=dict)


class ModelLibrary:
    def __init__(self, servers: KnownServers) -> None:
        self._servers = servers
        self._index = _Index()
        self._indexing = asyncio.Lock()

    async def page(
        self, query: ModelQuery, *, skip: int, limit: int
    ) -> tuple[list[ListedModel], int]:
        """Give a page by kind and name, and how many there are. No server is asked.

        UnprocessableError for a family that nobody knows.
        """
        _check_family(query.family)
        states = [state for state in self._servers.states if state.catalog is not None]
        index = await self._current({state.catalog: None for state in states if state.catalog})
        return await asyncio.to_thread(_page, index, states, query, slice(skip, skip + limit))

    async def _current(self, catalogs: Mapping[ServerCatalog, None]) -> _Index:
        """Give the index of these catalogs, made anew only when they are others than before."""
        async with self._indexing:
            if catalogs.keys() != self._index.bits.keys():
                self._index = await asyncio.to_thread(_indexed, list(catalogs), self._index)
            return self._index


def _check_family(family: str | None) -> None:
    known = [*(each.id for each in FAMILIES), UNKNOWN]
    if family is not None and family not in known:
        raise UnprocessableError(
            f"'{family}' is none of the families {', '.join(known)}.",
            code="FAMILY_UNKNOWN",
            families=known,
        )


def _indexed(catalogs: Sequence[ServerCatalog], before: _Index) -> _Index:
    bits = {catalog: 1 << number for number, catalog in enumerate(catalogs)}
    files = {kind: _files(kind, bits, before.files.get(kind)) for kind in ModelFileType}
    return _Index(bits, files)


def _files(kind: ModelFileType, bits: Mapping[ServerCatalog, int], before: _Files | None) -> _Files:
    """Look through all catalogs; families that were told `before` are not told again."""
    owners: dict[str, int] = {}
    spelled: dict[str, str] = {}
    told_with_slashes: set[str] = set()
    for catalog, bit in bits.items():
        for name in files_of(catalog, kind):
            path = name.replace("\\", "/")
            owners[path] = owners.get(path, 0) | bit
            if path != name:
                spelled[path] = name
            elif "/" in path:
                told_with_slashes.add(path)
    known: Mapping[str, str] = before.family_of if before else {}
    family = {path: known.get(path) or family_of(path, kind) for path in _in_order(owners)}
    return _Files(family, owners, {p: n for p, n in spelled.items() if p not in told_with_slashes})


def _in_order(texts: Iterable[str]) -> Iterator[str]:
    """Sort without keeping others from their turn, however many there are."""
    waiting = list(texts)
    starts = range(0, len(waiting), _SLICE)
    return heapq.merge(*(sorted(waiting[start : start + _SLICE]) for start in starts))


def _page(
    index: _Index, states: Sequence[ServerState], query: ModelQuery, part: slice
) -> tuple[list[ListedModel], int]:
    having = [(index.bits[state.catalog], state) for state in states if state.catalog is not None]
    online = sum({bit for bit, state in having if state.online})  # each bit once: all of them
    kinds = [kind for kind in ModelFileType if query.kind in {None, kind} and kind in index.files]
    found = {kind: _matching(index.files[kind], query, online) for kind in kinds}
    shown = islice(
        chain.from_iterable(((kind, path) for path in found[kind]) for kind in kinds),
        part.start,
        part.stop,
    )
    owners = _Owners(having)
    rows = [_listed(kind, path, index.files[kind], owners) for kind, path in shown]
    return rows, sum(map(len, found.values()))


def _matching(files: _Files, query: ModelQuery, online: int) -> list[str]:
    wanted = query.search.strip().replace("\\", "/").lower()
    return [
        path
        for path, family in files.family_of.items()
        if wanted in path.lower()
        and query.family in {None, family}
        and query.is_active in {None, bool(files.owners[path] & online)}
    ]


def _listed(kind: ModelFileType, path: str, files: _Files, owners: "_Owners") -> ListedModel:
    return ListedModel(
        id=derived_id("model", kind, path),
        name=files.spelled.get(path, path),
        kind=kind,
        family=files.family_of[path],
        servers=owners.of(files.owners[path]),
    )


class _Owners:
    """The servers behind bits, told once for all files that the same servers have."""

    def __init__(self, having: Sequence[tuple[int, ServerState]]) -> None:
        self._having = sorted(
            having, key=lambda each: (not each[1].online, each[1].server.name, each[1].server.id)
        )
        self._told: dict[int, list[ModelOwner]] = {}

    def of(self, bits: int) -> list[ModelOwner]:
        if bits not in self._told:
            self._told[bits] = [_owner(state) for bit, state in self._having if bit & bits]
        return self._told[bits]


def _owner(state: ServerState) -> ModelOwner:
    return {"id": state.server.id, "name": state.server.name, "is_online": state.online}
