"""The messages and methods of TF Serving's gRPC interface, without TensorFlow.

`tensorflow-serving-api` has the same messages and imports all of TensorFlow for them: seconds, and over a gigabyte.
These are compiled from protos/*.proto and live in a descriptor pool of their own, so that both kinds can be imported in
one process.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import any_pb2, descriptor_pb2, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from .descriptors import FILE_DESCRIPTOR_SET

Message = Any  # an instance of one of the classes below: protobuf makes them at run time

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

MAX_REPEATED = 1 << 24  # elements filled with the last value: a few bytes must not become gigabytes


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for module in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for file in descriptor_pb2.FileDescriptorSet.FromString(FILE_DESCRIPTOR_SET).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _pool()


def message_class(name: str) -> Any:
    """The class of the message with this full name, such as tensorflow.serving.PredictRequest."""
    return GetMessageClass(POOL.FindMessageTypeByName(name))


def _numbers(enum: str) -> dict[str, int]:
    return {value.name: value.number for value in POOL.FindEnumTypeByName(enum).values}


def _methods(service: str) -> dict[str, tuple[str, str]]:
    methods = POOL.FindServiceByName(service).methods
    return {method.name: (method.input_type.name, method.output_type.name) for method in methods}


# Service -> method -> names of its request and response.
SERVICES = {service: _methods(service) for service in (PREDICTION_SERVICE, MODEL_SERVICE)}

# Values of tensorflow.DataType that colorizers use, and their NumPy types.
DTYPES = _numbers("tensorflow.DataType")
KINDS: dict[int, Any] = {
    DTYPES["DT_FLOAT"]: np.dtype(np.float32),
    DTYPES["DT_UINT8"]: np.dtype(np.uint8),
    DTYPES["DT_STRING"]: np.dtype(object),
}
SHORT_NAMES = {DTYPES["DT_FLOAT"]: "float32", DTYPES["DT_UINT8"]: "uint8", DTYPES["DT_STRING"]: "string"}

# States of a version, as GetModelStatus returns them.
STATES = _numbers("tensorflow.serving.ModelVersionStatus.State")

TensorProto = message_class("tensorflow.TensorProto")
ModelSpec = message_class("tensorflow.serving.ModelSpec")
PredictRequest = message_class("tensorflow.serving.PredictRequest")
PredictResponse = message_class("tensorflow.serving.PredictResponse")
GetModelMetadataRequest = message_class("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = message_class("tensorflow.serving.GetModelMetadataResponse")
SignatureDefMap = message_class("tensorflow.serving.SignatureDefMap")
GetModelStatusRequest = message_class("tensorflow.serving.GetModelStatusRequest")
GetModelStatusResponse = message_class("tensorflow.serving.GetModelStatusResponse")
ModelServerConfig = message_class("tensorflow.serving.ModelServerConfig")
ReloadConfigRequest = message_class("tensorflow.serving.ReloadConfigRequest")
ReloadConfigResponse = message_class("tensorflow.serving.ReloadConfigResponse")
PredictionLog = message_class("tensorflow.serving.PredictionLog")


def tensor(value: np.ndarray | Sequence[bytes]) -> Message:
    """A TensorProto, as `tf.make_tensor_proto` makes it: of an array of float32 or uint8, or of byte strings [N].

    Raises:
        TypeError: another kind of array.
    """
    if not isinstance(value, np.ndarray):
        found = TensorProto(dtype=DTYPES["DT_STRING"], string_val=value)
        found.tensor_shape.dim.add(size=len(value))
        return found
    if value.dtype not in (np.float32, np.uint8):
        raise TypeError(f"tensors of {value.dtype} are not sent: float32 or uint8 is needed")
    number = next(number for number, kind in KINDS.items() if kind == value.dtype)
    found = TensorProto(dtype=number)
    for size in value.shape:
        found.tensor_shape.dim.add(size=size)
    if value.size > 1:
        found.tensor_content = value.tobytes()
    elif value.size:
        values = found.float_val if number == DTYPES["DT_FLOAT"] else found.int_val
        values.append(value.item())
    return found


def array(found: Message) -> np.ndarray:
    """A TensorProto of float32, uint8 or strings -> the array; strings as objects of type bytes.

    As in TensorFlow, the last value is repeated if there are fewer than the shape needs.

    Raises:
        ValueError: the message is not such a tensor.
    """
    kind = KINDS.get(found.dtype)
    if kind is None:
        raise ValueError(f"a tensor of type {found.dtype} was sent: float32, uint8 or strings were expected")
    shape = [dim.size for dim in found.tensor_shape.dim]
    if found.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("a tensor without a shape was sent")
    count = math.prod(shape)
    if found.tensor_content and found.dtype != DTYPES["DT_STRING"]:
        if len(found.tensor_content) != count * kind.itemsize:
            raise ValueError(f"a tensor of shape {shape} was sent with {len(found.tensor_content)} bytes")
        return np.frombuffer(found.tensor_content, kind).reshape(shape)
    if found.dtype == DTYPES["DT_STRING"]:
        values = np.array(list(found.string_val), object)
    else:
        values = np.array(found.float_val if found.dtype == DTYPES["DT_FLOAT"] else found.int_val)
    missing = count - len(values)
    if missing < 0 or (missing and not len(values)) or missing > MAX_REPEATED:
        raise ValueError(f"a tensor of shape {shape} was sent with {len(values)} values")
    if found.dtype == DTYPES["DT_UINT8"] and len(values) and not 0 <= values.min() <= values.max() <= 255:
        raise ValueError("a tensor of uint8 was sent with values outside 0..255")
    listed = np.empty(count, kind)
    listed[: len(values)] = values
    if missing:
        listed[len(values) :] = values[-1]
    return listed.reshape(shape)
