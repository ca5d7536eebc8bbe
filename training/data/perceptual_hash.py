"""Pictures that look alike: a perceptual hash, and a search for all earlier hashes within a few bits of a new one."""

from array import array
from collections import defaultdict

import imagehash
import numpy as np
from PIL import Image

BITS = 64
FARTHEST = 8  # bits; above it, different pictures count as alike, and comparing all candidates takes hours


def perceptual_hash(thumbnail: np.ndarray) -> int:
    """The perceptual hash of a picture (S, S, 3) uint8: 64 bits, few of which change by scaling or saving again."""
    return int.from_bytes(np.packbits(imagehash.phash(Image.fromarray(thumbnail)).hash).tobytes())


class HashIndex:
    """Hashes, found again within `distance` bits, each with a number.

    Two hashes that differ in at most d of their bits are equal in one of d + 1 bands, so only those that share a band
    are compared: with 13 bits a band and a million hashes, some hundred of them.
    """

    def __init__(self, distance: int) -> None:
        self.distance = distance
        edges = np.linspace(0, BITS, distance + 2).astype(int)
        self._bands = [(int(low), (1 << int(high - low)) - 1) for low, high in zip(edges, edges[1:], strict=False)]
        # Of each band: its bits -> the hashes and numbers that were added, in turns.
        self._added: list[dict[int, array[int]]] = [defaultdict(lambda: array("Q")) for _ in self._bands]

    def add(self, value: int, number: int) -> None:
        """Keeps a hash."""
        for (shift, mask), added in zip(self._bands, self._added, strict=True):
            added[value >> shift & mask].extend((value, number))

    def near(self, value: int) -> dict[int, int]:
        """The numbers of the hashes that differ in at most `distance` bits -> the least number of bits."""
        found: dict[int, int] = {}
        for (shift, mask), added in zip(self._bands, self._added, strict=True):
            bucket = added.get(value >> shift & mask)
            if bucket is None:
                continue
            hashes, numbers = np.frombuffer(bucket, np.uint64).reshape(-1, 2).T
            bits = np.bitwise_count(hashes ^ np.uint64(value))
            for number in np.unique(numbers[bits <= self.distance]).tolist():
                least = int(bits[(numbers == number)].min())
                found[number] = min(found.get(number, BITS), least)
        return found
