"""How long the page's server keeps a user waiting, and what it does under attack and under load.

    python -m benchmarks.web waiting PHOTOGRAPH     the first picture in color, fixes and results, one after the other
    python -m benchmarks.web load [--clients 100]    many uploads at a time, and requests that mean harm; peak memory

Each starts a server of its own, `colorzoo web`, with the default preset, and talks to it over HTTP.
"""

import argparse
import io
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

SIDES = (4000, 3000)  # pixels of the photograph, 12 megapixels
FIXES = 8
JPEG = {"Content-Type": "image/jpeg"}
JSON = {"Content-Type": "application/json"}


class Server:
    """A running server."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, ready: float) -> None:
        self.process, self.port, self.ready = process, port, ready

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def memory(self, field: str) -> float:
        """VmRSS or VmHWM of the process, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{field}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024


@contextmanager
def serving(*options: str) -> Iterator[Server]:
    """A server in a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "colorzoo", "web", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r":(\d+)/", line)
        assert found, line
        yield Server(process, int(found[1]), time.perf_counter() - start)
    finally:
        process.terminate()
        process.wait(30)


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def jpeg(photograph: Path | None, size: tuple[int, int], seed: int = 0) -> bytes:
    """A gray JPEG of this size."""
    if photograph is None:
        small = np.random.default_rng(seed).integers(0, 256, (size[1] // 16, size[0] // 16), np.uint8)
        image = Image.fromarray(small)
    else:
        image = Image.open(photograph).convert("L")
    content = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    return content.getvalue()


def busy(server: Server) -> bool:
    """Whether it works on something."""
    state = json.loads(server.ask("GET", "/api/health")[2])
    return bool(state["waiting"] or state["running"])


def waiting(photograph: Path) -> None:
    """Print how long each step takes, of a server that was just started."""
    data = jpeg(photograph, SIDES)
    with serving() as server:
        print(f"ready {server.ready:.1f} s after the start; {len(data) / 1e6:.1f} MB, {SIDES[0]} x {SIDES[1]} pixels")
        start = time.perf_counter()
        _, _, answer = server.ask("POST", "/api/photographs", data, JPEG)
        path = f"/api/photographs/{json.loads(answer)['id']}"
        sent = time.perf_counter() - start
        server.ask("GET", f"{path}/preview?longest=1600")
        print(f"first picture in color   {time.perf_counter() - start:6.2f} s, of which {sent:.2f} s to send it")
        print(f"plausible colors         {timed(lambda: server.ask('GET', f'{path}/palette?x=0.1&y=0.2')):6.2f} s")
        while busy(server):  # while somebody chooses among them
            time.sleep(0.1)
        hints: list[dict[str, object]] = []
        taken = []
        for number in range(FIXES):
            hints.append({"x": 0.1 + 0.1 * number, "y": 0.2 + 0.07 * number, "color": "#a03020"})
            body = json.dumps({"hints": hints, "longest": 1600}).encode()
            taken.append(timed(lambda body=body: server.ask("POST", f"{path}/fix", body, JSON)))  # type: ignore[misc]
        print(f"first fix                {taken[0]:6.2f} s")
        print(
            f"further fixes            {median(taken[1:]):6.2f} s (median of {FIXES - 1}; {max(taken[1:]):.2f} at most)"
        )
        for name, query in {
            "another look": "preview?longest=1600&look=vivid",
            "another saturation": "preview?longest=1600&saturation=1.3",
            "result at full resolution": "result",
        }.items():
            print(f"{name:<25}{timed(lambda query=query: server.ask('GET', f'{path}/{query}')):6.2f} s")  # type: ignore[misc]


def load(clients: int) -> None:
    """Print what became of many uploads at a time, and of requests that mean harm."""
    with serving("--rate", "100000") as server:
        photographs = [jpeg(None, (1632, 1224), seed) for seed in range(4)]
        expected = [server.ask("POST", "/api/colorize", data, JPEG)[2] for data in photographs]
        before = server.memory("VmRSS")
        statuses: Counter[str] = Counter()

        def upload(number: int) -> None:
            status, headers, answer = server.ask("POST", "/api/colorize", photographs[number % 4], JPEG)
            if status == 200:
                statuses["200 and right" if answer == expected[number % 4] else "200 and WRONG"] += 1
            else:
                statuses[f"{status} {'with' if 'retry-after' in headers else 'WITHOUT'} Retry-After"] += 1

        threads = [threading.Thread(target=upload, args=(number,)) for number in range(clients)]
        seconds = timed(lambda: [each.start() for each in threads] + [each.join() for each in threads])
        print(f"{clients} uploads of 2 megapixels at a time: {dict(statuses)} in {seconds:.1f} s")
        print(f"memory: {before:.0f} MB before, {server.memory('VmHWM'):.0f} MB at most")
        harm(server)
        print(f"memory: {server.memory('VmHWM'):.0f} MB at most")
        status, _, answer = server.ask("POST", "/api/colorize", photographs[0], JPEG)
        print(f"afterwards: {status}, {'right' if answer == expected[0] else 'WRONG'}")


def harm(server: Server) -> None:
    """Send what servers fail at, and print the answers."""

    def tell(name: str, answer: tuple[int, dict[str, str], bytes]) -> None:
        print(f"{name}: {answer[0]} {answer[2][:120].decode(errors='replace')}")

    tell(
        "bomb, PNG of 30,000 x 30,000", server.ask("POST", "/api/colorize", bomb(30_000), {"Content-Type": "image/png"})
    )
    tell("500 MB, announced", server.ask("POST", "/api/colorize", None, JPEG | {"Content-Length": str(500 << 20)}))
    seconds = timed(lambda: chunked(server, 500))
    print(f"500 MB in chunks: over after {seconds:.1f} s")
    boundary = b'--x\r\nContent-Disposition: form-data; name="image"; filename="../../../etc/passwd"\r\n\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    body = boundary + jpeg(None, (64, 48)) + b"\r\n--x--\r\n"
    status, headers, _ = server.ask("POST", "/api/colorize", body, form)
    print(f"a path as the name of a file: {status}, {headers['content-type']}")
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for each in slow:
        each.sendall(b"POST /api/colorize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nx")
    health = timed(lambda: server.ask("GET", "/api/health"))
    print(f"while 50 uploads stand still: health after {health:.3f} s")
    for each in slow:
        each.close()


def bomb(side: int) -> bytes:
    """A PNG of a few hundred kilobytes that decodes to side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(1 + side)) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def chunked(server: Server, megabytes: int) -> None:
    """Send so much without a length, until the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /api/colorize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        part = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        sent = 0
        try:
            for _ in range(megabytes):
                connection.sendall(part)
                sent += 1
        except OSError:
            pass
        print(f"500 MB in chunks: {sent} MB were taken", end="; ")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    first = commands.add_parser("waiting")
    first.add_argument("photograph", type=Path)
    first.set_defaults(run=lambda arguments: waiting(arguments.photograph))
    second = commands.add_parser("load")
    second.add_argument("--clients", type=int, default=100)
    second.set_defaults(run=lambda arguments: load(arguments.clients))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
