"""`colorzoo serve` in a process of its own: signals, memory under a flood of clients, and what it says."""

import asyncio
import signal
import threading
from collections import Counter
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

from colorzoo.app import app
from serving.client import messages
from serving.server import logs
from tests import tiny_saved_model
from tests.servers import SECONDS, process, request, stub, wait_until
from tests.tiny_saved_model import RED, picture, red_of

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    tiny_saved_model.write(folder / "tiny" / "1", only="serving_default")
    return folder


def memory(pid: int, field: str) -> int:
    """Bytes of memory of a process: those that it holds ("VmRSS"), or the most that it ever held ("VmHWM")."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) << 10


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_under_load_ends_it_when_what_was_accepted_is_answered(number, models, tmp_path):
    codes: list[object] = []
    with process(models, tmp_path / "log") as running, stub(running.address) as predict:
        assert "tiny 1 by gRPC on 127.0.0.1:" in running.line
        assert "TF Serving is the production server" in running.line

        def client(gray: int) -> None:
            while True:
                try:
                    (png,) = messages.array(
                        predict(request("tiny", image_bytes=[picture(gray)]), timeout=SECONDS).outputs["png_bytes"]
                    )
                    codes.append(red_of(png) == gray + RED)
                except grpc.RpcError as error:
                    codes.append(error.code())
                    return

        clients = [threading.Thread(target=client, args=(gray,)) for gray in range(8)]
        for each in clients:
            each.start()
        wait_until(lambda: len(codes) > 50)
        assert running.end(number) == 0
        for each in clients:
            each.join(SECONDS)
        log = running.log.read_text()
    counts = Counter(codes)
    assert set(counts) == {True, Code.UNAVAILABLE} and counts[Code.UNAVAILABLE] == 8, counts
    assert '"all_answered": true' in log
    assert '"status": "CANCELLED"' not in log


@pytest.mark.slow
def test_500_clients_get_right_pictures_or_a_refusal_in_bounded_memory(models, tmp_path):
    # Large to send, quick to read, slow to colorize: what follows a picture in its file is nobody's business.
    image = picture(50, 600, 600) + bytes(256 << 10)

    async def flood(address: str) -> Counter[object]:
        async with grpc.aio.insecure_channel(address) as channel:
            send = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
            data = request("tiny", image_bytes=[image]).SerializeToString()

            async def client() -> Counter[object]:
                seen: Counter[object] = Counter()
                for _ in range(3):
                    try:
                        response = messages.PredictResponse.FromString(await send(data, timeout=10 * SECONDS))
                        (png,) = messages.array(response.outputs["png_bytes"])
                        seen[red_of(png)] += 1
                    except grpc.RpcError as error:
                        seen[error.code()] += 1
                return seen

            return sum(await asyncio.gather(*(client() for _ in range(500))), Counter())

    with process(models, tmp_path / "log", "--queue", "64", "--threads", "1", "--max-batch", "1") as running:
        with stub(running.address) as predict:
            predict(request("tiny", image_bytes=[image]), timeout=SECONDS)
        before = memory(running.process.pid, "VmRSS")
        seen = asyncio.run(flood(running.address))
        grown = memory(running.process.pid, "VmHWM") - before
        assert running.end(signal.SIGTERM) == 0
    assert sum(seen.values()) == 1500
    assert set(seen) == {50 + RED, Code.RESOURCE_EXHAUSTED}, seen
    assert grown < 256 << 20, f"{grown >> 20} MiB"


def test_the_command_says_what_is_wrong_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "start", lambda format: None)  # which would stay for the tests that follow
    found = CliRunner().invoke(app, ["serve", str(tmp_path), "--port", "0"])
    assert found.exit_code == 2
    assert found.stderr.startswith("colorzoo: no model found")
    assert found.stderr.count("\n") == 1
    found = CliRunner().invoke(app, ["serve", "--port", "0"])
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "--config" in found.stderr
