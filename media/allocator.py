"""The memory of work that lasts long."""

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's mallopt
_LARGE = 1_900_000  # bytes: less than the gray of a frame of 1080p, and more than the lightness of one of 480p


def give_back_large_blocks() -> None:
    """Let blocks of more than 1.9 MB be given back to the system when they are freed, in all of this process.

    By default glibc does so only until blocks of that size were freed. From then on they lie in the heap, among smaller
    ones that stay, and it grows for thousands of frames of a film. Other C libraries are left as they are.
    """
    with suppress(AttributeError, OSError, TypeError):  # there is no such function, or no C library to be found
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
