"""How much faster shards are read than the folder that they were made of.

    colorzoo shards photographs/ -o shards/
    colorzoo shards photographs/ -o shards-256/ --side 256
    python -m benchmarks.shards shards/ shards-256/

The same pictures are decoded and framed, from their files and from each folder of shards, with all cores and no cache
of frames. All are measured in turns in one process, so that whatever else the machine does meets all.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from media.reader import read_rgb
from training.data import records
from training.data.datasets import Photographs, of_shards
from training.data.resize import RESIZE_MODES, center_crop, pad


def main() -> None:
    """Prints the median time of each, and the ratio to that of the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", type=Path, nargs="+", help="of the same photographs, which must still be there")
    parser.add_argument("--size", type=int, default=256, help="side in pixels of the frames")
    parser.add_argument(
        "--resize-mode", choices=RESIZE_MODES, default="pad", help="how pictures become frames; windows: middle"
    )
    parser.add_argument("--pictures", type=int, default=512, help="in a turn")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    sets = {
        str(path): of_shards(records.load([(path, "train")]), arguments.size, arguments.resize_mode, (0, 0))
        for path in arguments.shards
    }
    first = next(iter(sets.values()))
    chosen = np.sort(np.random.default_rng(0).choice(len(first), min(arguments.pictures, len(first)), replace=False))
    names = [first.names[i] for i in chosen]
    pool = ThreadPoolExecutor(os.cpu_count())

    def frame_all(name: str) -> np.ndarray:
        picture = read_rgb(name)
        if first.window:
            return first.window.cut(picture, None)
        return (pad if arguments.resize_mode == "pad" else center_crop)(picture, arguments.size)[0]

    def from_files() -> None:
        np.stack(list(pool.map(frame_all, names)))

    def from_shards(photographs: Photographs) -> Callable[[], object]:
        place = {digest: i for i, digest in enumerate(photographs.hashes)}
        if any(first.hashes[i] not in place for i in chosen):
            raise SystemExit("the shards are not of the same photographs")
        same = np.array([place[first.hashes[i]] for i in chosen])
        return lambda: photographs.read(same, None)

    ways = {"folder": from_files} | {name: from_shards(photographs) for name, photographs in sets.items()}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(arguments.rounds + 1):
        for name, read in ways.items():
            began, used = time.perf_counter(), time.process_time()
            read()
            if turn:  # the first one is to warm up
                wall[name].append((time.perf_counter() - began) / len(chosen))
                cpu[name].append((time.process_time() - used) / len(chosen))
    print(
        f"{len(chosen)} pictures, {arguments.resize_mode}, {arguments.size} x {arguments.size}, "
        f"medians of {arguments.rounds} turns"
    )
    for name in ways:
        seconds, work = statistics.median(wall[name]), statistics.median(cpu[name])
        ratio = statistics.median(b / a for a, b in zip(wall[name], wall["folder"], strict=True))
        of_work = statistics.median(b / a for a, b in zip(cpu[name], cpu["folder"], strict=True))
        print(
            f"{name:>20}: {1 / seconds:8.1f} pictures/s  {1000 * work:6.2f} ms of CPU each  "
            f"{ratio:5.2f} times as fast  {of_work:5.2f} times less CPU"
        )


if __name__ == "__main__":
    main()
