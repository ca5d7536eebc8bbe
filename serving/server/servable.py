"""SavedModels in this process: loading, warming up, and running a signature by the names of its tensors."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.client import messages
from serving.server.errors import exhausted, invalid, unmet

DEFAULT_SIGNATURE = "serving_default"
WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")

Tensors = dict[str, np.ndarray]  # by name; strings are arrays of objects of type bytes


@dataclass(frozen=True)
class TensorInfo:
    """What a signature says of one tensor: its number among TensorFlow's types, and its sizes, None where any will do.

    `shape` is None where even the number of dimensions is open.
    """

    dtype: int
    shape: tuple[int | None, ...] | None

    @property
    def by_rows(self) -> bool:
        """Whether the first dimension counts the items of a batch."""
        return bool(self.shape) and self.shape is not None and self.shape[0] is None

    def refuse_other(self, name: str, value: np.ndarray) -> None:
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
class Signature:
    """One function of a SavedModel.

    Attributes:
        inputs: The tensors that it takes, by name.
        outputs: The tensors that it gives, by name.
        by_rows: Whether the items of several requests can be put together for one run.
        run: Inputs by name -> all outputs by name, in this thread. Raises tf.errors.OpError.
    """

    name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    by_rows: bool
    run: Callable[[Tensors], Tensors]

    def refuse_other(self, inputs: Tensors) -> None:
        """Raise RequestError unless `inputs` have the names, types and shapes of this signature."""
        if inputs.keys() != self.inputs.keys():
            raise invalid(
                f"signature {self.name!r} takes the inputs {{{', '.join(sorted(self.inputs))}}}, "
                f"and {{{', '.join(sorted(inputs))}}} came"
            )
        for name, info in self.inputs.items():
            info.refuse_other(name, inputs[name])


class SavedModel:
    """A loaded SavedModel.

    Attributes:
        definitions: A SignatureDefMap with the very signatures of saved_model.pb.
        signatures: Those that can be run, by name.
    """

    def __init__(self, folder: Path) -> None:
        self._loaded = tf.saved_model.load(str(folder))
        self.definitions = definitions(folder)
        self.signatures = {
            name: _signature(name, self.definitions.signature_def[name], function)
            for name, function in self._loaded.signatures.items()
            if name in self.definitions.signature_def
        }

    def signature(self, name: str) -> Signature:
        """The signature of this name, an empty name being the default one.

        Raises:
            RequestError: there is none, which is FAILED_PRECONDITION as in TF Serving.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise unmet(f'Serving signature key "{name}" not found.')
        return self.signatures[name]


def warm_up(model: SavedModel, folder: Path) -> float | None:
    """Run the requests that the SavedModel was exported with -> seconds that it took, or None if there are none.

    Raises:
        RequestError: a record is not what TF Serving takes.
        tf.errors.OpError: a request of the records fails.
    """
    if not (folder / WARM_UP).exists():
        return None
    began = time.perf_counter()
    for request in warm_up_requests(folder):
        signature = model.signature(request.model_spec.signature_name)
        inputs = decoded(request.inputs)
        signature.refuse_other(inputs)
        signature.run(inputs)
    return time.perf_counter() - began


def warm_up_requests(folder: Path) -> list[messages.Message]:
    """The requests that a SavedModel was exported with.

    Raises:
        RequestError: a record is not what TF Serving takes.
        tf.errors.OpError: the file cannot be read.
    """
    requests = []
    for record in tf.data.TFRecordDataset(str(folder / WARM_UP)).as_numpy_iterator():
        log = messages.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") != "predict_log":
            raise invalid(f"{WARM_UP}: a record is no predict_log")
        requests.append(log.predict_log.request)
    return requests


def decoded(tensors: Mapping[str, messages.Message], most_bytes: int = 1 << 31) -> Tensors:
    """TensorProtos by name -> arrays by name.

    Args:
        most_bytes: Of all of them together.

    Raises:
        RequestError: INVALID_ARGUMENT: one of them is no tensor that a colorizer takes; RESOURCE_EXHAUSTED: too large.
    """
    # Before they are built, since a tensor may be far larger than its message, which repeats its last value.
    if sum(map(_bytes, tensors.values())) > most_bytes:
        raise exhausted(f"the inputs are larger than {most_bytes >> 20} MiB")
    found = {}
    for name, value in tensors.items():
        try:
            found[name] = messages.array(value)
        except ValueError as error:
            raise invalid(f"input {name!r}: {error}") from error
    return found


def _bytes(value: messages.Message) -> int:
    count = math.prod(max(0, dim.size) for dim in value.tensor_shape.dim)
    if value.dtype != messages.DTYPES["DT_STRING"]:
        return count * messages.KINDS[value.dtype].itemsize if value.dtype in messages.KINDS else 0
    last = len(value.string_val[-1]) if value.string_val else 0
    # Each string is an object besides.
    return sum(map(len, value.string_val)) + max(0, count - len(value.string_val)) * last + count * 8


def definitions(folder: Path) -> messages.Message:
    """A SignatureDefMap with the very signatures of saved_model.pb. Raises OSError if there is none."""
    found = saved_model_pb2.SavedModel()
    found.ParseFromString((folder / "saved_model.pb").read_bytes())
    signatures = messages.SignatureDefMap()
    for name, definition in found.meta_graphs[0].signature_def.items():
        signatures.signature_def[name].ParseFromString(definition.SerializeToString())
    return signatures


def _signature(name: str, definition: messages.Message, function: Any) -> Signature:
    inputs = {key: _tensor_info(info) for key, info in definition.inputs.items()}
    outputs = {key: _tensor_info(info) for key, info in definition.outputs.items()}

    def run(arrays: Tensors) -> Tensors:
        found = function(**{key: tf.constant(value) for key, value in arrays.items()})
        return {key: _array(tensor.numpy()) for key, tensor in found.items()}

    by_rows = bool(inputs) and all(info.by_rows for info in (*inputs.values(), *outputs.values()))
    return Signature(name, inputs, outputs, by_rows, run)


def _array(value: Any) -> np.ndarray:
    # A tensor without dimensions comes as a plain value; bytes among these would be cut at zeros by NumPy.
    return value if isinstance(value, np.ndarray) else np.array(value, object if isinstance(value, bytes) else None)


def _tensor_info(info: messages.Message) -> TensorInfo:
    shape = info.tensor_shape
    if shape.unknown_rank:
        return TensorInfo(info.dtype, None)
    return TensorInfo(info.dtype, tuple(None if dim.size < 0 else dim.size for dim in shape.dim))
