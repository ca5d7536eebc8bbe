"""Image files damaged at random, as disks, networks and attackers damage them."""

from collections.abc import Iterator, Sequence

import numpy as np


def mutated(images: Sequence[bytes], count: int, *, seed: int = 0) -> Iterator[bytes]:
    """So many damaged copies of the images in turn; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        data = bytearray(images[number % len(images)])
        for _ in range(int(rng.integers(1, 4))):
            _damage(data, rng)
        # Of an empty file the client knows by itself.
        yield bytes(data) or b"\0"


def _damage(data: bytearray, rng: np.random.Generator) -> None:
    if not data:
        return
    # Half of the damage is in the header, where sizes and types are.
    end = len(data) if rng.random() < 0.5 else min(len(data), 64)
    start = int(rng.integers(end))
    length = int(rng.integers(1, 17))
    match int(rng.integers(6)):
        case 0:
            data[start] ^= 1 << int(rng.integers(8))
        case 1:
            data[start : start + length] = rng.bytes(len(data[start : start + length]))
        case 2:
            del data[start:]
        case 3:
            del data[start : start + length]
        case 4:
            data[start:start] = rng.bytes(length)
        case 5:
            data[start : start + length] = b"\xff" * len(data[start : start + length])
