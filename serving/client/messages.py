"""The messages and methods of TF Serving's gRPC interface, without TensorFlow.

`tensorflow-serving-api` has the same messages and imports all of TensorFlow for them: seconds, and over a gigabyte.
Names, numbers and types below are those of TF Serving 2.21, so that the bytes on the wire are the same; fields that a
colorizer never sends are left out, and kept unread where they come. The pool of these messages is their own, so that
both kinds can be imported in one process.

Sources, in tensorflow_serving: apis/{model,predict,get_model_metadata,get_model_status,model_management}.proto,
apis/{prediction_log,logging,status}.proto, config/{model_server_config,file_system_storage_path_source}.proto; in
tensorflow/core: framework/{tensor,tensor_shape,types}.proto, protobuf/{meta_graph,error_codes}.proto.
"""

import math
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from google.protobuf import any_pb2, descriptor_pb2, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Message = Any  # an instance of one of the classes below: protobuf makes them at run time

# Values of tensorflow.DataType that colorizers take and give, and what NumPy calls them.
DTYPES = {"DT_FLOAT": 1, "DT_UINT8": 4, "DT_STRING": 7}
KINDS: dict[int, Any] = {1: np.dtype(np.float32), 4: np.dtype(np.uint8), 7: np.dtype(object)}
SHORT_NAMES = {1: "float32", 4: "uint8", 7: "string"}
MOST_REPEATED = 1 << 24  # places of a tensor without a value of their own: a few bytes must not become gigabytes

ENUMS = {
    "tensorflow.DataType": {"DT_INVALID": 0, **DTYPES},
    "tensorflow.error.Code": {code.name: code.value[0] for code in grpc.StatusCode},
    "tensorflow.serving.ModelVersionStatus.State": {
        "UNKNOWN": 0,
        "START": 10,
        "LOADING": 20,
        "AVAILABLE": 30,
        "UNLOADING": 40,
        "END": 50,
    },
}

POLICY = "tensorflow.serving.FileSystemStoragePathSourceConfig.ServableVersionPolicy"

# Message -> its fields: [repeated | oneof NAME | map KEY] type, name, number.
MESSAGES: dict[str, Sequence[str]] = {
    "tensorflow.TensorShapeProto": ("repeated tensorflow.TensorShapeProto.Dim dim 2", "bool unknown_rank 3"),
    "tensorflow.TensorShapeProto.Dim": ("int64 size 1", "string name 2"),
    "tensorflow.TensorProto": (
        "tensorflow.DataType dtype 1",
        "tensorflow.TensorShapeProto tensor_shape 2",
        "int32 version_number 3",
        "bytes tensor_content 4",
        "repeated float float_val 5",
        "repeated int32 int_val 7",
        "repeated bytes string_val 8",
    ),
    "tensorflow.TensorInfo": (
        "string name 1",
        "tensorflow.DataType dtype 2",
        "tensorflow.TensorShapeProto tensor_shape 3",
    ),
    "tensorflow.SignatureDef": (
        "map string tensorflow.TensorInfo inputs 1",
        "map string tensorflow.TensorInfo outputs 2",
        "string method_name 3",
    ),
    "tensorflow.serving.ModelSpec": (
        "string name 1",
        "oneof version_choice google.protobuf.Int64Value version 2",
        "oneof version_choice string version_label 4",
        "string signature_name 3",
    ),
    "tensorflow.serving.PredictRequest": (
        "tensorflow.serving.ModelSpec model_spec 1",
        "map string tensorflow.TensorProto inputs 2",
        "repeated string output_filter 3",
    ),
    "tensorflow.serving.PredictResponse": (
        "map string tensorflow.TensorProto outputs 1",
        "tensorflow.serving.ModelSpec model_spec 2",
    ),
    "tensorflow.serving.GetModelMetadataRequest": (
        "tensorflow.serving.ModelSpec model_spec 1",
        "repeated string metadata_field 2",
    ),
    "tensorflow.serving.GetModelMetadataResponse": (
        "tensorflow.serving.ModelSpec model_spec 1",
        "map string google.protobuf.Any metadata 2",
    ),
    "tensorflow.serving.SignatureDefMap": ("map string tensorflow.SignatureDef signature_def 1",),
    "tensorflow.serving.StatusProto": ("tensorflow.error.Code error_code 1", "string error_message 2"),
    "tensorflow.serving.GetModelStatusRequest": ("tensorflow.serving.ModelSpec model_spec 1",),
    "tensorflow.serving.ModelVersionStatus": (
        "int64 version 1",
        "tensorflow.serving.ModelVersionStatus.State state 2",
        "tensorflow.serving.StatusProto status 3",
    ),
    "tensorflow.serving.GetModelStatusResponse": (
        "repeated tensorflow.serving.ModelVersionStatus model_version_status 1",
    ),
    "tensorflow.serving.FileSystemStoragePathSourceConfig": (),
    POLICY: (
        f"oneof policy_choice {POLICY}.Latest latest 100",
        f"oneof policy_choice {POLICY}.All all 101",
        f"oneof policy_choice {POLICY}.Specific specific 102",
    ),
    f"{POLICY}.Latest": ("uint32 num_versions 1",),
    f"{POLICY}.All": (),
    f"{POLICY}.Specific": ("repeated int64 versions 1",),
    "tensorflow.serving.ModelConfig": (
        "string name 1",
        "string base_path 2",
        "string model_platform 4",
        f"{POLICY} model_version_policy 7",
        "map string int64 version_labels 8",
    ),
    "tensorflow.serving.ModelConfigList": ("repeated tensorflow.serving.ModelConfig config 1",),
    "tensorflow.serving.ModelServerConfig": (
        "oneof config tensorflow.serving.ModelConfigList model_config_list 1",
        "oneof config google.protobuf.Any custom_model_config 2",
    ),
    "tensorflow.serving.ReloadConfigRequest": (
        "tensorflow.serving.ModelServerConfig config 1",
        "repeated string metric_names 2",
    ),
    "tensorflow.serving.ReloadConfigResponse": ("tensorflow.serving.StatusProto status 1",),
    "tensorflow.serving.LogMetadata": ("tensorflow.serving.ModelSpec model_spec 1",),
    "tensorflow.serving.PredictLog": (
        "tensorflow.serving.PredictRequest request 1",
        "tensorflow.serving.PredictResponse response 2",
    ),
    "tensorflow.serving.PredictionLog": (
        "tensorflow.serving.LogMetadata log_metadata 1",
        "oneof log_type tensorflow.serving.PredictLog predict_log 6",
    ),
}

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

# Service -> method -> request and response.
SERVICES: dict[str, dict[str, tuple[str, str]]] = {
    PREDICTION_SERVICE: {
        "Predict": ("PredictRequest", "PredictResponse"),
        "GetModelMetadata": ("GetModelMetadataRequest", "GetModelMetadataResponse"),
    },
    MODEL_SERVICE: {
        "GetModelStatus": ("GetModelStatusRequest", "GetModelStatusResponse"),
        "HandleReloadConfigRequest": ("ReloadConfigRequest", "ReloadConfigResponse"),
    },
}


def _pool() -> DescriptorPool:
    """A pool with one file for each package."""
    pool = DescriptorPool()
    known = [any_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR]
    for module in known:
        pool.AddSerializedFile(module.serialized_pb)
    dependencies = [module.name for module in known]
    for package in ("tensorflow.error", "tensorflow", "tensorflow.serving"):
        file = descriptor_pb2.FileDescriptorProto(
            name=f"colorzoo/{package}.proto", package=package, syntax="proto3", dependency=dependencies
        )
        for name in (name for name in MESSAGES if _package(name) == package):
            owner: Any = file
            *outer, own = name.removeprefix(f"{package}.").split(".")
            for part in outer:
                inside = owner.message_type if owner is file else owner.nested_type
                owner = next(message for message in inside if message.name == part)
            _add_message(owner.message_type if owner is file else owner.nested_type, name, own)
        for name in (name for name in ENUMS if _package(name) == package):
            *outer, own = name.removeprefix(f"{package}.").split(".")
            owner = next(message for message in file.message_type if message.name == outer[0]) if outer else file
            enum = owner.enum_type.add(name=own)
            for value, number in ENUMS[name].items():
                enum.value.add(name=value, number=number)
        for service in (service for service in SERVICES if _package(service) == package):
            added = file.service.add(name=service.removeprefix(f"{package}."))
            for method, (request, response) in SERVICES[service].items():
                added.method.add(name=method, input_type=f".{package}.{request}", output_type=f".{package}.{response}")
        pool.AddSerializedFile(file.SerializeToString())
        dependencies.append(file.name)
    return pool


def _package(name: str) -> str:
    return next(p for p in ("tensorflow.serving", "tensorflow.error", "tensorflow") if name.startswith(f"{p}."))


def _add_message(siblings: Any, full_name: str, name: str) -> None:
    message = siblings.add(name=name)
    for row in MESSAGES[full_name]:
        *before, kind, field, number = row.split()
        added = message.field.add(
            name=field, number=int(number), label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
        )
        if before[:1] == ["oneof"]:
            names = [choice.name for choice in message.oneof_decl]
            if before[1] not in names:
                message.oneof_decl.add(name=before[1])
                names.append(before[1])
            added.oneof_index = names.index(before[1])
        elif before:
            added.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        if before[:1] == ["map"]:
            # A map is a list of messages with a key and a value, which protobuf then shows as a mapping.
            entry = message.nested_type.add(name=f"{''.join(part.title() for part in field.split('_'))}Entry")
            entry.options.map_entry = True
            _set_type(entry.field.add(name="key", number=1, label=1), before[1])
            _set_type(entry.field.add(name="value", number=2, label=1), kind)
            kind = f"{full_name}.{entry.name}"
        _set_type(added, kind)


def _set_type(field: Any, kind: str) -> None:
    if "." not in kind:
        field.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        return
    field.type_name = f".{kind}"
    types = descriptor_pb2.FieldDescriptorProto
    field.type = types.TYPE_ENUM if kind in ENUMS else types.TYPE_MESSAGE


POOL = _pool()


def message_class(name: str) -> Any:
    """The class of the message with this full name, such as tensorflow.serving.PredictRequest."""
    return GetMessageClass(POOL.FindMessageTypeByName(name))


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

    As in TensorFlow, fewer values than the shape has places repeat the last one.

    Raises:
        ValueError: the message is no such tensor.
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
    if missing < 0 or (missing and not len(values)) or missing > MOST_REPEATED:
        raise ValueError(f"a tensor of shape {shape} was sent with {len(values)} values")
    if found.dtype == DTYPES["DT_UINT8"] and len(values) and not 0 <= values.min() <= values.max() <= 255:
        raise ValueError("a tensor of uint8 was sent with values outside 0..255")
    listed = np.empty(count, kind)
    listed[: len(values)] = values
    if missing:
        listed[len(values) :] = values[-1]
    return listed.reshape(shape)
