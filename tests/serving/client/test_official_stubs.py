"""Requests of the clients and of tensorflow-serving-api's stubs, which are byte for byte the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.client import ColorizeClient, messages
from tests.blocking import BlockingClient
from tests.paths import ROOT
from tests.stand_in import MODEL, StandIn, decoded, encoded, standing_in, tinted

RGB = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
IMAGE = encoded(RGB)
SECONDS = 60

both = pytest.mark.parametrize("client", [ColorizeClient, BlockingClient])
choices = pytest.mark.parametrize(
    "choice", [{}, {"version": 1}, {"version": (1 << 63) - 1}, {"label": "stable"}], ids=["", "one", "last", "label"]
)


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    # Whichever version is asked for, since requests are what matters.
    with standing_in(lambda request, context: predict_pb2.PredictResponse()) as server:
        yield server


@pytest.fixture
def server(running: StandIn) -> StandIn:
    running.received.clear()
    return running


@pytest.fixture(scope="module")
def channel(running: StandIn) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(running.address) as channel:
        yield channel


def fill(spec: Any, choice: dict[str, Any]) -> None:
    spec.name = MODEL
    if "version" in choice:
        spec.version.value = choice["version"]
    if "label" in choice:
        spec.version_label = choice["label"]


@choices
@pytest.mark.parametrize(
    ("method", "value", "options", "signature", "name"),
    [
        ("colorize", IMAGE, {}, "serving_default", "image_bytes"),
        ("colorize", IMAGE, {"format": "jpeg"}, "jpeg", "image_bytes"),
        ("confidence", IMAGE, {}, "confidence", "image_bytes"),
        ("rgb", RGB, {}, "rgb", "image"),
        ("rgb", RGB[:1, :1, :], {}, "rgb", "image"),
        ("ab", np.linspace(0, 100, 12, dtype=np.float32).reshape(3, 4), {}, "lightness", "lightness"),
        ("ab", np.full((1, 1), 50, np.float32), {}, "lightness", "lightness"),
    ],
)
@both
def test_predict(
    client: Any,
    method: str,
    value: Any,
    options: dict[str, Any],
    signature: str,
    name: str,
    choice: dict[str, Any],
    server: StandIn,
    channel: grpc.Channel,
) -> None:
    request = predict_pb2.PredictRequest()
    fill(request.model_spec, choice)
    request.model_spec.signature_name = signature
    batch = [value] if isinstance(value, bytes) else value.reshape(1, *value.shape[:2], -1)
    request.inputs[name].CopyFrom(tf.make_tensor_proto(batch))
    prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=SECONDS)
    with client(server.address, MODEL, **choice) as connected:
        with pytest.raises(Exception, match="answered without"):
            getattr(connected, method)(value, **options)
    theirs, ours = server.received
    assert ours == theirs == ("Predict", request.SerializeToString(deterministic=True))


@choices
@both
def test_metadata_and_status(client: Any, choice: dict[str, Any], server: StandIn, channel: grpc.Channel) -> None:
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    status = get_model_status_pb2.GetModelStatusRequest()
    fill(metadata.model_spec, choice)
    fill(status.model_spec, choice)
    prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(metadata, timeout=SECONDS)
    model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status, timeout=SECONDS)
    with client(server.address, MODEL, **choice) as connected:
        connected.signature()
        connected.ready()
    assert server.received[:2] == server.received[2:]
    assert server.received[2:] == [
        ("GetModelMetadata", metadata.SerializeToString(deterministic=True)),
        ("GetModelStatus", status.SerializeToString(deterministic=True)),
    ]


def test_messages_are_a_subset_of_the_official_ones() -> None:
    from google.protobuf import descriptor_pool
    from tensorflow_serving.apis import model_service_pb2, prediction_log_pb2  # noqa: F401  fill the default pool

    official = descriptor_pool.Default()

    def compare(message: Any) -> int:
        other = official.FindMessageTypeByName(message.full_name)
        for field in message.fields:
            twin = other.fields_by_name[field.name]
            assert (field.number, field.type, field.is_repeated) == (twin.number, twin.type, twin.is_repeated)
            if field.containing_oneof:
                assert field.containing_oneof.name == twin.containing_oneof.name
            for kind in ("message_type", "enum_type"):
                mine, theirs = getattr(field, kind), getattr(twin, kind)
                assert (mine and mine.full_name) == (theirs and theirs.full_name), field.full_name
        return len(message.fields) + sum(map(compare, message.nested_types))

    files = [messages.POOL.FindFileByName(f"{name}.proto") for name in ("tensorflow", "tensorflow_serving")]
    assert sum(compare(message) for file in files for message in file.message_types_by_name.values()) > 50
    for enum in ("tensorflow.DataType", "tensorflow.error.Code", "tensorflow.serving.ModelVersionStatus.State"):
        twin = official.FindEnumTypeByName(enum)
        for value in messages.POOL.FindEnumTypeByName(enum).values:
            assert twin.values_by_name[value.name].number == value.number


def test_the_documentation_says_how_to_use_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "serving.md").read_text(), re.DOTALL)
    (code,) = (block for block in blocks if "tensorflow_serving" in block)
    monkeypatch.chdir(tmp_path)
    Path("old.jpg").write_bytes(IMAGE)
    with standing_in() as server:
        code = code.replace("localhost:8500", server.address).replace("lite_unet_photos_v3", MODEL)
        exec(compile(code, "docs/serving.md", "exec"), {"__name__": "documentation"})
    np.testing.assert_array_equal(decoded(Path("new.png").read_bytes()), tinted(RGB))
