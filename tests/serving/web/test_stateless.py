"""A photograph in, a picture out: the same whichever way it is sent, and the same as on the command line."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from media.provenance import Mark
from serving.local.pipeline import colorize_files
from serving.local.search import find
from serving.local.tiled import TiledColorizer
from serving.web.engine import LocalEngine
from serving.web.settings import How
from tests.photographs import easy_field
from tests.serving.web.conftest import CLASSES, DIRECT, LOOKS, chroma, encoded, error_of, parts, pixels
from zoo import __version__
from zoo.colorizer import Parts

RAW = {"Content-Type": "image/png"}


def on_command_line(data: bytes, suffix: str, folder: Path, colorizer: Parts) -> bytes:
    """What `colorzoo colorize` writes."""
    (folder / f"old{suffix}").write_bytes(data)
    tasks = find([folder / f"old{suffix}"], output=folder / "new")
    (result,) = colorize_files(tasks, folder / "new", TiledColorizer(colorizer), mark=Mark(__version__, CLASSES))
    return result.output.read_bytes()


@pytest.mark.parametrize("look", [None, "vivid"])
def test_result_is_that_of_the_command_line(client: TestClient, tmp_path: Path, look: str | None) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Grandmother"
    exif[0x0112] = 6
    data = encoded(easy_field(1, 40, 60).convert("L"), "JPEG", quality=95, exif=exif, dpi=(300, 300))
    setting = LOOKS[look or "natural"]
    own = parts(CLASSES)
    expected = on_command_line(
        data, ".jpg", tmp_path, Parts(own.network, own.size, setting["saturation"], calm=setting["calm"])
    )
    answer = client.post(f"/api/colorize{f'?look={look}' if look else ''}", content=data, headers=RAW)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == expected
    assert Image.open(io.BytesIO(answer.content)).getexif()[0x010E] == "Grandmother"
    assert (answer.headers["colorzoo-width"], answer.headers["colorzoo-height"]) == ("40", "60")
    kept = client.post("/api/photographs", content=data, headers=RAW).json()
    result = client.get(f"/api/photographs/{kept['id']}/result", params={"look": look} if look else {})
    assert result.content == expected


def test_ways_to_send_and_to_receive(client: TestClient, gray: bytes) -> None:
    raw = client.post("/api/colorize", content=gray, headers=RAW)
    assert raw.status_code == 200
    assert chroma(raw.content) > 20
    text = base64.b64encode(gray).decode()
    others = [
        client.post("/api/colorize", content=gray, headers={"Content-Type": "application/octet-stream"}),
        client.post("/api/colorize", files={"image": ("../../etc/passwd", gray)}),
        client.post("/api/colorize", json={"image": text}),
        client.post("/api/colorize", json={"image": f"data:image/png;base64,{text}"}),
    ]
    assert [each.content for each in others] == [raw.content] * 4
    told = client.post("/api/colorize", content=gray, headers=RAW | {"Accept": "application/json"}).json()
    assert base64.b64decode(told["image"]) == raw.content
    assert (told["type"], told["width"], told["height"], told["preset"]) == ("image/png", 48, 36, CLASSES)


def test_settings_mean_the_same_wherever_they_are(client: TestClient, gray: bytes) -> None:
    settings = {"preset": CLASSES, "look": "calm", "saturation": "1.5", "filters": "sepia,invert", "format": "webp"}
    text = base64.b64encode(gray).decode()
    answers = [
        client.post("/api/colorize", params=settings, content=gray, headers=RAW),
        client.post("/api/colorize", data=settings, files={"image": gray}),
        client.post("/api/colorize", json={"image": text, **settings, "filters": ["sepia", "invert"]}),
        client.post("/api/colorize?look=vivid&format=webp", json={"image": text, **settings}),
    ]
    assert {each.headers["content-type"] for each in answers} == {"image/webp"}
    assert len({each.content for each in answers}) == 1


def test_every_setting_changes_the_picture(client: TestClient, gray: bytes) -> None:
    found = {
        client.post("/api/colorize", params=settings, content=gray, headers=RAW).content
        for settings in (
            {},
            {"preset": DIRECT},
            {"look": "calm"},
            {"look": "vivid"},
            {"temperature": "0.2"},
            {"saturation": "0.5"},
            {"saturation": "0"},
            {"hints": '[{"x": 0.2, "y": 0.2, "color": "#c02020"}]'},
            *({"filters": name} for name in ("sepia", "invert", "sharpen", "denoise", "contrast")),
        )
    }
    assert len(found) == 13
    assert chroma(client.post("/api/colorize?saturation=0", content=gray, headers=RAW).content) < 1


def test_only_a_page_of_several_is_used_and_this_is_said(client: TestClient) -> None:
    pages = [easy_field(seed, 20, 24).convert("L") for seed in (3, 4)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    first = client.post("/api/colorize", content=data, headers={"Content-Type": "image/tiff"})
    assert first.headers["content-type"] == "image/tiff"
    assert first.headers["colorzoo-warnings"] == "only the first of its 2 pages is used"
    second = client.post("/api/colorize?page=2&format=png", content=data, headers={"Content-Type": "image/tiff"})
    assert "colorzoo-warnings" not in second.headers
    alone = client.post("/api/colorize", content=encoded(pages[1]), headers=RAW)
    assert np.array_equal(pixels(second.content), pixels(alone.content))
    assert error_of(client.post("/api/colorize?page=3", content=data, headers=RAW), 422) == "invalid_parameter"


@pytest.mark.parametrize(
    "body, status, code",
    [
        ({"content": b"no picture", "headers": RAW}, 422, "unreadable_image"),
        ({"content": b"", "headers": RAW}, 400, "malformed_request"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "malformed_request"),
        ({"json": [1]}, 400, "malformed_request"),
        ({"json": {"image": "?"}}, 400, "malformed_request"),
        ({"json": {"image": 3}}, 400, "malformed_request"),
        ({"json": {"image": "", "look": "loud"}}, 400, "malformed_request"),
        ({"data": {"a": "b"}, "files": {"photo": b"x"}}, 422, "invalid_parameter"),
        ({"data": {"a": "b"}, "files": {"image": b"x"}}, 422, "invalid_parameter"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "malformed_request"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, 400, "malformed_request"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_type"),
    ],
)
def test_bodies_that_are_refused(client: TestClient, body: dict, status: int, code: str) -> None:
    assert error_of(client.post("/api/colorize", **body), status) == code


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"preset": "none"}, "unknown_preset"),
        ({"preset": "../classes_v1"}, "unknown_preset"),
        ({"preset": DIRECT, "look": "vivid"}, "not_possible"),
        ({"preset": DIRECT, "temperature": "0.5"}, "not_possible"),
        ({"look": "loud"}, "invalid_parameter"),
        ({"temperature": "nan"}, "invalid_parameter"),
        ({"temperature": "0"}, "invalid_parameter"),
        ({"saturation": "-1"}, "invalid_parameter"),
        ({"filters": "blur"}, "invalid_parameter"),
        ({"quality": "0"}, "invalid_parameter"),
        ({"hints": "["}, "invalid_parameter"),
        ({"hints": '[{"x": 2, "y": 0, "color": "#000000"}]'}, "invalid_parameter"),
        ({"hints": '[{"x": 0, "y": 0, "color": "red"}]'}, "invalid_parameter"),
        ({"colour": "red"}, "invalid_parameter"),
    ],
)
def test_settings_that_are_refused(client: TestClient, gray: bytes, settings: dict, code: str) -> None:
    refused = client.post("/api/colorize", params=settings, content=gray, headers=RAW)
    assert error_of(refused, 422) == code
    assert error_of(client.post("/api/colorize", data=settings, files={"image": gray}), 422) == code


def test_confidence(client: TestClient, engine: LocalEngine, gray: bytes) -> None:
    answer = client.post("/api/confidence", content=gray, headers=RAW)
    top = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert top.shape == (36, 48)
    assert top.dtype == np.uint16 or top.max() > 255
    mean = float(answer.headers["colorzoo-mean-confidence"])
    assert abs(top.mean() / 65535 - mean) < 1e-3
    frame = engine.colorizer(How()).prepare(pixels(gray)).frame
    expected = engine.confidence(CLASSES, frame)
    assert expected.min() * 65535 - 1 <= top.min() <= top.max() <= expected.max() * 65535 + 1
    overlay = pixels(client.post("/api/confidence?style=overlay&longest=24", files={"image": gray}).content)
    assert overlay.shape == (18, 24, 4)
    assert np.ptp(overlay[..., 3]) > 50
    refused = client.post("/api/confidence", params={"preset": DIRECT}, content=gray, headers=RAW)
    assert error_of(refused, 422) == "not_possible"


def test_presets_health_and_metrics(client: TestClient) -> None:
    told = client.get("/api/presets").json()
    assert (told["default"], told["mode"], told["unavailable"]) == (CLASSES, "local", {})
    first, second = told["presets"]
    assert (first["name"], first["looks"], first["temperature"]) == (CLASSES, ["calm", "natural", "vivid"], 0.5)
    assert (second["looks"], second["temperature"], second["confidence"]) == ([], None, False)
    assert client.get("/api/health").json()["status"] == "ok"
    page = client.get("/metrics").text
    assert 'colorzoo_web_requests_total{method="GET",path="/api/health",status="200"}' in page
    assert "colorzoo_web_request_seconds_bucket" in page
    assert "colorzoo_web_photograph_bytes" in page
