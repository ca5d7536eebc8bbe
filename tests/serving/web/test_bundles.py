"""Several results at once: collages, and ZIPs whose names do no harm."""

import io
import zipfile

import numpy as np
import pytest
from fastapi.testclient import TestClient

from serving.web.bundles import stem, unique
from serving.web.service import Service
from tests.photographs import easy_field
from tests.serving.web.conftest import DIRECT, add, chroma, encoded, error_of, pixels


def test_a_zip_has_the_results(client: TestClient, service: Service, gray: bytes) -> None:
    path = add(client, gray)
    id = path.rpartition("/")[2]
    broken = add(client, gray)
    service.photographs.get(broken.rpartition("/")[2]).data = b"no picture"
    wanted = [
        {"id": id, "name": "../../etc/passwd.jpg"},
        {"id": id, "name": "passwd", "look": "vivid", "format": "jpeg"},
        {"id": broken.rpartition("/")[2]},
    ]
    answer = client.post("/api/zip", json={"photographs": wanted})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["passwd.png", "passwd-2.jpg", "colorized-error.txt"]
        assert archive.read("passwd.png") == client.get(f"{path}/result").content
        vivid = client.get(f"{path}/result", params={"look": "vivid", "format": "jpeg"})
        assert archive.read("passwd-2.jpg") == vivid.content
        assert archive.read("colorized-error.txt").startswith(b"is not a JPEG")


def test_a_collage_has_pairs(client: TestClient) -> None:
    ids = [add(client, encoded(easy_field(seed, 30, 40).convert("L"))).rpartition("/")[2] for seed in (1, 2, 3)]
    wanted = [{"id": id} for id in ids]
    answer = client.post("/api/collage", json={"photographs": wanted, "cell": 40, "format": "png"})
    assert answer.headers["content-disposition"] == 'attachment; filename="collage.png"'
    sheet = pixels(answer.content)
    assert sheet.shape == (3 * 48 + 8, 2 * 48 + 8, 3)
    assert chroma(encoded_part(sheet[:, :48])) < 1 < chroma(encoded_part(sheet[:, 56:]))
    grid = {"photographs": wanted, "cell": 40, "format": "png", "layout": "grid"}
    assert pixels(client.post("/api/collage", json=grid).content).shape == (2 * 48 + 8, 2 * 48 + 8, 3)


def encoded_part(part: np.ndarray) -> bytes:
    from PIL import Image

    return encoded(Image.fromarray(part))


@pytest.mark.parametrize("path", ["/api/collage", "/api/zip"])
def test_what_is_refused(client: TestClient, gray: bytes, path: str) -> None:
    id = add(client, gray).rpartition("/")[2]
    for photographs, status, code in (
        ([], 422, "invalid_parameter"),
        ([{"id": id}] * 501, 422, "invalid_parameter"),
        ([{"id": "none"}], 404, "photograph_gone"),
        ([{"id": id}, {"id": "none"}], 404, "photograph_gone"),
        ([{"id": id, "preset": "none"}], 422, "unknown_preset"),
        ([{"id": id, "preset": DIRECT, "look": "calm"}], 422, "not_possible"),
        ([{"id": id, "colour": "red"}], 422, "invalid_parameter"),
    ):
        assert error_of(client.post(path, json={"photographs": photographs}), status) == code
    large = {"photographs": [{"id": id}] * 64, "cell": 2048}
    assert error_of(client.post("/api/collage", json=large), 422) == "invalid_parameter"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("IMG_1.JPG", "IMG_1"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win"),
        ("..", "colorized"),
        (".hidden", "hidden"),
        ("", "colorized"),
        (None, "colorized"),
        ("a\0b\n<c>:d|.png", "abcd"),
        ("Großmutter 1925.tif", "Großmutter 1925"),
        ("\u202egpj.exe", "gpj"),
        ("a" * 1000, "a" * 100),
    ],
)
def test_names_are_reduced(name: str | None, expected: str) -> None:
    assert stem(name) == expected


def test_names_are_unique() -> None:
    assert unique(["a", "A", "b", "a-2", "a"]) == ["a", "A-2", "b", "a-2-2", "a-3"]
