"""The embedded server as clients see it: answers, statuses and limits."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.client import messages
from serving.server import grpc_service
from serving.server.batching import Limits
from tests.servers import SECONDS, Gate, held, reds, refusal, request, serve, stub, wait_until
from tests.tiny_saved_model import RED, picture, red_of

Code = grpc.StatusCode


def test_pictures_come_back_in_their_order(predict):
    response = predict(request("tiny", image_bytes=[picture(10), picture(20, 3, 7)]), timeout=SECONDS)
    assert reds(response) == [10 + RED, 20 + RED]
    assert (response.model_spec.name, response.model_spec.version.value) == ("tiny", 1)
    assert response.model_spec.signature_name == "serving_default"


def test_arrays_come_back_as_arrays(predict):
    image = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    colorized = messages.array(predict(request("tiny", "rgb", image=image), timeout=SECONDS).outputs["colorized"])
    np.testing.assert_array_equal(colorized, image + np.array([RED, 0, 0], np.uint8))
    lightness = np.array([[[[3.5]]]], np.float32)
    ab = messages.array(predict(request("tiny", "lightness", lightness=lightness), timeout=SECONDS).outputs["ab"])
    assert ab.tolist() == [[[[1.75, -3.5]]]]


def test_an_output_filter_leaves_the_others_out(predict):
    wanted = request("tiny", "confidence", image_bytes=[picture(255), picture(0)])
    assert set(predict(wanted, timeout=SECONDS).outputs) == {"confidence_bytes", "mean_confidence"}
    wanted.output_filter.append("mean_confidence")
    response = predict(wanted, timeout=SECONDS)
    assert {name: messages.array(value).tolist() for name, value in response.outputs.items()} == {
        "mean_confidence": [1.0, 0.0]
    }


def spoiled(change: Callable[[Any], object]) -> Any:
    """A good request with something changed."""
    found = request("tiny", image_bytes=[picture(0)])
    change(found)
    return found


REFUSED = {
    "no model of the name": (lambda r: setattr(r.model_spec, "name", "nope"), Code.NOT_FOUND, "Latest(nope)"),
    "no such version": (lambda r: setattr(r.model_spec.version, "value", 7), Code.NOT_FOUND, "Specific(tiny, 7)"),
    "no name": (lambda r: setattr(r.model_spec, "name", ""), Code.INVALID_ARGUMENT, "no name"),
    "no such label": (
        lambda r: setattr(r.model_spec, "version_label", "best"),
        Code.INVALID_ARGUMENT,
        "Unrecognized servable version label: best",
    ),
    "no such signature": (
        lambda r: setattr(r.model_spec, "signature_name", "nope"),
        Code.FAILED_PRECONDITION,
        'Serving signature key "nope" not found.',
    ),
    "no input": (lambda r: r.inputs.clear(), Code.INVALID_ARGUMENT, "takes the inputs {image_bytes}"),
    "one input too many": (
        lambda r: r.inputs["image"].CopyFrom(messages.tensor([b""])),
        Code.INVALID_ARGUMENT,
        "and {image, image_bytes} came",
    ),
    "an input of another type": (
        lambda r: r.inputs["image_bytes"].CopyFrom(messages.tensor(np.zeros(3, np.float32))),
        Code.INVALID_ARGUMENT,
        "is float32, and has to be string",
    ),
    "an input of another shape": (
        lambda r: r.inputs["image_bytes"].tensor_shape.dim.add(size=1),
        Code.INVALID_ARGUMENT,
        "has the shape [1, 1], and has to have [?]",
    ),
    "a tensor of an unknown type": (
        lambda r: setattr(r.inputs["image_bytes"], "dtype", 99),
        Code.INVALID_ARGUMENT,
        "a tensor of type 99",
    ),
    "fewer strings than places": (
        lambda r: (r.inputs["image_bytes"].ClearField("string_val"), None),
        Code.INVALID_ARGUMENT,
        "0 values",
    ),
    "a tensor that repeats itself into gigabytes": (
        lambda r: setattr(r.inputs["image_bytes"].tensor_shape.dim[0], "size", 1 << 24),
        Code.RESOURCE_EXHAUSTED,
        "larger than 64 MiB",
    ),
    "no such output": (lambda r: r.output_filter.append("nope"), Code.INVALID_ARGUMENT, "alias not found"),
    "an output twice": (
        lambda r: r.output_filter.extend(["png_bytes", "png_bytes"]),
        Code.INVALID_ARGUMENT,
        "duplicate output",
    ),
    "garbage bytes": (
        lambda r: r.inputs["image_bytes"].string_val.__setitem__(0, b"garbage"),
        Code.INVALID_ARGUMENT,
        "Unknown image file format",
    ),
    "no bytes": (
        lambda r: r.inputs["image_bytes"].string_val.__setitem__(0, b""),
        Code.INVALID_ARGUMENT,
        "Input is empty",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_wrong_requests_are_refused_as_by_tf_serving(what, predict):
    change, code, text = REFUSED[what]
    found, details = refusal(lambda: predict(spoiled(change), timeout=SECONDS))
    assert (found, text in details) == (code, True), details
    assert not any(part in details for part in ("{{node", "\n", "Graph execution error", "Op:"))


def test_tf_servings_own_stubs_are_understood(server, tiny):
    definitions = saved_model_pb2.SavedModel.FromString((tiny / "saved_model.pb").read_bytes())
    with grpc.insecure_channel(server.address) as channel:
        prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        model = model_service_pb2_grpc.ModelServiceStub(channel)

        wanted = predict_pb2.PredictRequest()
        wanted.model_spec.name = "tiny"
        wanted.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([picture(10)]))
        response = prediction.Predict(wanted, timeout=SECONDS)
        (png,) = tf.make_ndarray(response.outputs["png_bytes"])
        assert red_of(png) == 10 + RED

        about = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        about.model_spec.name = "tiny"
        answer = prediction.GetModelMetadata(about, timeout=SECONDS)
        found = get_model_metadata_pb2.SignatureDefMap()
        assert answer.metadata["signature_def"].Unpack(found)
        assert dict(found.signature_def) == dict(definitions.meta_graphs[0].signature_def)
        assert (answer.model_spec.name, answer.model_spec.version.value) == ("tiny", 1)

        asked = get_model_status_pb2.GetModelStatusRequest()
        asked.model_spec.name = "tiny"
        (state,) = model.GetModelStatus(asked, timeout=SECONDS).model_version_status
        assert (state.version, state.state, state.status.error_code) == (1, state.AVAILABLE, 0)

        reload = model_management_pb2.ReloadConfigRequest()
        reload.config.model_config_list.config.add(name="tiny", base_path=str(tiny.parent), model_platform="tensorflow")
        assert model.HandleReloadConfigRequest(reload, timeout=SECONDS).status.error_code == 0


@pytest.mark.parametrize(("fields", "text"), [([], "at least one metadata_field"), (["other"], "not supported")])
def test_other_metadata_is_refused(server, fields, text):
    with stub(server.address, "GetModelMetadata") as metadata:
        wanted = messages.GetModelMetadataRequest(model_spec=messages.ModelSpec(name="tiny"), metadata_field=fields)
        code, details = refusal(lambda: metadata(wanted, timeout=SECONDS))
    assert (code, text in details) == (Code.INVALID_ARGUMENT, True)


def test_a_reload_that_makes_no_sense_is_refused(server, predict):
    with stub(server.address, "HandleReloadConfigRequest", messages.MODEL_SERVICE) as reload:
        assert refusal(lambda: reload(messages.ReloadConfigRequest(), timeout=SECONDS))[0] is Code.INVALID_ARGUMENT
    assert reds(predict(request("tiny", image_bytes=[picture(1)]), timeout=SECONDS)) == [1 + RED]


def test_health_and_reflection(server):
    with grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "PredictionService", "ModelService", *messages.SERVICES):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        code, _ = refusal(lambda: health.Check(health_pb2.HealthCheckRequest(service="x"), timeout=SECONDS))
        assert code is Code.NOT_FOUND
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) >= {*messages.SERVICES, "grpc.health.v1.Health"}
        file = database.FindFileContainingSymbol("tensorflow.serving.PredictRequest")
        assert "PredictRequest" in [message.name for message in file.message_type]
        assert database.FindFileContainingSymbol("grpc.health.v1.Health").package == "grpc.health.v1"


def test_garbage_among_many_requests_fails_alone(server):
    wanted = [b"garbage" if n % 7 == 3 else picture(n) for n in range(60)]
    with stub(server.address) as predict, ThreadPoolExecutor(16) as clients:

        def call(image: bytes) -> object:
            try:
                return reds(predict(request("tiny", image_bytes=[image]), timeout=SECONDS))
            except grpc.RpcError as error:
                return error.code()

        answers = list(clients.map(call, wanted))
    assert answers == [Code.INVALID_ARGUMENT if n % 7 == 3 else [n + RED] for n in range(60)]


def test_500_mutated_requests_get_a_status_that_says_something(server):
    """Bytes of valid requests, changed at random: no crash, no hang, nothing unmapped."""
    chance = random.Random(5)
    valid = [
        request("tiny", image_bytes=[picture(9), picture(8)]),
        request("tiny", "rgb", image=np.zeros((1, 3, 3, 3), np.uint8)),
        request("tiny", "lightness", lightness=np.ones((1, 2, 2, 1), np.float32)),
        request("tiny", "confidence", image_bytes=[picture(9)]),
    ]
    requests = [mutated(chance.choice(valid).SerializeToString(), chance) for _ in range(500)]
    with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(8) as clients:
        send = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")

        def call(data: bytes) -> grpc.StatusCode:
            try:
                send(data, timeout=SECONDS)
                return Code.OK
            except grpc.RpcError as error:
                return error.code()

        codes = Counter(clients.map(call, requests))
        assert send(valid[0].SerializeToString(), timeout=SECONDS)
    allowed = {Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.RESOURCE_EXHAUSTED}
    assert set(codes) <= allowed, codes
    assert codes[Code.OK] > 10 and codes[Code.INVALID_ARGUMENT] > 100, codes


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, taken out, put in, or the end cut off."""
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(found))
        match chance.randrange(5):
            case 0 | 1:
                found[at] = chance.randrange(256)
            case 2:
                del found[at : at + chance.randint(1, 8)]
            case 3:
                found[at:at] = chance.randbytes(chance.randint(1, 8))
            case 4:
                found[at] ^= 1 << chance.randrange(8)
    return bytes(found or b"\0")


def test_a_deadline_that_passes_in_the_queue_leaves_the_request_unrun(models, monkeypatch):
    limits = Limits(threads=1, batch=1)
    with serve(models, limits=limits, rest_port=None) as running, stub(running.address) as predict:
        with held(running) as (began, release):
            first = predict.future(request("tiny", image_bytes=[picture(1)]), timeout=SECONDS)
            assert began.wait(SECONDS)
            before = time.monotonic()
            code, _ = refusal(lambda: predict(request("tiny", image_bytes=[picture(2)]), timeout=0.3))
            assert code is Code.DEADLINE_EXCEEDED
            assert time.monotonic() - before < 5
            abandoned = predict.future(request("tiny", image_bytes=[picture(3)]), timeout=SECONDS)
            wait_until(lambda: running.server._batcher.length == 1)
            abandoned.cancel()
            wait_until(lambda: running.server._batcher.length == 0)
            release.set()
            assert reds(first.result()) == [1 + RED]


def test_an_empty_request_fails_alone_and_in_company(server, predict):
    def refuse() -> None:
        code, details = refusal(lambda: predict(request("tiny", image_bytes=[]), timeout=SECONDS))
        assert (code, details) == (Code.INVALID_ARGUMENT, "the request is empty: at least one item is needed")

    refuse()
    with held(server) as (_, release):
        others = [predict.future(request("tiny", image_bytes=[picture(n)]), timeout=SECONDS) for n in range(3)]
        wait_until(lambda: server.server._batcher.bytes == sum(len(picture(n)) for n in range(3)))
        refuse()
        release.set()
        assert [reds(future.result(SECONDS)) for future in others] == [[n + RED] for n in range(3)]


@pytest.mark.parametrize("stage", ["parse", "to_arrays", "serialize"])
def test_others_are_answered_while_a_large_message_is_converted(stage, server, predict, monkeypatch):
    gate = Gate(getattr(grpc_service, stage))
    monkeypatch.setattr(grpc_service, stage, gate)
    image = np.zeros((1, 600, 600, 3), np.uint8)
    large = predict.future(request("tiny", "rgb", image=image), timeout=SECONDS)
    try:
        assert gate.began.wait(SECONDS)
        assert reds(predict(request("tiny", image_bytes=[picture(1)]), timeout=10)) == [1 + RED]
        assert not large.done()
    finally:
        gate.release.set()
    assert messages.array(large.result().outputs["colorized"])[0, 0, 0].tolist() == [RED, 0, 0]


@pytest.mark.parametrize("mebibytes", [5, 63])
def test_large_messages_arrive_both_ways(mebibytes, predict):
    height = (mebibytes << 20) // (1024 * 3)
    image = np.full((1, height, 1024, 3), 7, np.uint8)
    colorized = messages.array(predict(request("tiny", "rgb", image=image), timeout=SECONDS).outputs["colorized"])
    assert colorized.shape == image.shape
    assert (colorized[0, -1, -1] == [7 + RED, 7, 7]).all()


def test_messages_above_the_limit_are_refused(models):
    with serve(models, max_message=1 << 20, rest_port=None) as running, stub(running.address) as predict:
        image = np.zeros((1, 600, 600, 3), np.uint8)
        code, _ = refusal(lambda: predict(request("tiny", "rgb", image=image), timeout=SECONDS))
        assert code is Code.RESOURCE_EXHAUSTED
        assert reds(predict(request("tiny", image_bytes=[picture(1)]), timeout=SECONDS)) == [1 + RED]


def test_metrics_count_requests_by_status(models):
    with serve(models) as running, stub(running.address) as predict:
        for image in (picture(1), picture(2), b"garbage"):
            with suppress(grpc.RpcError):
                predict(request("tiny", image_bytes=[image]), timeout=SECONDS)
        for n in range(3):
            refusal(lambda n=n: predict(request(f"unknown {n}"), timeout=SECONDS))
        page = httpx.get(f"{running.rest}/monitoring/prometheus/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    count = ":tensorflow:serving:request_count"
    assert float(lines[f'{count}{{model_name="tiny",status="OK"}}']) == 2
    assert float(lines[f'{count}{{model_name="tiny",status="INVALID_ARGUMENT"}}']) == 1
    # Names that no model has do not become series.
    assert float(lines[f'{count}{{model_name="",status="NOT_FOUND"}}']) == 3
    latency = ':tensorflow:serving:request_latency_count{API="Predict",entrypoint="GRPC",model_name="tiny"}'
    assert float(lines[latency]) == 3
    assert float(lines[':tensorflow:serving:runtime_latency_count{API="Predict",model_name="tiny",runtime="TF2"}']) == 3
    assert float(lines['colorzoo_serving_version_state{model_name="tiny",state="AVAILABLE",version="1"}']) == 1
    assert "colorzoo_serving_queue_requests" in lines
    assert sum(":tensorflow:serving:model_warmup_latency_count" in line for line in lines) == 1
