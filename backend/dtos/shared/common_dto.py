"""What every DTO shares, and the shapes that belong to no single resource."""

from datetime import datetime
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from backend.dtos.shared import example_ids

#: The length of a time without its offset: 2026-11-22T10:00:00.000.
_TO_MILLISECONDS = 23

#: Default of a field that may be left out but not be null: `null` is refused by the field's type.
OMITTED: Any = None


def _round_to_ms(seconds: float) -> float:
    """Round, and turn -0.0, which JSON would show, into 0.0."""
    return round(seconds, 3) + 0.0


def _rfc3339(moment: datetime) -> str:
    """Every moment here is in UTC: the clock gives it so, and so does the database."""
    return moment.isoformat(timespec="milliseconds")[:_TO_MILLISECONDS] + "Z"


def _drop_null_default(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        if field.get("default", "") is None and "anyOf" not in field:
            del field["default"]


def request_example(**body: Any) -> ConfigDict:
    """Show this body in the manual, where one made of every field's example would not do."""

    def extend(schema: dict[str, Any]) -> None:
        _drop_null_default(schema)
        schema["examples"] = [body]

    return ConfigDict(json_schema_extra=extend)


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

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where pydantic would read 1 and 0."""
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and not _mentions(field.annotation, bool):
            raise PydanticCustomError("bool_given", "Input should not be true or false")
        return value

    def changes(self) -> dict[str, Any]:
        """Give the fields that the client sent, and only those."""
        return self.model_dump(exclude_unset=True)


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))


class ResponseDTO(BaseModel):
    """An answer, read from a model's attributes."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


class DeletedDTO(ResponseDTO):
    """`deleted` counts every document that went, children included."""

    message: str = Field(description="What was done, for people.", examples=["Project deleted."])
    deleted: int = Field(
        ge=0, description="How many documents went, children included.", examples=[9]
    )


class ErrorBodyDTO(ResponseDTO):
    code: str = Field(
        description="What went wrong, for programs; it stays the same from version to version.",
        examples=["PROJECT_NOT_FOUND"],
    )
    message: str = Field(
        description="What went wrong, for people.", examples=["Project '4f1c' was not found."]
    )
    details: dict[str, Any] = Field(
        description="What else is known, by name; its fields belong to the code.",
        examples=[{"id": "4f1c"}],
    )


class ErrorDTO(ResponseDTO):
    """The one body of every error."""

    detail: str = Field(
        description="The same sentence as `error.message`.",
        examples=["Project '4f1c' was not found."],
    )
    error: ErrorBodyDTO = Field(description="The error, for programs.")
    request_id: str = Field(
        description="As in the header X-Request-ID and in every log line of the request.",
        examples=["8c1f0e7a"],
    )


class FaultDTO(ResponseDTO):
    loc: list[str | int] = Field(
        description="Where: body, query or path, then names and places in lists.",
        examples=[["body", "name"]],
    )
    msg: str = Field(
        description="What is wrong there.", examples=["String should have at least 1 character"]
    )
    type: str = Field(description="The same for programs.", examples=["string_too_short"])


class FaultsDTO(ResponseDTO):
    errors: list[FaultDTO] = Field(
        default_factory=list, description="Every fault that was found; what was sent is not told."
    )


class InvalidBodyDTO(ResponseDTO):
    code: str = Field(description="For programs.", examples=["VALIDATION_ERROR"])
    message: str = Field(
        description="The first fault, for people.",
        examples=["body.name: String should have at least 1 character"],
    )
    details: FaultsDTO = Field(
        description="The faults; of rules beyond the schema, what else is known."
    )


class InvalidDTO(ResponseDTO):
    """The body of a 422."""

    detail: str = Field(
        description="The same sentence as `error.message`.",
        examples=["body.name: String should have at least 1 character"],
    )
    error: InvalidBodyDTO = Field(description="The error, for programs.")
    request_id: str = Field(description="As in the header X-Request-ID.", examples=["8c1f0e7a"])


class OverlapDetailDTO(ResponseDTO):
    error: str = Field(
        description="What is in the way, for people.",
        examples=[
            "'Close: hands' would overlap another clip at 12.5 s; 14.5 s is the nearest free"
            " position."
        ],
    )
    suggested_position: float | None = Field(
        description="Seconds: the nearest place where the clip fits; null when there is none.",
        examples=[14.5],
    )
    clip_id: str = Field(description="The clip that was to move.", examples=[example_ids.CLIP])
    requested_position: float = Field(description="Seconds: as asked for.", examples=[12.5])


class OverlapErrorDTO(ResponseDTO):
    """The one error whose `detail` is an object: a client can offer the place that fits."""

    detail: OverlapDetailDTO = Field(description="What is in the way, and what fits.")
    error: ErrorBodyDTO = Field(description="The error, for programs.")
    request_id: str = Field(description="As in the header X-Request-ID.", examples=["8c1f0e7a"])
