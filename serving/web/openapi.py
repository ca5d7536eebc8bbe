"""The parts of the description in OpenAPI that follow from no type: bodies that are files, and answers that are."""

from typing import Any

from pydantic import BaseModel

# A gray gradient of 4 x 3 pixels, as PNG.
EXAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAQAAAADCAAAAACRn/EaAAAAF0lEQVR42mNkEBERYQwQERFhCRAREQEACTgBW9FM8BwAAAAASUVORK5CYII="
FILE = {"type": "string", "format": "binary", "description": "A photograph: JPEG, PNG, TIFF, WebP and others."}
_BASE64 = {"type": "string", "contentEncoding": "base64", "description": "A photograph, or a data: URL of one."}
_HEADERS = {
    name: {"description": text, "schema": {"type": "string"}}
    for name, text in {
        "Colorzoo-Width": "In pixels.",
        "Colorzoo-Height": "In pixels.",
        "Colorzoo-Preset": "That colored it.",
        "Colorzoo-Warnings": "What is to be said about it, percent-encoded.",
    }.items()
}
_JSON_PICTURE = {
    "type": "object",
    "required": ["image", "type", "width", "height"],
    "properties": {
        "image": _BASE64,
        "type": {"type": "string", "examples": ["image/jpeg"]},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "preset": {"type": "string"},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "seconds": {"type": "number"},
    },
}


def upload(settings: type[BaseModel] | None = None, *, reference: bool = True) -> dict[str, Any]:
    """The body of a request that sends a picture, with the settings that a form or JSON may have beside it."""
    fields = dict(settings.model_json_schema()["properties"]) if settings else {}
    files = {"image": FILE} | ({"reference": FILE} if reference else {})
    texts = {"image": _BASE64} | ({"reference": _BASE64} if reference else {})
    raw = {"schema": {"type": "string", "format": "binary"}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["image"], "properties": files | fields}
                },
                "application/json": {
                    "schema": {"type": "object", "required": ["image"], "properties": texts | fields},
                    "example": {"image": EXAMPLE},
                },
                **{f"image/{kind}": raw for kind in ("jpeg", "png", "tiff", "webp")},
                "application/octet-stream": raw,
            },
        }
    }


def raw(*kinds: str) -> dict[str, Any]:
    """The body of a request that is a file."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": {kind: schema for kind in kinds}}}


def picture(description: str, *kinds: str) -> dict[int | str, dict[str, Any]]:
    """The answer that is a picture, or that picture as JSON."""
    kinds = kinds or ("image/jpeg", "image/png", "image/tiff", "image/webp")
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {
        200: {
            "description": description,
            "headers": _HEADERS,
            "content": {**content, "application/json": {"schema": _JSON_PICTURE}},
        }
    }


def file(description: str, *kinds: str) -> dict[int | str, dict[str, Any]]:
    """The answer that is a file."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {200: {"description": description, "content": content}}
