"""What every DTO shares, and the shapes that belong to no single resource."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

#: Default of a field that may be left out but not be null: `null` is refused by the field's type.
OMITTED: Any = None


def _round_to_ms(seconds: float) -> float:
    """Round, and turn -0.0, which JSON would show, into 0.0."""
    return round(seconds, 3) + 0.0


def _rfc3339(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _drop_null_default(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        if field.get("default", "") is None and "anyOf" not in field:
            del field["default"]


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Prompt = Annotated[str, Field(max_length=10_000)]
ResourceId = Annotated[str, Field(min_length=1, max_length=100)]
#: Seconds within a scene, 0 to 10,000, rounded to 1 ms.
Position = Annotated[float, Field(ge=0, le=10_000), AfterValidator(_round_to_ms)]
#: Seconds, 0.001 to 10,000, rounded to 1 ms.
Length = Annotated[float, Field(ge=0.001, le=10_000), AfterValidator(_round_to_ms)]
#: Seconds of an answer: a sum of many lengths carries less than a nanosecond of binary dust.
Seconds = Annotated[float, AfterValidator(_round_to_ms)]
#: RFC 3339 in UTC with milliseconds and a Z.
Timestamp = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str, when_used="json")]


class RequestDTO(BaseModel):
    """A body. Unknown fields are ignored: clients send some. NaN and Infinity are refused."""

    model_config = ConfigDict(
        extra="ignore",
        allow_inf_nan=False,
        protected_namespaces=(),
        json_schema_extra=_drop_null_default,
    )

    def changes(self) -> dict[str, Any]:
        """Give the fields that the client sent, and only those."""
        return self.model_dump(exclude_unset=True)


class ResponseDTO(BaseModel):
    """An answer, read from a model's attributes."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


class DeletedDTO(ResponseDTO):
    """`deleted` counts every document that went, children included."""

    message: str = Field(examples=["Project deleted."])
    deleted: int = Field(ge=0, examples=[9])


class ErrorBodyDTO(ResponseDTO):
    code: str = Field(examples=["PROJECT_NOT_FOUND"])
    message: str = Field(examples=["Project '4f1c' was not found."])
    details: dict[str, Any] = Field(examples=[{"id": "4f1c"}])


class ErrorDTO(ResponseDTO):
    """The one body of every error."""

    detail: str = Field(examples=["Project '4f1c' was not found."])
    error: ErrorBodyDTO
    request_id: str = Field(examples=["8c1f0e7a"])
