"""How photographs are to be colorized, as requests say it; the names are the same in queries, forms and JSON."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from serving.web.errors import WebError, describe_faults
from serving.web.filters import Filter

Look = Literal["calm", "natural", "vivid"]
ResultFormat = Literal["jpeg", "png", "tiff", "webp"]
PreviewFormat = Literal["jpeg", "png", "webp"]
MAX_HINTS = 200
MAX_PAGE = 100_000
MAX_FILTERS = 12

Model = TypeVar("Model", bound=BaseModel)


def _split(value: Any) -> Any:
    """Names between commas; a query may repeat the parameter instead."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return value
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


Filters = Annotated[list[Filter], BeforeValidator(_split)]


class HintModel(BaseModel):
    """A color that a place is to have."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"x": 0.31, "y": 0.5, "color": "#8a5a2b"}})

    x: float = Field(ge=0, le=1, description="Share of the width, from the left.")
    y: float = Field(ge=0, le=1, description="Share of the height, from the top.")
    color: str = Field(pattern="^#[0-9A-Fa-f]{6}$", description="Its chroma is taken, its lightness is not.")
    radius: float = Field(default=0.01, gt=0, le=0.5, description="Share of the longer side.")


Hints = Annotated[list[HintModel], Field(max_length=MAX_HINTS)]
_HINTS = TypeAdapter(Hints)


class Colors(BaseModel):
    """What decides the colors, wherever it is said."""

    model_config = ConfigDict(extra="forbid")

    preset: str | None = Field(None, max_length=200, description="A name of /api/presets; by default the best preset.")
    look: Look | None = Field(None, description="How much color; by default as the preset has it.")
    temperature: float | None = Field(
        None, ge=0.05, le=5, description="Of the annealed mean: low for vivid colors, 1 for the mean."
    )
    saturation: float = Field(1.0, ge=0, le=3, description="Factor on the colors of the look.")
    filters: Filters = Field(
        [], max_length=MAX_FILTERS, description="Applied to the result in this order; names between commas."
    )


class _TextHints(Colors):
    hints: str = Field(
        "", max_length=50_000, description='JSON: [{"x": 0.31, "y": 0.5, "color": "#8a5a2b"}, ...]', examples=["[]"]
    )
    reference: bool = Field(False, description="Whether the reference photograph that was sent before is to be used.")


class JsonHints(Colors):
    """Settings as JSON."""

    hints: Hints = []
    reference: bool = Field(False, description="Whether the reference photograph that was sent before is to be used.")


class _Preview(BaseModel):
    longest: int = Field(1600, ge=16, le=4096, description="Longer side in pixels; pictures are never enlarged.")
    format: PreviewFormat = "jpeg"
    quality: int = Field(90, ge=1, le=100, description="Of JPEG and WebP.")


class _Result(BaseModel):
    format: ResultFormat | None = Field(None, description="By default that of the photograph, or PNG.")
    quality: int = Field(95, ge=1, le=100, description="Of JPEG and WebP.")


class PreviewQuery(_TextHints, _Preview):
    """Settings of a preview in a query."""


class PreviewBody(JsonHints, _Preview):
    """Settings of a preview as JSON."""


class ResultQuery(_TextHints, _Result):
    """Settings of a result in a query."""


class ResultBody(JsonHints, _Result):
    """Settings of a result as JSON."""


class ColorizeQuery(Colors, _Result):
    """Settings of a photograph that is sent with them."""

    hints: str = Field("", max_length=50_000, description="JSON, as an array or as its text.")
    page: int | None = Field(None, ge=1, le=MAX_PAGE, description="Of a TIFF or an animation; by default the first.")


@dataclass(frozen=True)
class How:
    """Settings that were read.

    Attributes:
        hints: As requests have them.
        reference: Whether a reference photograph is to be followed.
        format: Of the result, in small letters, or None for that of the photograph.
    """

    preset: str | None = None
    look: Look | None = None
    temperature: float | None = None
    saturation: float = 1.0
    filters: tuple[Filter, ...] = ()
    hints: tuple[HintModel, ...] = ()
    reference: bool = False
    format: ResultFormat | None = None
    quality: int = 95

    @property
    def colors(self) -> tuple[object, ...]:
        """All that decides the colors before hints and filters."""
        return self.preset, self.look, self.temperature, self.saturation, self.reference


def how(settings: Colors, *, reference: bool | None = None) -> How:
    """The settings of any of the models here.

    Raises:
        WebError: the hints are no JSON, or no hints.
    """
    values = {name: getattr(settings, name) for name in How.__dataclass_fields__ if hasattr(settings, name)}
    hints = values.get("hints", ())
    if isinstance(hints, str):
        hints = parse_hints(hints) if hints.strip() else []
    values |= {"hints": tuple(hints), "filters": tuple(settings.filters)}
    if reference is not None:
        values["reference"] = reference
    return How(**values)


def parse_hints(text: str) -> list[HintModel]:
    """Hints of a JSON text.

    Raises:
        WebError: they are no hints.
    """
    try:
        return _HINTS.validate_json(text)
    except ValidationError as error:
        raise WebError("invalid_parameter", f"hints: {describe_faults(error.errors())}") from error


def parse(model: type[Model], values: dict[str, Any]) -> Model:
    """Settings of the fields of a form or of JSON.

    Raises:
        WebError: a name is unknown, or a value is outside its range.
    """
    if isinstance(hints := values.get("hints"), list):
        values = {**values, "hints": json.dumps(hints)}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise WebError("invalid_parameter", describe_faults(error.errors())) from error
