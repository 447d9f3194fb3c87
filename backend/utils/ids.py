"""Opaque ids. Random ones for what is new, derived ones where a repeat must give the same id."""

import uuid

_NAMESPACE = uuid.UUID("0c5f6d0e-6b6a-4c8e-9d3f-2b1f5c1d7a10")


def new_id() -> str:
    return str(uuid.uuid4())


def derived_id(*parts: str) -> str:
    """Give the same id for the same parts: a result adopted twice stays one take."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))
