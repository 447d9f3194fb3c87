"""What all models share: frozen, strict about numbers, lenient about unknown stored fields."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """An immutable value. Documents of older versions may carry fields that no longer exist."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, protected_namespaces=()
    )


def is_none(value: object) -> bool:
    """For `exclude_if`: what is not there takes no room in a document."""
    return value is None
