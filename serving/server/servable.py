"""SavedModels in this process: loading, warming up, and running a signature by the names of its tensors."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from serving.client import messages
from serving.model_folder import read_signatures, read_warm_up_requests
from serving.server.errors import exhausted, invalid, unmet

DEFAULT_SIGNATURE = "serving_default"

Tensors = dict[str, np.ndarray]  # by name; strings are arrays of objects of type bytes


@dataclass(frozen=True)
class TensorInfo:
    """The type and shape of one tensor of a signature.

    Attributes:
        dtype: A number of tensorflow.DataType.
        shape: None in place of a size means any size; None for the whole shape means any number of dimensions.
    """

    dtype: int
    shape: tuple[int | None, ...] | None

    @property
    def by_rows(self) -> bool:
        """Whether the first dimension counts the items of a batch."""
        return bool(self.shape) and self.shape is not None and self.shape[0] is None

    def check(self, name: str, value: np.ndarray) -> None:
        """Raise RequestError if `value` is of another type or shape."""
        kind = messages.KINDS.get(self.dtype)
        if kind != value.dtype:
            wanted = messages.SHORT_NAMES.get(self.dtype, f"type {self.dtype}")
            sent = "string" if value.dtype == object else value.dtype.name
            raise invalid(f"input {name!r} is {sent}, and has to be {wanted}")
        if self.shape is None:
            return
        fits = len(self.shape) == value.ndim and all(
            size in (None, given) for size, given in zip(self.shape, value.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("?" if size is None else str(size) for size in self.shape)
            raise invalid(f"input {name!r} has the shape {list(value.shape)}, and has to have [{wanted}]")


@dataclass(frozen=True, eq=False)
class SignatureFunction:
    """One signature of a loaded SavedModel, which can be run.

    Attributes:
        inputs: The tensors that it takes, by name.
        outputs: The tensors that it returns, by name.
        by_rows: Whether the items of several requests can be concatenated for one run.
        run: Inputs by name -> all outputs by name, in this thread. Raises tf.errors.OpError.
    """

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    by_rows: bool
    run: Callable[[Tensors], Tensors]

    def check(self, inputs: Tensors) -> None:
        """Raise RequestError unless `inputs` have the names, types and shapes of this signature."""
        if inputs.keys() != self.inputs.keys():
            raise invalid(
                f"signature {self.name!r} takes the inputs {{{', '.join(sorted(self.inputs))}}}, "
                f"and {{{', '.join(sorted(inputs))}}} came"
            )
        for name, info in self.inputs.items():
            info.check(name, inputs[name])
        # Alone it would fail in most networks, in a batch with others it would not: so it is always refused.
        if self.by_rows and not all(len(value) for value in inputs.values()):
            raise invalid("the request is empty: at least one item is needed")


class SavedModel:
    """A loaded SavedModel.

    Attributes:
        definitions: A SignatureDefMap with exactly the signatures in saved_model.pb.
        signatures: Those that can be run, by name.
    """

    def __init__(self, folder: Path) -> None:
        self._loaded = tf.saved_model.load(str(folder))
        self.definitions = read_signatures(folder)
        self.signatures = {
            name: _signature_function(name, self.definitions.signature_def[name], function)
            for name, function in self._loaded.signatures.items()
            if name in self.definitions.signature_def
        }

    def signature(self, name: str) -> SignatureFunction:
        """The signature of this name, an empty name standing for the default one.

        Raises:
            RequestError: FAILED_PRECONDITION, as in TF Serving: there is none of this name.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise unmet(f'Serving signature key "{name}" not found.')
        return self.signatures[name]


def warm_up(model: SavedModel, folder: Path) -> float | None:
    """Run the requests that the SavedModel was exported with -> seconds that it took, or None if there are none.

    Raises:
        ArgumentError, RequestError: A record is not what TF Serving takes.
        tf.errors.OpError: A request of the records fails.
    """
    requests = read_warm_up_requests(folder)
    began = time.perf_counter()
    for request in requests:
        signature = model.signature(request.model_spec.signature_name)
        inputs = to_arrays(request.inputs)
        signature.check(inputs)
        signature.run(inputs)
    return time.perf_counter() - began if requests else None


def to_arrays(tensors: Mapping[str, messages.Message], max_bytes: int = 1 << 31) -> Tensors:
    """TensorProtos by name -> arrays by name.

    Args:
        max_bytes: Limit of the size of all arrays together.

    Raises:
        RequestError: INVALID_ARGUMENT: one of them is not a tensor that a colorizer takes; RESOURCE_EXHAUSTED: together
            they are too large.
    """
    # Checked before they are built: a message may repeat its last value and so describe a far larger tensor.
    if sum(map(_array_bytes, tensors.values())) > max_bytes:
        raise exhausted(f"the inputs are larger than {max_bytes >> 20} MiB")
    found = {}
    for name, value in tensors.items():
        try:
            found[name] = messages.array(value)
        except ValueError as error:
            raise invalid(f"input {name!r}: {error}") from error
    return found


def _array_bytes(value: messages.Message) -> int:
    count = math.prod(max(0, dim.size) for dim in value.tensor_shape.dim)
    if value.dtype != messages.DTYPES["DT_STRING"]:
        return count * messages.KINDS[value.dtype].itemsize if value.dtype in messages.KINDS else 0
    last = len(value.string_val[-1]) if value.string_val else 0
    # Each string is an object as well, to which the array holds a pointer.
    return sum(map(len, value.string_val)) + max(0, count - len(value.string_val)) * last + count * 8


def bytes_of(tensors: Tensors) -> int:
    """The size of all arrays together; strings count with their bytes."""
    return sum(sum(map(len, value.flat)) if value.dtype == object else value.nbytes for value in tensors.values())


def _signature_function(name: str, definition: messages.Message, function: Any) -> SignatureFunction:
    inputs = {key: _tensor_info(info) for key, info in definition.inputs.items()}
    outputs = {key: _tensor_info(info) for key, info in definition.outputs.items()}

    def run(arrays: Tensors) -> Tensors:
        found = function(**{key: tf.constant(value) for key, value in arrays.items()})
        return {key: _as_array(tensor.numpy()) for key, tensor in found.items()}

    by_rows = bool(inputs) and all(info.by_rows for info in (*inputs.values(), *outputs.values()))
    return SignatureFunction(name, inputs, outputs, by_rows, run)


def _as_array(value: Any) -> np.ndarray:
    # A scalar tensor comes as a plain value; without `object`, NumPy would strip the zeros at the end of bytes.
    return value if isinstance(value, np.ndarray) else np.array(value, object if isinstance(value, bytes) else None)


def _tensor_info(info: messages.Message) -> TensorInfo:
    shape = info.tensor_shape
    if shape.unknown_rank:
        return TensorInfo(info.dtype, None)
    return TensorInfo(info.dtype, tuple(None if dim.size < 0 else dim.size for dim in shape.dim))
