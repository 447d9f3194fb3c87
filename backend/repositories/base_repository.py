"""One small generic repository; subclasses name a collection, its indexes and its queries."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

from backend.models.base import FrozenModel
from backend.repositories.shared.translation import CALL_SECONDS, translated
from backend.utils.errors import ResourceNotFoundError
from backend.utils.index_spec import IndexSpec

M = TypeVar("M", bound=FrozenModel)
Document = dict[str, Any]
Sort = Sequence[tuple[str, int]]

#: Documents that one bulk call takes: it must end well within the time a call has.
_CHUNK = 500
#: Ids that one read names. The embedded database compares each document with the whole list:
#: an id costs 0.13 ms among 32, and 0.9 ms among 500.
_IDS = 32
#: A bulk call has work to do where another one waits for an answer.
_BULK_SECONDS = 20.0


class BaseRepository(Generic[M]):
    """CRUD by id. `database` is the driver's handle; `gate` raises at once while it is away."""

    collection: ClassVar[str]
    #: What a person calls it: "project" gives PROJECT_NOT_FOUND.
    kind: ClassVar[str]
    indexes: ClassVar[tuple[IndexSpec, ...]] = ()
    model: type[M]

    def __init__(self, database: Any, gate: Callable[[], None]) -> None:
        self._documents = database[self.collection]
        self._gate = gate

    @contextmanager
    def _guarded(self, seconds: float = CALL_SECONDS) -> Iterator[None]:
        self._gate()
        with translated(seconds):
            yield

    def to_model(self, document: Document) -> M:
        return self.model.model_validate({**document, "id": document["_id"]})

    def to_document(self, model: M) -> Document:
        document = model.model_dump()
        document["_id"] = document.pop("id")
        return document

    async def find_by_id(self, document_id: str) -> M | None:
        with self._guarded():
            document = await self._documents.find_one({"_id": document_id})
        return self.to_model(document) if document else None

    async def get(self, document_id: str) -> M:
        """Give the one with this id, or raise ResourceNotFoundError."""
        found = await self.find_by_id(document_id)
        if found is None:
            raise ResourceNotFoundError.of(self.kind, document_id)
        return found

    async def names(self, ids: Iterable[str]) -> dict[str, str]:
        """What those of these ids are called; one that is gone is left out."""
        found = await self._find_raw({"_id": {"$in": list(ids)}}, fields={"name": 1})
        return {document["_id"]: document.get("name", "") for document in found}

    async def add(self, model: M) -> M:
        with self._guarded():
            await self._documents.insert_one(self.to_document(model))
        return model

    async def add_many(self, models: Sequence[M]) -> None:
        documents = [self.to_document(model) for model in models]
        for first in range(0, len(documents), _CHUNK):
            with self._guarded(_BULK_SECONDS):
                await self._documents.insert_many(documents[first : first + _CHUNK])

    async def update(self, document_id: str, changes: Mapping[str, Any]) -> bool:
        """Set the given fields; False when the document is gone."""
        return await self._update_one({"_id": document_id}, {"$set": dict(changes)})

    async def delete(self, document_id: str) -> bool:
        with self._guarded():
            result = await self._documents.delete_one({"_id": document_id})
        return bool(result.deleted_count)

    async def _update_one(self, where: Mapping[str, Any], change: Mapping[str, Any]) -> bool:
        """Guarded write: True when `where` matched, that is, when nobody else was faster."""
        with self._guarded():
            result = await self._documents.update_one(where, change)
        return bool(result.matched_count)

    async def _delete_where(self, where: Mapping[str, Any]) -> int:
        """Delete all that match, a chunk at a time: each call is short, however many there are."""
        deleted = 0
        while found := await self._find_raw(where, fields={"_id": 1}, limit=_CHUNK):
            ids = [document["_id"] for document in found]
            with self._guarded(_BULK_SECONDS):
                result = await self._documents.delete_many({"_id": {"$in": ids}})
            deleted += int(result.deleted_count)
        return deleted

    async def _find(
        self,
        where: Mapping[str, Any],
        *,
        sort: Sort = (),
        skip: int = 0,
        limit: int = 0,
    ) -> list[M]:
        documents = await self._find_raw(where, sort=sort, skip=skip, limit=limit)
        return [self.to_model(document) for document in documents]

    async def _list_by_ids(self, ids: Sequence[str]) -> list[M]:
        return [self.to_model(document) for document in await self._raw_by_ids(ids)]

    async def _raw_by_ids(
        self, ids: Sequence[str], fields: Mapping[str, int] | None = None
    ) -> list[Document]:
        """Those that exist, a few ids at a time: see `_IDS`."""
        found: list[Document] = []
        for first in range(0, len(ids), _IDS):
            few = list(ids[first : first + _IDS])
            found += await self._find_raw({"_id": {"$in": few}}, fields=fields)
        return found

    async def _find_raw(
        self,
        where: Mapping[str, Any],
        *,
        fields: Mapping[str, int] | None = None,
        sort: Sort = (),
        skip: int = 0,
        limit: int = 0,
    ) -> list[Document]:
        with self._guarded():
            cursor = self._documents.find(where, fields)
            if sort:
                cursor = cursor.sort(list(sort))
            documents: list[Document] = await cursor.skip(skip).limit(limit).to_list(None)
        return documents

    async def _count(self, where: Mapping[str, Any]) -> int:
        with self._guarded():
            return int(await self._documents.count_documents(where))

    async def _highest(self, where: Mapping[str, Any], field: str) -> int:
        """The largest value of a whole-number field among few documents, 0 when there are none."""
        found = await self._find_raw(where, fields={field: 1})
        return max((int(document.get(field, 0)) for document in found), default=0)

    async def _page(
        self, where: Mapping[str, Any], *, sort: Sort, skip: int, limit: int
    ) -> tuple[list[M], int]:
        """One page and the total; a page that is not full tells the total without a count."""
        found = await self._find(where, sort=sort, skip=skip, limit=limit)
        if (found and len(found) < limit) or (not found and skip == 0):
            return found, skip + len(found)
        return found, await self._count(where)
