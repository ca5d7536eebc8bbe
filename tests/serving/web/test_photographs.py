"""Photographs that are kept between clicks: what is made of them, and when they are forgotten."""

import io
import threading
from collections.abc import Callable

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from serving.web import rendering
from serving.web.errors import WebError
from serving.web.limits import Limits
from serving.web.photographs import Photographs, keep
from serving.web.pictures import read
from serving.web.service import Service
from tests.photographs import easy_field
from tests.servers import wait_until
from tests.serving.web.conftest import CLASSES, DIRECT, add, chroma, encoded, error_of, pixels


@pytest.fixture(scope="module")
def photograph(client: TestClient, gray: bytes) -> str:
    return add(client, gray)


def test_what_is_told_of_a_photograph(client: TestClient, gray: bytes) -> None:
    told = client.post("/api/photographs", files={"image": gray}).json()
    assert len(told.pop("id")) >= 22
    assert told.pop("seconds_left") == 1800
    assert told == {"width": 48, "height": 36, "pages": 1, "format": "png", "colored": False, "warnings": []}
    colored = client.post("/api/photographs", files={"image": encoded(easy_field(0, 36, 48))}).json()
    assert colored["colored"]
    assert client.get(f"/api/photographs/{colored['id']}").json() == colored


def test_a_photograph_is_gone_once_it_is_deleted(client: TestClient, gray: bytes) -> None:
    path = add(client, gray)
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 204
    for other in ("", "/preview", "/original", "/palette?x=0&y=0", "/confidence", "/result"):
        assert error_of(client.get(path + other), 404) == "photograph_gone"
    assert error_of(client.post(f"{path}/fix", json={}), 404) == "photograph_gone"


def test_previews_are_reduced_results(client: TestClient) -> None:
    data = encoded(easy_field(5, 90, 120).convert("L"))
    path = add(client, data)
    whole = pixels(client.get(f"{path}/result").content)
    assert whole.shape == (90, 120, 3)
    preview = client.get(f"{path}/preview", params={"longest": 60, "format": "png"})
    assert preview.headers["colorzoo-preset"] == CLASSES
    small = np.asarray(Image.fromarray(whole).resize((60, 45), Image.Resampling.BOX))
    assert np.abs(pixels(preview.content).astype(int) - small).mean() < 1.5
    largest = client.get(f"{path}/preview", params={"longest": 4096, "format": "png"})
    assert np.array_equal(pixels(largest.content), whole)


def test_settings_change_previews(client: TestClient, photograph: str) -> None:
    settings: list[dict[str, str]] = [
        {},
        {"look": "calm"},
        {"look": "vivid"},
        {"temperature": "0.2"},
        {"saturation": "0.3"},
        {"preset": DIRECT},
        {"filters": "invert"},
        {"hints": '[{"x": 0.2, "y": 0.2, "color": "#c02020"}]'},
    ]
    found = [client.get(f"{photograph}/preview", params=each | {"format": "png"}).content for each in settings]
    assert len(set(found)) == len(settings)
    again = [client.get(f"{photograph}/preview", params=each | {"format": "png"}).content for each in settings]
    assert again == found
    assert chroma(found[2]) > chroma(found[0]) > chroma(found[1])


def test_original(client: TestClient) -> None:
    colored = easy_field(6, 36, 48)
    path = add(client, encoded(colored))
    shown = pixels(client.get(f"{path}/original", params={"format": "png"}).content)
    assert np.array_equal(shown, np.asarray(colored))
    without = client.get(f"{path}/original", params={"format": "png", "gray": "true", "longest": 24}).content
    assert pixels(without).shape[:2] == (18, 24)
    assert chroma(without) == 0


def test_a_fix_recolors_its_place(client: TestClient) -> None:
    halves = np.where(np.arange(80) < 40, 70, 180) * np.ones((60, 1))
    path = add(client, encoded(Image.fromarray(halves.astype(np.uint8))))
    before = pixels(client.get(f"{path}/preview", params={"format": "png"}).content).astype(int)
    hint = {"x": 0.25, "y": 0.5, "color": "#b02020"}
    answer = client.post(f"{path}/fix", json={"hints": [hint], "format": "png"})
    after = pixels(answer.content).astype(int)
    changed = np.abs(after - before).max(axis=2)
    assert after[30, 20, 0] > after[30, 20, 2] + 40  # red
    assert changed[:, :30].min() > 20
    assert changed[:, 50:].max() <= 1
    whole = client.post(f"{path}/result", json={"hints": [hint]})
    assert np.abs(pixels(whole.content).astype(int) - after).max() <= 2
    undone = pixels(client.post(f"{path}/fix", json={"hints": [], "format": "png"}).content)
    assert np.array_equal(undone, before)


def test_palette(client: TestClient, photograph: str) -> None:
    told = client.get(f"{photograph}/palette", params={"x": 0.3, "y": 0.6}).json()
    chances = [each["probability"] for each in told["colors"]]
    assert len(chances) > 2
    assert chances == sorted(chances, reverse=True)
    preview = pixels(client.get(f"{photograph}/preview", params={"format": "png"}).content)
    shown = [int(told["current"][i : i + 2], 16) for i in (1, 3, 5)]
    assert np.abs(preview[int(0.6 * 36), int(0.3 * 48)].astype(int) - shown).max() <= 1
    assert error_of(client.get(f"{photograph}/palette", params={"x": 2, "y": 0}), 422) == "invalid_parameter"
    ring = client.get(f"{photograph}/palette", params={"x": 0, "y": 0, "preset": DIRECT}).json()["colors"]
    assert {each["probability"] for each in ring} == {0}


def test_hints_are_prepared_while_a_color_is_chosen(client: TestClient, service: Service, gray: bytes) -> None:
    path = add(client, gray)
    client.get(f"{path}/palette", params={"x": 0.3, "y": 0.6})
    kept = service.photographs.get(path.rpartition("/")[2])
    wait_until(lambda: kept.prepared is not None)
    assert kept.guided is not None and kept.prepared is kept.guided[1]
    hint = {"x": 0.3, "y": 0.6, "color": "#b02020"}
    prepared = client.post(f"{path}/fix", json={"hints": [hint], "format": "png"})
    unprepared = client.post(f"{add(client, gray)}/fix", json={"hints": [hint], "format": "png"})
    assert np.abs(pixels(prepared.content).astype(int) - pixels(unprepared.content)).max() <= 3


def test_confidence_is_laid_over(client: TestClient, photograph: str) -> None:
    overlay = client.get(f"{photograph}/confidence", params={"longest": 24})
    assert pixels(overlay.content).shape == (18, 24, 4)
    assert 0 < float(overlay.headers["colorzoo-mean-confidence"]) <= 1


def test_a_reference_is_followed(client: TestClient, gray: bytes) -> None:
    path = add(client, gray)
    plain = client.get(f"{path}/preview", params={"format": "png"}).content
    wanted = {"format": "png", "reference": "true"}
    assert error_of(client.get(f"{path}/preview", params=wanted), 422) == "invalid_parameter"
    red = np.dstack([np.full((20, 30), 200), *[np.full((20, 30), 60)] * 2]).astype(np.uint8)
    reference = encoded(Image.fromarray(red))
    assert client.put(f"{path}/reference", files={"image": reference}).status_code == 204
    followed = pixels(client.get(f"{path}/preview", params=wanted).content).astype(int)
    assert followed[..., 0].mean() > pixels(plain)[..., 0].mean() + 10
    result = client.get(f"{path}/result", params=wanted)
    stateless = client.post("/api/colorize", files={"image": gray, "reference": reference})
    assert stateless.content == result.content
    assert b"classes_v1 and a reference" in result.content
    fixed = client.get(f"{path}/preview", params=wanted | {"hints": '[{"x": 0.5, "y": 0.5, "color": "#2020c0"}]'})
    assert not np.array_equal(pixels(fixed.content), followed)
    refused = client.put(f"{path}/reference", files={"image": gray})
    assert error_of(refused, 422) == "not_possible"
    assert client.delete(f"{path}/reference").status_code == 204
    assert error_of(client.get(f"{path}/result", params=wanted), 422) == "invalid_parameter"
    assert client.get(f"{path}/preview", params={"format": "png"}).content == plain


def test_results_are_saved_under_a_name_of_ours(client: TestClient, photograph: str) -> None:
    result = client.get(f"{photograph}/result", params={"format": "jpeg", "quality": 80})
    assert result.headers["content-disposition"] == 'attachment; filename="colorized.jpg"'
    assert Image.open(io.BytesIO(result.content)).format == "JPEG"
    assert error_of(client.get(f"{photograph}/result", params={"format": "bmp"}), 422) == "invalid_parameter"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_photographs_are_forgotten(gray: bytes) -> None:
    clock = Clock()
    photographs = Photographs(Limits(photographs=2, photograph_seconds=100), clock)
    first, second, third = (keep(gray, read(gray, 10**6), None) for _ in range(3))
    photographs.add(first)
    photographs.add(second)
    with pytest.raises(WebError, match="as many photographs as it can") as refusal:
        photographs.add(third)
    assert refusal.value.code == "busy"
    assert refusal.value.retry_after == 60
    clock.now += 61
    photographs.get(first.id)  # so the second one is the one that was used longest ago
    photographs.add(third)
    with pytest.raises(WebError, match="send it again"):
        photographs.get(second.id)
    clock.now += 99
    assert photographs.get(first.id) is first
    clock.now += 2
    with pytest.raises(WebError, match="send it again"):
        photographs.get(third.id)
    assert len(photographs) == 1


def test_photographs_are_bounded_in_bytes(gray: bytes) -> None:
    first, second = (keep(gray, read(gray, 10**6), None) for _ in range(2))
    photographs = Photographs(Limits(memory_bytes=int(1.5 * first.size)), Clock())
    photographs.add(first)
    with pytest.raises(WebError, match="as many photographs as it can"):
        photographs.add(second)
    assert photographs.size == first.size > len(gray) + 36 * 48


def test_what_spreads_hints_is_kept_for_a_few(
    client: TestClient, service: Service, gray: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "GUIDED", 1)
    service.renderer._guided.clear()
    service.photographs.clear()
    for _ in range(2):
        path = add(client, gray)
        client.post(f"{path}/fix", json={"hints": [{"x": 0.5, "y": 0.5, "color": "#b02020"}]})
    with_guide = [each for each in service.photographs._kept.values() if each.guided is not None]
    assert [each.id for each in with_guide] == [path.rpartition("/")[2]]


def test_one_photograph_may_be_used_by_several_requests(client: TestClient, gray: bytes) -> None:
    """Hints are spread by what is not for several threads."""
    photograph = add(client, gray)
    hints = [{"x": x / 4, "y": 0.5, "color": "#b02020"} for x in range(4)]
    expected = [client.post(f"{photograph}/fix", json={"hints": hints[:n], "format": "png"}).content for n in range(4)]
    found: dict[int, bytes] = {}

    def fix(n: int) -> None:
        found[n] = client.post(f"{photograph}/fix", json={"hints": hints[:n], "format": "png"}).content

    threads = [threading.Thread(target=fix, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        # What was spread before is where the next spreading begins.
        assert np.abs(pixels(found[n]).astype(int) - pixels(expected[n])).max() <= 3


def test_nothing_is_written_to_the_disk(serve: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    client = serve()
    data = encoded(Image.new("RGB", (700, 600)), "BMP")
    assert len(data) > 1 << 20, "what Starlette keeps in memory by itself is smaller"
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", refuse)
    assert client.post("/api/photographs", files={"image": ("a.bmp", data)}).status_code == 201
