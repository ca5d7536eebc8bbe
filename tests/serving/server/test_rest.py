"""TF Serving's REST interface of the embedded server."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.server.batching import Limits
from tests import tiny_saved_model
from tests.servers import SECONDS, InThread, serve
from tests.tiny_saved_model import RED, picture, red_of

PICTURE = {"b64": base64.b64encode(picture(10)).decode()}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_saved_model.write(tmp_path_factory.mktemp("exported") / "tiny" / "1").parent.parent


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


def test_a_full_queue_is_429(models):
    with serve(models, limits=Limits(queue=1, queue_bytes=1)) as running, httpx.Client(base_url=running.rest) as client:
        running.server._batcher._bytes = 1  # something large is being run
        answer = client.post("/v1/models/tiny:predict", json={"instances": [PICTURE]})
        running.server._batcher._bytes = 0
        assert (answer.status_code, "queue is full" in answer.json()["error"]) == (429, True)


def test_the_answer_is_what_tf_serving_documents(client):
    """Of g3doc/api_rest.md: the keys, and nothing beside them."""
    answer = client.post("/v1/models/tiny:predict", content=json.dumps({"instances": [PICTURE]}))
    assert list(answer.json()) == ["predictions"]
