"""Whether large blocks are given back."""

import subprocess
import sys

import pytest

from tests.paths import ROOT

HEAP = """
import sys
from media.allocator import give_back_large_blocks

if sys.argv[1] == "given back":
    give_back_large_blocks()
bytearray(1 << 22)  # is freed at once
blocks = [bytearray(1 << 22) for _ in range(10)]
start, end = next(line for line in open("/proc/self/maps") if "[heap]" in line).split()[0].split("-")
print(int(end, 16) - int(start, 16) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps large blocks on Linux only")
def test_large_blocks_do_not_stay_in_the_heap() -> None:
    def megabytes(how: str) -> int:
        command = [sys.executable, "-c", HEAP, how]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert megabytes("given back") < 20 <= megabytes("kept")
