"""Whether a film of any length needs the memory of a short one, and whether a killed run ends as an undisturbed one.

    python -m benchmarks.long_film [FOLDER] [--preset color_unet_scenes_v1] [--smoothing flow] [--minutes 10]

Synthetic films of 1920 x 1080 are colorized by the command, each run in a process of its own: one of 10 seconds at 25
frames per second, and one of `--minutes` at 2, since what waits in memory are frames, and 1,200 are enough to see them
pile up; then the long one again, killed (SIGKILL) at a third and at two thirds, and resumed. FOLDER keeps the films.
"""

import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.films import write
from serving.local.film_job import SEGMENT

HEIGHT, WIDTH = 1080, 1920
SHORT, SHORT_RATE, LONG_RATE = 10.0, 25, 2  # seconds, and frames per second
INTO_A_SEGMENT = 5.0  # seconds after the end of a segment at which a run is killed
LOOK = 0.2  # seconds between two looks whether the segment is there


def run(command: list[str], kill_behind: Path | None = None) -> tuple[int, float, float]:
    """Run a command, and kill it some seconds after a file appears; returns exit code, peak MB and seconds."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, last = 0.0, float("inf")
    while process.poll() is None:
        peak = max(peak, peak_of(process.pid))
        if kill_behind and last == float("inf") and kill_behind.exists():
            last = time.monotonic() + INTO_A_SEGMENT
        if time.monotonic() > last:
            process.send_signal(signal.SIGKILL)
        time.sleep(LOOK)
    return process.returncode, peak, time.monotonic() - began


def peak_of(process: int) -> float:
    """The most memory in MB that a process has had. What the kernel says at its end is at least its parent's."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def colorize(source: Path, result: Path, preset: str, smoothing: str, kill_behind: int | None = None) -> float:
    """Colorize a film, or be killed in the segment behind one; prints what happened and returns the peak in MB."""
    command = [sys.executable, "-m", "colorzoo", "video", str(source), "-o", str(result)]
    command += ["--preset", preset, "--smoothing", smoothing]
    folder = result.with_name(f".{result.name}.colorzoo")
    behind = None if kill_behind is None else folder / f"{kill_behind:06}.segment"
    code, peak, seconds = run(command, behind)
    if code != (0 if behind is None else -signal.SIGKILL):
        raise SystemExit(f"{result.name}: exit code {code}")
    print(f"{result.name}: exit code {code}, {peak:,.0f} MB at most, {seconds:,.0f} s", flush=True)
    return peak


def main(
    folder: Annotated[Path | None, typer.Argument(help="Where the films are kept; by default nowhere.")] = None,
    preset: Annotated[str, typer.Option()] = "color_unet_scenes_v1",
    smoothing: Annotated[str, typer.Option()] = "flow",
    minutes: Annotated[float, typer.Option(help="Of the long film; three segments at least.")] = 10.0,
) -> None:
    """Print the peaks of memory, their ratio, and whether both results are the same bytes."""
    with tempfile.TemporaryDirectory() as temporary:
        work = folder or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        short = write(work / "short.mp4", SHORT, HEIGHT, WIDTH, SHORT_RATE)
        long = write(work / "long.mp4", 60 * minutes, HEIGHT, WIDTH, LONG_RATE)
        segments = round(60 * minutes * LONG_RATE / SEGMENT)
        low = colorize(short, work / "short-color.mp4", preset, smoothing)
        high = colorize(long, work / "undisturbed.mp4", preset, smoothing)
        print(f"memory: the long film needs {high / low:.2f} of the short one", flush=True)
        killed = work / "killed.mp4"
        for segment in (segments // 3 - 1, 2 * segments // 3 - 1):
            colorize(long, killed, preset, smoothing, segment)
        high = max(high, colorize(long, killed, preset, smoothing))
        same = killed.read_bytes() == (work / "undisturbed.mp4").read_bytes()
        print(f"memory: at most {high / low:.2f}; killed twice: {'the same bytes' if same else 'DIFFERENT'}")
    raise SystemExit(0 if same and high <= 1.1 * low else 1)


if __name__ == "__main__":
    typer.run(main)
