"""What has to hold between the clients and any server: the embedded one, and TF Serving where there is one.

TF_SERVING_ADDRESS is HOST:PORT of a TF Serving, and TF_SERVING_MODEL the name on it of an exported preset.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from serving.client import (
    BadImageError,
    ColorizeClient,
    DeadlineError,
    ModelNotFoundError,
    ServerUnavailableError,
    SignatureError,
    TensorKind,
)
from tests import servers, tiny_saved_model
from tests.blocking import BlockingClient
from tests.mutations import mutated
from tests.paths import ROOT
from tests.photographs import GRAY

MODEL = "tiny"
RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (33, 47, 3), np.uint8)

STRINGS = TensorKind("string", (None,))
PICTURES = TensorKind("uint8", (None, None, None, 3))
SIGNATURES = {
    "serving_default": ({"image_bytes": STRINGS}, {"png_bytes": STRINGS}),
    "jpeg": ({"image_bytes": STRINGS}, {"jpeg_bytes": STRINGS}),
    "rgb": ({"image": PICTURES}, {"colorized": PICTURES}),
    "lightness": (
        {"lightness": TensorKind("float32", (None, None, None, 1))},
        {"ab": TensorKind("float32", (None, None, None, 2))},
    ),
    "confidence": (
        {"image_bytes": STRINGS},
        {"confidence_bytes": STRINGS, "mean_confidence": TensorKind("float32", (None,))},
    ),
}


@dataclass(frozen=True)
class Place:
    """A server, and the name of a model on it."""

    address: str
    model: str


@pytest.fixture(scope="module", params=["embedded", "tf_serving"])
def place(request: pytest.FixtureRequest, models: Path) -> Iterator[Place]:
    if request.param == "tf_serving":
        address = os.environ.get("TF_SERVING_ADDRESS")
        if not address:
            pytest.skip("TF_SERVING_ADDRESS is not set")  # only who has Docker has a TF Serving; "embedded" always runs
        yield Place(address, os.environ["TF_SERVING_MODEL"])
        return
    with servers.serve(models, rest_port=None, max_message=256 << 20) as running:
        yield Place(running.address, MODEL)


@pytest.fixture(scope="module", params=[ColorizeClient, BlockingClient])
def client(request: pytest.FixtureRequest, place: Place) -> Iterator[Any]:
    with request.param(place.address, place.model, timeout=60, max_message=256 << 20) as connected:
        yield connected


def file_of(pixels: np.ndarray, format: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format, **options)
    return target.getvalue()


def pixels_of(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)))


def test_ready(client: Any, place: Place) -> None:
    assert client.ready() is True
    for options in ({"model": "no such model"}, {"model": place.model, "version": 987_654}):
        with ColorizeClient(place.address, **options) as other:
            assert other.ready() is False


def test_signatures(client: Any) -> None:
    found = client.signature()
    assert {"serving_default", "jpeg", "rgb", "lightness"} <= set(found) <= set(SIGNATURES)
    for name, signature in found.items():
        assert (signature.inputs, signature.outputs) == SIGNATURES[name], name


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (33, 47), (256, 256), (8, 300)])
def test_every_size_and_format(client: Any, size: tuple[int, int], format: str) -> None:
    gray = RNG.integers(0, 256, size, np.uint8)
    # TensorFlow's decoder of BMP takes no palette, which is how Pillow writes gray.
    pixels = np.dstack([gray] * 3) if format == "BMP" else gray
    image = file_of(pixels, format)
    png, jpeg = client.colorize(image), client.colorize(image, format="jpeg")
    assert png.startswith(b"\x89PNG") and jpeg.startswith(b"\xff\xd8\xff")
    for answer in (png, jpeg):
        assert pixels_of(answer).shape == (*size, 3) and pixels_of(answer).dtype == np.uint8


def test_all_signatures_agree(client: Any) -> None:
    smooth = np.asarray(Image.fromarray(COLOR[:4, :4]).resize((47, 33), Image.Resampling.BICUBIC))
    png = pixels_of(client.colorize(file_of(smooth))).astype(int)
    assert np.abs(client.rgb(smooth).astype(int) - png).max() <= 1
    assert np.abs(pixels_of(client.colorize(file_of(smooth), format="jpeg")).astype(int) - png).mean() < 8
    both = client.rgb(np.stack([smooth, smooth[::-1]]))
    assert both.shape == (2, *smooth.shape) and np.abs(both[0].astype(int) - png).max() <= 1


def test_ab(client: Any) -> None:
    lightness = RNG.uniform(0, 100, (2, 24, 40, 1)).astype(np.float32)
    ab = client.ab(lightness)
    assert ab.shape == (2, 24, 40, 2) and ab.dtype == np.float32
    assert np.isfinite(ab).all() and np.abs(ab).max() <= 128
    np.testing.assert_allclose(client.ab(lightness[0, ..., 0]), ab[0], atol=1e-2)


def test_confidence(client: Any) -> None:
    if "confidence" not in client.signature():
        with pytest.raises(SignatureError):
            client.confidence(file_of(COLOR))
        return
    confidence = client.confidence(file_of(COLOR))
    sure = pixels_of(confidence.png)
    assert sure.shape == COLOR.shape[:2] and sure.dtype in (np.uint16, np.int32)
    assert 0 <= confidence.mean <= 1
    assert confidence.mean == pytest.approx(sure.mean() / 65535, abs=0.02)


def test_many_with_garbage_among_them(client: Any) -> None:
    images = [file_of(GRAY[: 2 + number]) for number in range(30)]
    for index, damaged in {5: b"no image", 6: images[6][:50], 21: b""}.items():
        images[index] = damaged
    outcomes = list(client.colorize_many(images, concurrency=8))
    assert [outcome.index for outcome in outcomes] == list(range(30))
    for outcome in outcomes:
        if outcome.index in (5, 6, 21):
            assert type(outcome.error) is BadImageError, outcome.error
        else:
            assert outcome.image is not None, outcome.error
            assert pixels_of(outcome.image).shape == (2 + outcome.index, 48, 3)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "no such model"}, ModelNotFoundError),
        ({"version": 987_654}, ModelNotFoundError),
        # Of TF Serving without any labels, UNAVAILABLE.
        ({"label": "no_such_label"}, (ModelNotFoundError, ServerUnavailableError)),
    ],
)
def test_what_is_not_there(place: Place, options: dict[str, Any], error: Any) -> None:
    with ColorizeClient(place.address, **{"model": place.model, "retries": 0, **options}) as client:
        with pytest.raises(error) as raised:
            client.colorize(file_of(GRAY))
        assert isinstance(raised.value.__cause__, grpc.RpcError)
        if "label" not in options:
            with pytest.raises(ModelNotFoundError):
                client.signature()


def test_a_deadline_too_short(client: Any) -> None:
    with pytest.raises(DeadlineError):
        client.colorize(file_of(COLOR), timeout=1e-6)


def test_without_tls_the_server_does_not_answer_to_tls(place: Place) -> None:
    with ColorizeClient(place.address, place.model, credentials=grpc.ssl_channel_credentials(), retries=0) as client:
        assert client.ready() is False


def test_4_mib_both_ways(client: Any) -> None:
    noise = RNG.integers(0, 256, (1200, 1300), np.uint8)
    image = file_of(np.dstack([noise, 255 - noise, noise]), "PNG", compress_level=0)
    assert len(image) > 4 << 20
    assert pixels_of(client.colorize(image)).shape == (1200, 1300, 3)
    planes = client.ab(np.full((600, 1000), 50, np.float32))
    assert planes.nbytes > 4 << 20


@pytest.mark.slow
def test_64_mib_both_ways(client: Any) -> None:
    gray = RNG.integers(0, 256, (4096, 5500, 1), np.uint8)
    image = np.repeat(gray, 3, axis=2)
    assert image.nbytes > 64 << 20
    assert client.rgb(image, timeout=300).shape == image.shape


def formats() -> list[bytes]:
    smooth = Image.fromarray(COLOR[:4, :4]).resize((64, 48), Image.Resampling.BICUBIC)
    gray = np.asarray(smooth.convert("L"))
    images = [file_of(pixels, format) for pixels in (np.asarray(smooth), gray) for format in ("PNG", "JPEG", "WEBP")]
    return [*images, file_of(np.asarray(smooth), "BMP"), file_of(gray, "JPEG", progressive=True)]


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_images(client: Any, count: int) -> None:
    pictures = 0
    for outcome in client.colorize_many(mutated(formats(), count, seed=count), concurrency=8):
        if outcome.image is None:
            assert type(outcome.error) is BadImageError, f"image {outcome.index}: {outcome.error}"
        else:
            pixels_of(outcome.image)
            pictures += 1
    assert count / 20 < pictures < count * 19 / 20
    assert client.ready()


@pytest.mark.slow
def test_a_server_that_is_killed_and_started_again(tmp_path: Path) -> None:
    tiny_saved_model.write(tmp_path / "models" / MODEL / "1")
    images = [file_of(np.full((4, 4 + number), number, np.uint8)) for number in range(200)]

    def started(port: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "colorzoo", "serve", tmp_path / "models", "--port", port, "--rest-port", 0]
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    with servers.serve(tmp_path / "models", rest_port=None) as free:
        port = free.server.port
    running = [started(port)]
    try:
        with ColorizeClient(f"127.0.0.1:{port}", MODEL, timeout=120, retries=200) as client:
            for outcome in client.colorize_many(images):
                if outcome.index == 60:
                    running[0].kill()
                    running[0].wait()
                    running.append(started(port))
                assert outcome.image is not None, outcome.error
                gray = pixels_of(images[outcome.index])
                expected = np.dstack([np.minimum(gray.astype(int) + tiny_saved_model.RED, 255), gray, gray])
                np.testing.assert_array_equal(pixels_of(outcome.image), expected)
            assert outcome.index == 199
    finally:
        for process in running:
            process.kill()
            process.wait()
