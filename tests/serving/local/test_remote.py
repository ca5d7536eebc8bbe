"""`colorzoo remote`: files in, files out, with a server between."""

import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import zoo
from colorzoo.app import app
from media.photograph import Photograph, eight_bits
from media.reader import PhotographFile, read
from media.writer import write
from serving.client import ColorizeClient
from serving.local import pipeline
from serving.local.remote import colorize_remotely
from serving.local.search import find
from serving.local.tasks import FileResult
from tests.certificates import issued
from tests.photographs import GRAY, visible, write_gray
from tests.stand_in import MODEL, colorized, encoded, standing_in, tinted

COLOR = np.random.default_rng(0).integers(0, 256, (21, 34, 3), np.uint8)
DEEP = np.random.default_rng(0).permutation(np.arange(0, 65536, 8, dtype=np.uint16)).reshape(64, 128)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return lambda *arguments: CliRunner().invoke(app, ["remote", *map(str, arguments)])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_gray(tmp_path / "old", ("a.png", "b.tif", "c.bmp"))


def through(server: Any, paths: list[Path], output: Path, **options: Any) -> list[FileResult]:
    with ColorizeClient(server.address, MODEL, **options) as client:
        return colorize_remotely(find(paths, output=output), output, client)


def test_a_folder(run: Callable[..., Any], old: Path) -> None:
    new = old.parent / "new"
    (old / "deeper").mkdir()
    Image.fromarray(COLOR).save(old / "deeper" / "d.png")
    with standing_in() as server:
        command = (old, "--server", server.address, "--model", MODEL, "-o", new)
        done = run(*command)
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout == f"4 colorized, 0 skipped, 0 failed -> {new}/\n"
        for name in ("a.png", "b.tif", "c.png"):
            np.testing.assert_array_equal(read(new / name).pixels, tinted(np.dstack([GRAY] * 3)))
        np.testing.assert_array_equal(read(new / "deeper" / "d.png").pixels, tinted(COLOR))
        assert server.predicted == 4
        assert run(*command).stdout.startswith("0 colorized, 4 skipped, 0 failed")
        assert server.predicted == 4
        assert run(*command, "--overwrite").stdout.startswith("4 colorized, 0 skipped, 0 failed")
        assert server.predicted == 8


def test_times_and_a_limit_of_pixels(run: Callable[..., Any], old: Path) -> None:
    os.utime(old / "a.png", ns=(10**18, 9 * 10**17))
    with standing_in() as server:
        command = (old / "a.png", "--server", server.address, "--model", MODEL, "-o", old.parent / "new")
        refused = run(*command, "--max-pixels", GRAY.size - 1)
        assert refused.exit_code == 1 and f"the limit is {GRAY.size - 1} pixels" in refused.stderr
        assert run(*command, "--max-pixels", GRAY.size, "--keep-times").exit_code == 0
    assert (old.parent / "new" / "a.png").stat().st_mtime_ns == 9 * 10**17


def test_formats_and_sheets(run: Callable[..., Any], old: Path) -> None:
    new = old.parent / "new"
    with standing_in() as server:
        options = ("--format", "jpeg", "--quality", 80, "--compare")
        done = run(old / "a.*", "--server", server.address, "--model", MODEL, "-o", new, *options)
    assert done.exit_code == 0, done.output
    assert [path.name for path in visible(new)] == ["a-compare.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("options", "model"), [((), MODEL), (("--version", 1), f"{MODEL} version 1"), (("--no-mark",), None)]
)
def test_results_name_the_model(
    run: Callable[..., Any], old: Path, options: tuple[Any, ...], model: str | None
) -> None:
    new = old.parent / "new"
    with standing_in() as server:
        done = run(old / "a.png", "--server", server.address, "--model", MODEL, "-o", new, "--compare", *options)
    assert done.exit_code == 0, done.output
    for name in ("a.png", "a-compare.jpg"):
        with Image.open(new / name) as image:
            software = image.getexif().get(305)
            assert ("xmp" in image.info) == (model is not None)
        assert software == (model and f"Colorized by colorzoo {zoo.__version__} with {model} on a server")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_of_gray_are_kept(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / f"deep{suffix}"
    write(Photograph(DEEP, None, None, (300, 300), "PNG"), source)
    with standing_in() as server:
        (result,) = through(server, [source], tmp_path / "new")
    assert result.status == "done", result.reason
    found = read(result.output)
    assert found.pixels.dtype == np.uint16 and found.dpi == pytest.approx((300, 300), abs=0.1)
    # The server gives the gray that it gets as red and green; so nothing at all may be lost.
    np.testing.assert_array_equal(found.pixels[..., :2], np.dstack([DEEP] * 2))
    eight = eight_bits(DEEP).astype(np.int32)
    expected = (eight - eight // 4) * 257 + (DEEP - eight * 257)
    np.testing.assert_array_equal(found.pixels[..., 2], expected.clip(0, 65535))


def test_16_bits_of_color_keep_their_brightness(tmp_path: Path) -> None:
    source, pixels = tmp_path / "deep.png", np.stack([DEEP, DEEP // 2, DEEP // 3], axis=-1)
    write(Photograph(pixels, None, None, None, "PNG"), source)
    with standing_in() as server:
        (result,) = through(server, [source], tmp_path / "new")
    eight = eight_bits(pixels).astype(np.int32)
    left_out = (pixels - 257 * eight) @ np.array([0.2126, 0.7152, 0.0722])
    answer = tinted(eight.astype(np.uint8)).astype(np.int32)
    expected = (257 * answer + left_out[..., None]).clip(0, 65535)
    np.testing.assert_allclose(read(result.output).pixels, expected, atol=0.51)


def test_what_belongs_to_a_photograph_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "lying.png"
    exif = Image.Exif()
    exif[274], exif[270] = 6, "a harbor"
    alpha = (255 - GRAY)[::-1]
    Image.fromarray(np.dstack([GRAY, alpha]), "LA").save(source, exif=exif, dpi=(200, 200))
    with standing_in() as server:
        (result,) = through(server, [source], tmp_path / "new")
    before, after = read(source), read(result.output)
    assert before.pixels.shape == (48, 32)
    np.testing.assert_array_equal(after.pixels, tinted(np.dstack([before.pixels] * 3)))
    assert before.alpha is not None and after.alpha is not None
    np.testing.assert_array_equal(after.alpha, before.alpha)
    assert after.dpi == before.dpi and after.exif == before.exif and b"a harbor" in (after.exif or b"")


def test_a_bad_file_does_not_end_the_others(run: Callable[..., Any], old: Path) -> None:
    new = old.parent / "new"
    (old / "empty.jpg").touch()
    (old / "text.jpg").write_text("not a photograph")
    with standing_in() as server:
        done = run(old, old / "gone.jpg", "--server", server.address, "--model", MODEL, "-o", new)
        assert server.predicted == 3
    assert done.exit_code == 1
    assert done.stdout == f"3 colorized, 0 skipped, 3 failed -> {new}/\n"
    for words in ("is empty", "is not a JPEG", "there is no such file"):
        assert words in done.stderr
    assert [path.name for path in visible(new)] == ["a.png", "b.tif", "c.png"]


def test_a_photograph_that_the_server_refuses(run: Callable[..., Any], old: Path) -> None:
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(old / "z.png")
    size = (old / "z.png").stat().st_size

    def choosy(request: Any, context: grpc.ServicerContext) -> Any:
        if len(request.inputs["image_bytes"].string_val[0]) < size + 20:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "more than 10\npixels")
        return colorized(request, context)

    with standing_in(choosy) as server:
        done = run(old, "--server", server.address, "--model", MODEL, "-o", old.parent / "new")
    assert done.exit_code == 1
    assert done.stdout.startswith("3 colorized, 0 skipped, 1 failed")
    assert "z.png" in done.stderr and "cannot take this image (INVALID_ARGUMENT: more than 10 pixels)" in done.stderr
    assert "Error" not in done.stderr


def test_a_slow_answer_is_the_failure_of_one(old: Path) -> None:
    def slow_once(request: Any, context: grpc.ServicerContext) -> Any:
        if next(calls) == 0:
            time.sleep(1)
        return colorized(request, context)

    calls = itertools.count()
    with standing_in(slow_once) as server:
        results = through(server, [old], old.parent / "new", timeout=0.5)
    assert sorted(result.status for result in results) == ["done", "done", "failed"]
    assert "DEADLINE_EXCEEDED" in next(result.reason for result in results if result.status == "failed")


def test_an_answer_of_another_size(old: Path) -> None:
    def larger(request: Any, context: grpc.ServicerContext) -> Any:
        other = colorized(request, context)
        other.outputs["png_bytes"].string_val[0] = encoded(COLOR)
        return other

    with standing_in(larger) as server:
        results = through(server, [old / "a.png"], old.parent / "new")
    assert results[0].reason == "the server answered with something other than a picture of 48 x 32 pixels"
    assert not (old.parent / "new").exists()


def test_a_server_that_goes_away(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    for number in range(30):
        Image.fromarray(GRAY[: number + 2]).save(old / f"{number:02}.png")

    def dying(request: Any, context: grpc.ServicerContext) -> Any:
        if next(calls) >= 10:
            context.abort(grpc.StatusCode.UNAVAILABLE, "going\naway")
        return colorized(request, context)

    calls, reads, decode = itertools.count(), itertools.count(), PhotographFile.read

    def counted(file: PhotographFile) -> Photograph:
        next(reads)
        return decode(file)

    options = ("--model", MODEL, "-o", new, "--retries", 1)
    with standing_in(dying) as server, monkeypatch.context() as patched:
        patched.setattr(PhotographFile, "read", counted)
        done = run(old, "--server", server.address, *options)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"colorzoo: {server.address}: {MODEL}: the server cannot be reached")
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.output
    assert next(reads) <= 10 + 2 * 4, "photographs were read for a server that was gone"
    finished = visible(new)
    assert len(finished) == 10
    for path in finished:
        np.testing.assert_array_equal(
            read(path).pixels, tinted(np.dstack([GRAY[: int(path.stem) + 2]] * 3)), err_msg=path.name
        )
    with standing_in() as server:
        done = run(old, "--server", server.address, *options)
        assert done.stdout == f"20 colorized, 10 skipped, 0 failed -> {new}/\n"
        assert server.predicted == 20


def test_an_interruption_does_not_wait_for_answers(old: Path) -> None:
    def stuck(request: Any, context: grpc.ServicerContext) -> Any:
        if next(calls) > 0:
            while context.is_active():
                time.sleep(0.05)
        return colorized(request, context)

    def interrupt(result: FileResult) -> None:
        raise KeyboardInterrupt

    calls = itertools.count()
    new = old.parent / "new"
    with standing_in(stuck) as server, ColorizeClient(server.address, MODEL, timeout=60) as client:
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            colorize_remotely(find([old], output=new), new, client, progress=interrupt)
        assert time.monotonic() - start < 10
    assert len(visible(new)) == 1


def test_concurrency(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for number in range(12):
        Image.fromarray(GRAY).save(old / f"{number}.png")
    lock, now, most = threading.Lock(), 0, 0

    def counted(request: Any, context: grpc.ServicerContext) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return colorized(request, context)

    with standing_in(counted) as server, ColorizeClient(server.address, MODEL) as client:
        entries = find([old], output=tmp_path / "new")
        results = colorize_remotely(entries, tmp_path / "new", client, concurrency=3)
    assert most == 3
    assert [result.source for result in results] == [entry.source for entry in entries]


def test_pixels_in_memory_are_bounded(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PIXELS_IN_FLIGHT", GRAY.size)
    lock = threading.Lock()

    def alone(request: Any, context: grpc.ServicerContext) -> Any:
        if not lock.acquire(blocking=False):
            context.abort(grpc.StatusCode.INTERNAL, "two at a time")
        try:
            time.sleep(0.05)
            return colorized(request, context)
        finally:
            lock.release()

    with standing_in(alone) as server:
        results = through(server, [old], old.parent / "new")
    assert [result.status for result in results] == ["done"] * 3, results


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--model", "other"), 2, "other: the server has not loaded this model or version (NOT_FOUND: "),
        (("--version", 7), 2, f"{MODEL} version 7: the server has not loaded this model or version"),
        (("--version", 1, "--label", "stable"), 2, "version and label: got 1 and 'stable'; give only one"),
        (("--key", "client.key"), 2, "credentials: key and certificate go together"),
        (("--ca", "gone.crt"), 2, "credentials: ca gone.crt cannot be read: No such file"),
        (("--timeout", 0), 2, "--timeout"),
        (("--concurrency", 0), 2, "--concurrency"),
        (("--retries", -1), 2, "--retries"),
    ],
)
def test_wrong_arguments(run: Callable[..., Any], old: Path, options: tuple[Any, ...], code: int, words: str) -> None:
    with standing_in() as server:
        given = options if "--model" in options else ("--model", MODEL, *options)
        done = run(old, "--server", server.address, "-o", old.parent / "new", *given)
    assert done.exit_code == code
    assert words in done.stderr and "Traceback" not in done.output
    assert not (old.parent / "new").exists()


def test_no_server_and_no_photographs(run: Callable[..., Any], old: Path) -> None:
    with standing_in() as server:
        address = server.address
    done = run(old, "--server", address, "-o", old.parent / "new", "--retries", 0)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"colorzoo: {address}: {zoo.DEFAULT_PRESET}: the server cannot be reached")
    done = run(old, "--server", "localhost", "-o", old.parent / "new")
    assert (done.exit_code, done.stderr.partition(";")[0]) == (2, "colorzoo: address: 'localhost' is not HOST:PORT")
    done = run(old / "*.gif", "--server", address, "-o", old.parent / "new")
    assert done.exit_code == 2 and "no photograph found" in done.stderr
    assert not (old.parent / "new").exists()


def test_tls_and_several_servers(run: Callable[..., Any], old: Path, tmp_path: Path) -> None:
    authority = issued("Test authority")
    _, ca = authority.write(tmp_path, "ca")
    key, certificate = issued("client", authority).write(tmp_path, "client")
    own = issued("localhost", authority)
    secret = grpc.ssl_server_credentials([(own.key_pem, own.certificate_pem)], authority.certificate_pem, True)
    with standing_in(credentials=secret) as one, standing_in(credentials=secret) as two:
        servers = ("--server", one.address, "--server", two.address, "--model", MODEL, "-o", tmp_path / "new")
        done = run(old, *servers, "--ca", ca, "--key", key, "--certificate", certificate)
        assert done.exit_code == 0, done.output
        assert run(old, *servers, "--ca", ca, "--overwrite", "--retries", 0).exit_code == 1
        assert one.predicted + two.predicted == 3
