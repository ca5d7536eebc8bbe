"""TF Serving's REST interface of the embedded server."""

import base64
import json
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from serving.server import rest, rest_json
from serving.server.batching import Limits
from serving.server.errors import RequestError
from serving.server.servable import SignatureFunction, TensorInfo
from tests import tiny_saved_model
from tests.servers import SECONDS, Gate, InThread, serve
from tests.tiny_saved_model import RED, picture, red_of

PICTURE = {"b64": base64.b64encode(picture(10)).decode()}


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InThread]:
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text(
        'model_config_list { config { name: "tiny" base_path: "tiny" version_labels { key: "stable" value: 1 } } }'
    )
    with serve(models, config=config, max_message=1 << 20) as running:
        yield running


@pytest.fixture
def client(server: InThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.rest, timeout=SECONDS) as opened:
        yield opened


def decoded(value: dict[str, str]) -> bytes:
    assert value.keys() == {"b64"}
    return base64.b64decode(value["b64"])


@pytest.mark.parametrize("where", ["tiny", "tiny/versions/1", "tiny/labels/stable"])
def test_states_of_versions(where, client):
    answer = client.get(f"/v1/models/{where}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    status = {"error_code": "OK", "error_message": ""}
    assert answer.json() == {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]}


@pytest.mark.parametrize("where", ["tiny", "tiny/versions/1", "tiny/labels/stable"])
def test_metadata(where, client):
    found = client.get(f"/v1/models/{where}/metadata").json()
    assert found["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    assert signature["inputs"]["image_bytes"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    assert signature["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize("where", ["tiny", "tiny/versions/1", "tiny/labels/stable"])
@pytest.mark.parametrize("named", [False, True])
def test_rows(where, named, client):
    row = {"image_bytes": PICTURE} if named else PICTURE
    answer = client.post(f"/v1/models/{where}:predict", json={"instances": [row, row]})
    assert [red_of(decoded(each)) for each in answer.json()["predictions"]] == [10 + RED] * 2


@pytest.mark.parametrize("named", [False, True])
def test_columns(named, client):
    value = {"image_bytes": [PICTURE]} if named else [PICTURE]
    answer = client.post("/v1/models/tiny:predict", json={"inputs": value, "signature_name": "serving_default"})
    assert [red_of(decoded(each)) for each in answer.json()["outputs"]] == [10 + RED]


def test_several_outputs_are_objects(client):
    request = {"signature_name": "confidence"}
    (row,) = client.post("/v1/models/tiny:predict", json=request | {"instances": [PICTURE]}).json()["predictions"]
    assert row.keys() == {"confidence_bytes", "mean_confidence"}
    assert row["mean_confidence"] == pytest.approx(10 / 255)
    columns = client.post("/v1/models/tiny:predict", json=request | {"inputs": [PICTURE]}).json()["outputs"]
    assert columns == {name: [value] for name, value in row.items()}


def test_numbers(client):
    answer = client.post("/v1/models/tiny:predict", json={"signature_name": "rgb", "instances": [[[[1, 2, 250]]]]})
    assert answer.json() == {"predictions": [[[[1 + RED, 2, 250]]]]}
    body = '{"signature_name": "lightness", "inputs": [[[[1], [NaN]]]]}'
    answer = client.post("/v1/models/tiny:predict", content=body)
    assert "[0.5, -1.0], [NaN, NaN]" in answer.text


def test_requests_are_batched_with_those_of_grpc_and_have_their_own_door_in_the_metrics(client):
    client.post("/v1/models/tiny:predict", json={"instances": [PICTURE]})
    page = client.get("/monitoring/prometheus/metrics").text
    assert 'request_latency_count{API="Predict",entrypoint="REST",model_name="tiny"}' in page


REFUSED = {
    "no model of the name": ("nope:predict", {"instances": [PICTURE]}, 404, "Servable not found"),
    "no such version": ("tiny/versions/9:predict", {"instances": [PICTURE]}, 404, "Specific(tiny, 9)"),
    "no such label": ("tiny/labels/best:predict", {"instances": [PICTURE]}, 400, "Unrecognized servable version label"),
    "no number": ("tiny/versions/x:predict", {"instances": [PICTURE]}, 400, "Malformed"),
    "a version too large": (
        "tiny/versions/" + "9" * 5000 + ":predict",
        {"instances": [PICTURE]},
        400,
        "Malformed request",
    ),
    "no such method": ("tiny:classify", {"instances": [PICTURE]}, 400, "only :predict"),
    "no method": ("tiny", {"instances": [PICTURE]}, 400, "only :predict"),
    "no such signature": ("tiny:predict", {"instances": [PICTURE], "signature_name": "x"}, 400, 'key "x" not found'),
    "a signature that is no name": ("tiny:predict", {"instances": [1], "signature_name": 1}, 400, "a string value"),
    "neither rows nor columns": ("tiny:predict", {}, 400, "either 'instances'"),
    "both rows and columns": ("tiny:predict", {"instances": [PICTURE], "inputs": [PICTURE]}, 400, "either 'instances'"),
    "no list of rows": ("tiny:predict", {"instances": PICTURE}, 400, "has to be a list"),
    "no rows": ("tiny:predict", {"instances": []}, 400, "at least one"),
    "another input": ("tiny:predict", {"instances": [{"image": PICTURE}]}, 400, "{image_bytes}"),
    "one row of two with a name": ("tiny:predict", {"instances": [PICTURE, {"image_bytes": PICTURE}]}, 400, "every"),
    "another column": ("tiny:predict", {"inputs": {"image": [PICTURE]}}, 400, "{image_bytes}"),
    "numbers for strings": ("tiny:predict", {"instances": [1]}, 400, "strings or"),
    "bad base64": ("tiny:predict", {"instances": [{"b64": "*"}]}, 400, "base64"),
    "no picture": ("tiny:predict", {"instances": ["text"]}, 400, "Unknown image file format"),
    "strings for numbers": ("tiny:predict", {"signature_name": "rgb", "instances": ["x"]}, 400, "has to be numbers"),
    "digits in strings": ("tiny:predict", {"signature_name": "lightness", "inputs": [[[["1"]]]]}, 400, "be numbers"),
    "truth for numbers": ("tiny:predict", {"signature_name": "lightness", "inputs": [[[[True]]]]}, 400, "be numbers"),
    "null": ("tiny:predict", {"signature_name": "lightness", "inputs": None}, 400, "be numbers"),
    "a number too large": ("tiny:predict", {"signature_name": "rgb", "inputs": [[[[0, 0, 256]]]]}, 400, "0 to 255"),
    "a huge number": ("tiny:predict", {"signature_name": "rgb", "inputs": [[[[0, 0, 10**400]]]]}, 400, "be numbers"),
    "a broken number": ("tiny:predict", {"signature_name": "rgb", "inputs": [[[[0, 0, 0.5]]]]}, 400, "0 to 255"),
    "ragged lists": ("tiny:predict", {"signature_name": "rgb", "inputs": [[[[0, 0], [0]]]]}, 400, "different lengths"),
    "another shape": ("tiny:predict", {"signature_name": "rgb", "inputs": [[1, 2]]}, 400, "has the shape [1, 2]"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_wrong_requests_are_refused(what, client):
    path, request, code, text = REFUSED[what]
    answer = client.post(f"/v1/models/{path}", json=request)
    assert (answer.status_code, list(answer.json())) == (code, ["error"])
    assert text in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff\xfe", b"1" * 5000, b"null"])
def test_what_is_no_json_is_refused(body, client):
    answer = client.post("/v1/models/tiny:predict", content=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/v1/models/nope", 404), ("GET", "/v1/models", 400), ("GET", "/v1/models/", 400), ("GET", "/v1/x", 400)]
    + [("GET", "/v1/models/a/b/c", 400), ("PUT", "/v1/models/tiny", 400), ("GET", "/", 404), ("GET", "/docs", 404)],
)
def test_other_paths_are_errors(method, path, code, client):
    answer = client.request(method, path)
    assert (answer.status_code, list(answer.json())) == (code, ["error"])


def test_a_body_above_the_limit_is_refused_while_it_comes(server, client):
    answer = client.post("/v1/models/tiny:predict", content=b"x" * ((1 << 20) + 1))
    assert (answer.status_code, answer.json()["error"]) == (400, "the body is larger than 1048576 bytes")
    # More than was announced is not waited for.
    with socket.create_connection(("127.0.0.1", server.server.rest_port or 0), SECONDS) as raw:
        raw.sendall(b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        raw.sendall(b"200000\r\n" + b"x" * 0x200000)
        assert raw.recv(100).startswith(b"HTTP/1.1 400")


def test_a_client_that_goes_away_leaves_the_server_whole(server, client):
    with socket.create_connection(("127.0.0.1", server.server.rest_port or 0), SECONDS) as raw:
        raw.sendall(b"POST /v1/models/tiny:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert client.post("/v1/models/tiny:predict", json={"instances": [PICTURE]}).status_code == 200


def test_a_full_queue_is_429(server, client, monkeypatch):
    monkeypatch.setattr(server.server._batcher, "_bytes", Limits().queue_bytes)  # something large is being run
    answer = client.post("/v1/models/tiny:predict", json={"instances": [PICTURE]})
    assert (answer.status_code, "queue is full" in answer.json()["error"]) == (429, True)


def test_the_answer_is_what_tf_serving_documents(client):
    """Of g3doc/api_rest.md: the keys, and nothing beside them."""
    answer = client.post("/v1/models/tiny:predict", content=json.dumps({"instances": [PICTURE]}))
    assert list(answer.json()) == ["predictions"]


def test_a_request_is_answered_by_one_version_though_a_new_one_comes_in_between(tmp_path, monkeypatch):
    tiny_saved_model.write(tmp_path / "models" / "tiny" / "1", 10, "rgb")
    tiny_saved_model.write(tmp_path / "2", 20, "rgb")
    with serve(tmp_path / "models", poll_seconds=3600) as running:
        manager = running.server._models

        def swap(*arguments: Any) -> Any:
            monkeypatch.setattr(rest, "to_arrays", original)
            (tmp_path / "2").rename(tmp_path / "models" / "tiny" / "2")
            manager._refresh(manager._source())
            assert [version.state for version in manager.all_versions()] == ["UNLOADING", "AVAILABLE"]
            return original(*arguments)

        original = rest_json.to_arrays
        monkeypatch.setattr(rest, "to_arrays", swap)
        request = {"signature_name": "rgb", "instances": [[[[0, 0, 0]]]]}
        for red in (10, 20):
            answer = httpx.post(f"{running.rest}/v1/models/tiny:predict", json=request, timeout=SECONDS)
            assert answer.json() == {"predictions": [[[[red, 0, 0]]]]}


@pytest.mark.parametrize("stage", ["parse", "to_arrays", "serialize"])
def test_others_are_answered_while_a_large_body_is_converted(stage, client, monkeypatch):
    gate = Gate(getattr(rest, stage))
    monkeypatch.setattr(rest, stage, gate)
    request = {"signature_name": "rgb", "instances": np.zeros((1, 150, 150, 3), int).tolist()}
    with ThreadPoolExecutor(1) as other:
        large = other.submit(client.post, "/v1/models/tiny:predict", json=request)
        try:
            assert gate.began.wait(SECONDS)
            assert client.get("/v1/models/tiny", timeout=10).status_code == 200
            assert not large.done()
        finally:
            gate.release.set()
        assert large.result().json()["predictions"][0][0][0] == [RED, 0, 0]


IMAGE, WORDS = TensorInfo(4, (None, None, None, 3)), TensorInfo(7, (None,))
TAKES_IMAGE = SignatureFunction("", {"image": IMAGE}, {}, True, lambda inputs: inputs)
TAKES_BYTES = SignatureFunction("", {"image_bytes": WORDS}, {}, True, lambda inputs: inputs)


def python_calls(function: Callable[..., Any], *arguments: Any) -> tuple[int, Any]:
    """How often Python code is called while a function runs, and what it returns."""
    count = 0

    def seen(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        result = function(*arguments)
    finally:
        sys.setprofile(None)
    return count, result


def test_large_numbers_are_converted_in_pieces_so_that_other_threads_get_their_turn():
    """C functions such as those of json keep all other threads waiting until they return."""
    image = np.random.default_rng(0).integers(0, 256, (1, 90, 200, 3), np.uint8)
    body = json.dumps({"instances": image.tolist()}).encode()
    calls, request = python_calls(rest_json.parse, body)
    assert calls > image.size and request == json.loads(body)
    calls, arrays = python_calls(rest_json.to_arrays, request, TAKES_IMAGE)
    assert calls > 90
    np.testing.assert_array_equal(arrays["image"], image)
    for value in (image, image / 7, image.ravel(), image[:, :0]):
        calls, answer = python_calls(rest_json.serialize, {"x": value}, False)
        assert calls >= value.size // rest_json._PIECE_NUMBERS
        assert answer == json.dumps({"outputs": value.tolist()}).encode()


def test_large_bytes_are_converted_in_pieces():
    size = rest_json._PIECE_BYTES
    for extra in (0, 1, 2):
        data = np.random.default_rng(extra).bytes(2 * size + extra)
        text = base64.b64encode(data).decode()
        calls, answer = python_calls(rest_json.serialize, {"png_bytes": np.array([data], object)}, True)
        assert calls > 2
        assert json.loads(answer) == {"predictions": [{"b64": text}]}
        calls, arrays = python_calls(rest_json.to_arrays, {"inputs": [{"b64": text}]}, TAKES_BYTES)
        assert calls > 2
        assert arrays["image_bytes"].tolist() == [data]
    for wrong in (text[: 4 * size // 3 - 1] + "=" + text[4 * size // 3 :], text[:-3], text + "*", text + "é"):
        with pytest.raises(RequestError, match="Unable to base64 decode"):
            rest_json.to_arrays({"inputs": [{"b64": wrong}]}, TAKES_BYTES)


def test_lists_that_are_nested_as_deep_as_json_can_be_are_refused(client):
    for depth in (5, 40, 900):
        body = '{"signature_name": "rgb", "inputs": ' + "[[[0]], " * depth + "1" + "]" * depth + "}"
        assert client.post("/v1/models/tiny:predict", content=body).status_code == 400
