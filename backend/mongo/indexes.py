"""Building the indexes that the repositories ask for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pymongo
from pymongo.errors import OperationFailure

from backend.mongo.embedded import DatabaseStartError
from backend.utils.index_spec import IndexSpec

#: Building an index on a large collection takes its time.
_BUILD_SECONDS: Final = 120.0
#: IndexOptionsConflict, IndexKeySpecsConflict, and the duplicates that a unique one would have.
_CONFLICTS: Final = frozenset({85, 86, 11000})
#: IndexNotFound.
_NOT_FOUND: Final = 27


class IndexConflictError(DatabaseStartError):
    """An index cannot be as the code wants it; the message names it."""


async def build_indexes(database: Any, indexes: Mapping[str, Sequence[IndexSpec]]) -> None:
    """Create what is missing, drop what was replaced; cheap when all is done.

    `database` is any driver's.

    Raises IndexConflictError, and the driver's own errors when the database goes away.
    """
    with pymongo.timeout(_BUILD_SECONDS):
        for collection, specs in indexes.items():
            for spec in specs:
                await _drop_replaced(database[collection], spec)
                await _build(database[collection], collection, spec)


async def _build(collection: Any, name: str, spec: IndexSpec) -> None:
    try:
        await collection.create_index(list(spec.keys), **spec.options())
    except OperationFailure as error:
        if error.code not in _CONFLICTS:
            raise
        raise IndexConflictError(
            f"The index '{spec.name}' of the collection '{name}' cannot be built: {error}. "
            "Drop the index of that name, or remove the duplicates it names, and start again."
        ) from error


async def _drop_replaced(collection: Any, spec: IndexSpec) -> None:
    there = await collection.index_information() if spec.replaces else {}
    for name in set(spec.replaces) & set(there):
        try:
            await collection.drop_index(name)
        except OperationFailure as error:
            # Another process that starts just now was faster.
            if error.code != _NOT_FOUND:
                raise
