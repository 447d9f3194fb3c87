"""A database between which and its repositories a test stands: it delays, counts and refuses."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One call of a repository: `find` or `update_one`."""

    name: str
    collection: str
    filter: Mapping[str, Any]


Watcher = Callable[[Call], Awaitable[object]]


async def _nothing(call: Call) -> None:
    return None


class WatchedDatabase:
    """Hands every call on to `database`; what a watcher raises, the repository meets with."""

    def __init__(
        self, database: Any, *, before: Watcher = _nothing, after: Watcher = _nothing
    ) -> None:
        self._database = database
        self.before = before
        self.after = after

    def __getitem__(self, name: str) -> "_Collection":
        return _Collection(self, self._database[name], name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class _Collection:
    def __init__(self, watched: WatchedDatabase, collection: Any, name: str) -> None:
        self._watched = watched
        self._collection = collection
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._collection, name)

    def find(self, where: Mapping[str, Any], *arguments: Any) -> "_Cursor":
        cursor = self._collection.find(where, *arguments)
        return _Cursor(self._watched, cursor, Call("find", self._name, where))

    async def update_one(self, where: Mapping[str, Any], *arguments: Any, **options: Any) -> Any:
        call = Call("update_one", self._name, where)
        await self._watched.before(call)
        result = await self._collection.update_one(where, *arguments, **options)
        await self._watched.after(call)
        return result


class _Cursor:
    def __init__(self, watched: WatchedDatabase, cursor: Any, call: Call) -> None:
        self._watched = watched
        self._cursor = cursor
        self._call = call

    def sort(self, keys: Any) -> "_Cursor":
        self._cursor = self._cursor.sort(keys)
        return self

    def skip(self, amount: int) -> "_Cursor":
        self._cursor = self._cursor.skip(amount)
        return self

    def limit(self, amount: int) -> "_Cursor":
        self._cursor = self._cursor.limit(amount)
        return self

    def batch_size(self, amount: int) -> "_Cursor":
        self._cursor = self._cursor.batch_size(amount)
        return self

    async def to_list(self, amount: int | None) -> list[Any]:
        await self._watched.before(self._call)
        found: list[Any] = await self._cursor.to_list(amount)
        await self._watched.after(self._call)
        return found
