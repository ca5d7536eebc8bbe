"""The bodies of the REST interface: JSON -> arrays, and arrays -> JSON, as TF Serving defines them.

Bytes are {"b64": "..."} in requests and, for outputs whose names end in _bytes, in answers.
"""

import base64
import binascii
import json
from typing import Any

import numpy as np

from serving.client import messages
from serving.server.errors import invalid
from serving.server.servable import SignatureFunction, TensorInfo, Tensors

LARGE = 64 << 10
"""Bytes that take longer to convert from and to JSON than to hand over to a thread."""

# Python threads switch only between calls of C functions. So large values are converted in pieces of these sizes.
_PIECE_NUMBERS = 1 << 14
_PIECE_BYTES = 3 << 18  # a multiple of 3, which makes 4 letters
_MAX_RANK = 8  # of lists that are converted in pieces; colorizers take 4


# === Requests ===


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        RequestError: INVALID_ARGUMENT: it is not one.
    """
    try:
        if len(body) > LARGE:
            request = json.loads(body, parse_int=_parse_int, parse_float=_parse_float)
        else:
            request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise invalid("the request has to be a JSON object")
    return request


def _parse_int(text: str) -> int:
    # Python functions where json would call C ones: other threads can run before each of them.
    return int(text)


def _parse_float(text: str) -> float:
    return float(text)


def to_arrays(request: dict[str, Any], signature: SignatureFunction) -> Tensors:
    """The 'instances' or 'inputs' of a request -> arrays by name. The lists of numbers in them are used up.

    Raises:
        RequestError: INVALID_ARGUMENT: they do not fit the signature.
    """
    if "instances" in request:
        columns = _columns(request["instances"], signature)
    else:
        columns = _fields(request["inputs"], signature)
    return {name: _array(name, value, signature.inputs[name]) for name, value in columns.items()}


def _columns(instances: Any, signature: SignatureFunction) -> dict[str, Any]:
    """Rows -> a list for each input."""
    if not isinstance(instances, list) or not instances:
        raise invalid("'instances' has to be a list with at least one value")
    if len(signature.inputs) == 1 and not any(_is_object(row) for row in instances):
        return {next(iter(signature.inputs)): instances}
    for row in instances:
        if not _is_object(row) or row.keys() != signature.inputs.keys():
            raise invalid(f"every instance has to have the inputs {{{', '.join(sorted(signature.inputs))}}}")
    return {name: [row[name] for row in instances] for name in signature.inputs}


def _fields(inputs: Any, signature: SignatureFunction) -> dict[str, Any]:
    """Columns -> a list for each input."""
    if not _is_object(inputs):
        if len(signature.inputs) != 1:
            raise invalid(f"'inputs' has to have a value for each of {{{', '.join(sorted(signature.inputs))}}}")
        return {next(iter(signature.inputs)): inputs}
    if inputs.keys() != signature.inputs.keys():
        raise invalid(f"'inputs' has to have the inputs {{{', '.join(sorted(signature.inputs))}}}")
    return dict(inputs)


def _is_object(value: Any) -> bool:
    """Whether it is an object of names and values, rather than bytes."""
    return isinstance(value, dict) and value.keys() != {"b64"}


def _array(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    kind = messages.KINDS.get(info.dtype)
    if kind == np.dtype(object):
        strings = _strings(name, value)
        found = np.empty(len(strings) if isinstance(strings, list) else (), object)
        found[...] = strings
        return found
    try:
        found = _numbers(value)
    except (ValueError, RecursionError) as error:
        raise invalid(f"input {name!r}: its lists have different lengths") from error
    if found.dtype.kind not in "iuf":
        raise invalid(f"input {name!r} has to be numbers")
    if kind == np.dtype(np.uint8) and (
        found.dtype.kind == "f" or found.min(initial=0) < 0 or found.max(initial=0) > 255
    ):
        raise invalid(f"input {name!r} has to be whole numbers from 0 to 255")
    return found if kind is None else found.astype(kind)


def _numbers(value: Any) -> np.ndarray:
    """`np.asarray` of nested lists; those of rank 3 and more are converted, and freed, row by row."""
    if not 2 < _rank(value) <= _MAX_RANK:
        return np.asarray(value)
    arrays = []
    for index, each in enumerate(value):
        arrays.append(_numbers(each))
        value[index] = each = None
    return np.stack(arrays)


def _rank(value: Any) -> int:
    rank = 0
    while isinstance(value, list) and value and rank <= _MAX_RANK:
        rank, value = rank + 1, value[0]
    return rank


def _strings(name: str, value: Any) -> bytes | list[bytes]:
    """Strings or {"b64": ...}, alone or in a list."""
    if isinstance(value, list):
        return [_string(name, each) for each in value]
    return _string(name, value)


def _string(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str):
        try:
            return _from_base64(value["b64"])
        except (binascii.Error, ValueError) as error:
            raise invalid(f"input {name!r}: Unable to base64 decode: {error}") from error
    raise invalid(f'input {name!r} has to be strings or {{"b64": "..."}}')


def _from_base64(text: str) -> bytes:
    size = _PIECE_BYTES // 3 * 4
    # Padding is an error anywhere but at the end, which shows only where all is decoded at once.
    if len(text) <= size or text.find("=", 0, len(text) - 2) >= 0:
        return base64.b64decode(text, validate=True)
    return b"".join(base64.b64decode(text[begin : begin + size], validate=True) for begin in range(0, len(text), size))


# === Answers ===


def serialize(outputs: Tensors, by_rows: bool) -> bytes:
    """Outputs by name -> the body of the answer: {"predictions": [...]} by rows, or else {"outputs": ...}.

    Raises:
        RequestError: INVALID_ARGUMENT: the outputs have different numbers of rows.
    """
    if len(outputs) == 1:
        ((name, value),) = outputs.items()
        return f'{{"{"predictions" if by_rows else "outputs"}": {_to_json(name, value)}}}'.encode()
    if not by_rows:
        columns = ", ".join(f"{json.dumps(name)}: {_to_json(name, value)}" for name, value in outputs.items())
        return f'{{"outputs": {{{columns}}}}}'.encode()
    counts = {value.shape[:1] for value in outputs.values()}
    if len(counts) != 1 or counts == {()}:
        raise invalid("the outputs have no rows in common: ask with 'inputs' in place of 'instances'")
    rows = [
        ", ".join(f"{json.dumps(name)}: {_to_json(name, value[row])}" for name, value in outputs.items())
        for row in range(*counts.pop())
    ]
    return f'{{"predictions": [{", ".join(f"{{{row}}}" for row in rows)}]}}'.encode()


def _to_json(name: str, value: Any) -> str:
    """An output as JSON, the same text as that of `json.dumps`, made in pieces."""
    if isinstance(value, bytes):
        return _bytes_to_json(name, value)
    value = np.asarray(value)
    if value.dtype == object:
        texts = [_bytes_to_json(name, each) for each in value.flat]
        return f"[{', '.join(texts)}]" if value.ndim else texts[0]
    if value.size <= _PIECE_NUMBERS:
        return json.dumps(value.tolist())
    if value.ndim > 1:
        return f"[{', '.join(_to_json(name, each) for each in value)}]"
    pieces = (value[begin : begin + _PIECE_NUMBERS] for begin in range(0, len(value), _PIECE_NUMBERS))
    return f"[{', '.join(json.dumps(piece.tolist())[1:-1] for piece in pieces)}]"


def _bytes_to_json(name: str, value: bytes) -> str:
    if not name.endswith("_bytes"):
        return json.dumps(value.decode("utf-8", "replace"))
    pieces = (value[begin : begin + _PIECE_BYTES] for begin in range(0, len(value), _PIECE_BYTES))
    return f'{{"b64": "{"".join(base64.b64encode(piece).decode() for piece in pieces)}"}}'
