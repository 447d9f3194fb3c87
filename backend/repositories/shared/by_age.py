"""Lists by age: all there are, or those of one project, from the index on `created_at`."""

from datetime import UTC, datetime
from typing import Any

#: Everything was made after this; naming it lets a whole list use the index.
EVER = datetime(1970, 1, 1, tzinfo=UTC)
#: Ids keep the order of creation: they settle what was made in one millisecond.
OLDEST_FIRST = (("created_at", 1), ("_id", 1))
NEWEST_FIRST = (("created_at", -1), ("_id", -1))


def of_project(project_id: str | None) -> dict[str, Any]:
    """What is asked for; None: of whatever project, or of none."""
    where: dict[str, Any] = {"created_at": {"$gte": EVER}}
    return where if project_id is None else {"project_id": project_id, **where}
