"""Pictures/s and latency of `colorzoo serve`, beside the same SavedModel called in this process.

    python -m benchmarks.serving [PRESET ...] [--models models/] [--rounds 5]

The server is a process of its own on this machine, and its clients are threads of this one: they share its cores. What
is called in process is the same signature at the batch that is fastest there, with the same pictures; both run in
turns, and medians are compared. The second table takes one request of 12 megapixels apart.
"""

import os

if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `colorzoo serve` does

import itertools
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import tensorflow as tf
import typer
from skimage import data as samples

import zoo
from serving.client import ColorizeClient
from serving.export import decoding, signatures, strips
from serving.export.saved_model import MAX_PIXELS, export, versions
from zoo.colorizer import parts_of

BATCHES = (1, 2, 4, 8, 16)
CLIENTS = (1, 8, 32)
SIDE = 256
LARGE = (3000, 4000)
PICTURES = 32

Call = Callable[[bytes], bytes]


def main(
    presets: Annotated[list[str] | None, typer.Argument(help="Names of presets; by default the default one.")] = None,
    models: Annotated[Path | None, typer.Option(help="Exports that are there; by default some are made.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed turns of each.")] = 5,
    seconds: Annotated[float, typer.Option(help="Of one turn.")] = 10.0,
) -> None:
    """Print the two tables for each preset."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = models or Path(scratch)
        for name in presets or [zoo.DEFAULT_PRESET]:
            if not versions(folder / name):
                export(name, folder)
            compare(folder, name, rounds, seconds)
            take_apart(name, rounds)


# === Throughput ===


def compare(folder: Path, name: str, rounds: int, seconds: float) -> None:
    """Prints throughput and latency at each number of clients, and their ratio to calls in this process."""
    pictures = [tf.io.encode_jpeg(photograph(SIDE, SIDE, seed), quality=90).numpy() for seed in range(PICTURES)]
    program = tf.saved_model.load(str(folder / name / str(versions(folder / name)[-1])))
    signature = program.signatures["serving_default"]

    def together(batch: int, duration: float) -> float:
        """Pictures/s of calls that carry the given number of pictures."""
        source = itertools.cycle(pictures)
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < duration:
            signature(image_bytes=tf.constant(list(itertools.islice(source, batch))))["png_bytes"].numpy()
            count += batch
        return count / (time.perf_counter() - start)

    for batch in BATCHES:
        together(batch, 0.1)  # plans for this size
    rates = {batch: together(batch, seconds / 2) for batch in BATCHES}
    best = max(rates, key=lambda batch: rates[batch])
    print(
        f"\n{name}, JPEG {SIDE} x {SIDE}; in process, batch: " + ", ".join(f"{b}: {r:.1f}/s" for b, r in rates.items())
    )
    print(f"| clients | pictures/s | p50 ms | p99 ms | in process, batch of {best} | ratio |")
    print("|---|---|---|---|---|---|")
    with run_server(folder) as address:
        for clients in CLIENTS:
            load(address, name, clients, pictures, 3.0)
            served_rates, own_rates, latencies = [], [], []
            for _ in range(rounds):
                own_rates.append(together(best, seconds))
                rate, times = load(address, name, clients, pictures, seconds)
                served_rates.append(rate)
                latencies += times
            rate, own = statistics.median(served_rates), statistics.median(own_rates)
            ratio = statistics.median(s / o for s, o in zip(served_rates, own_rates, strict=True))
            p50, p99 = np.percentile(latencies, (50, 99)) * 1e3
            print(f"| {clients} | {rate:.1f} | {p50:.0f} | {p99:.0f} | {own:.1f}/s | {ratio:.2f} |", flush=True)


def load(address: str, name: str, clients: int, pictures: Sequence[bytes], seconds: float) -> tuple[float, list[float]]:
    """So many clients, each asking again as soon as it has its answer -> pictures/s, and seconds of each request."""
    latencies: list[list[float]] = [[] for _ in range(clients)]
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        with ColorizeClient(address, name, timeout=120) as client:
            for picture in itertools.cycle(pictures[number % len(pictures) :] + pictures[: number % len(pictures)]):
                began = time.perf_counter()
                if began > end:
                    return
                client.colorize(picture)
                latencies[number].append(time.perf_counter() - began)

    start = time.perf_counter()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = [latency for own in latencies for latency in own]
    return len(together) / (time.perf_counter() - start), together


@contextmanager
def run_server(folder: Path) -> Iterator[str]:
    """The address of a `colorzoo serve` for the time of the `with` block."""
    command = [sys.executable, "-m", "colorzoo", "serve", str(folder), "--port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                if found := re.search(r"gRPC on ([\w.:]+)", line):
                    yield found[1]
                    break
            else:
                raise SystemExit("the server did not start")
        finally:
            process.terminate()


# === Where the time of a large picture goes ===


def take_apart(name: str, rounds: int) -> None:
    """Prints the seconds that each stage of one large request takes, each timed by itself."""
    model = zoo.load(name)
    parts = parts_of(model)
    image = tf.constant(photograph(*LARGE, 0))
    data = tf.io.encode_jpeg(image, quality=90)
    network = tf.function(parts.colors)
    functions = {
        name: tf.function(f, i, autograph=False) for name, (f, i) in signatures.signatures(model, MAX_PIXELS).items()
    }
    decode = tf.function(lambda data: decoding.decode(data, MAX_PIXELS), autograph=False)
    lightness = tf.function(strips.lightness_of, autograph=False)
    shrink = tf.function(lambda plane: strips.frames_of(plane, parts.size), autograph=False)
    paint = tf.function(strips.paint, autograph=False)
    plane = lightness(image)
    frame = shrink(plane)
    ab = network(frame[None])[0]
    painted = paint(plane, ab)
    stages: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(data),
        "lightness": lambda: lightness(image),
        "shrinking": lambda: shrink(plane),
        "network": lambda: network(frame[None]),
        "enlarging, gamut, sRGB": lambda: paint(plane, ab),
        "encode PNG": lambda: tf.io.encode_png(painted, signatures.PNG_COMPRESSION),
        "all of serving_default": lambda: functions["serving_default"](data[None]),
        "encode JPEG": lambda: tf.io.encode_jpeg(painted, quality=signatures.JPEG_QUALITY, chroma_downsampling=False),
        "all of jpeg": lambda: functions["jpeg"](data[None]),
    }
    print(f"\n| one picture of {LARGE[1]} x {LARGE[0]} | seconds | share |\n|---|---|---|")
    times = {stage: time_median(run, rounds) for stage, run in stages.items()}
    whole = times["all of serving_default"]
    for stage, spent in times.items():
        print(f"| {stage} | {spent:.2f} | {spent / whole:.0%} |")


def time_median(run: Callable[[], object], rounds: int) -> float:
    """Median seconds of a call, the first one left out."""
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def photograph(height: int, width: int, seed: int) -> np.ndarray:
    """Part of a photograph, scaled, (height, width, 3) uint8."""
    source = (samples.astronaut(), samples.chelsea(), samples.coffee())[seed % 3]
    top, left = np.random.default_rng(seed).integers(0, 100, 2)
    part = source[top : top + 200, left : left + 200 * width // height]
    return tf.cast(tf.clip_by_value(tf.image.resize(part, (height, width), "bicubic"), 0, 255), tf.uint8).numpy()


if __name__ == "__main__":
    typer.run(main)
