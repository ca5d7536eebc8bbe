"""The script that trains on an accelerator: the command that it runs, and the parts that its results come in."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT

SCRIPT = ROOT / "scripts" / "accelerator.sh"


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script with an interpreter that writes down what it is asked for."""
    python = folder / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit ${STATUS:-0}\n')
    python.chmod(0o755)
    return subprocess.run(
        ["sh", str(SCRIPT), *arguments],
        env={**os.environ, "PYTHON": str(python), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_command(tmp_path: Path) -> None:
    done = run(tmp_path, "out", "9", "val.tar", "a.tar", "b c", "--", "--set", "batch=512")
    words = done.stdout.splitlines()
    assert done.returncode == 0 and words[:2] == ["-m", "training.loop.jax"]
    assert words[words.index("--val") + 1] == "val.tar"
    assert [words[i + 1] for i, word in enumerate(words) if word == "--data"] == ["a.tar", "b c"]
    assert words[-2:] == ["--set", "batch=512"]
    assert words[words.index("--minutes") + 1] == "9"


def test_parts_can_be_put_together(tmp_path: Path) -> None:
    out, results = tmp_path / "out", tmp_path / "results"
    (out / "checkpoints").mkdir(parents=True)
    (out / "checkpoints" / "step-3.npz").write_bytes(b"large")
    content = os.urandom(16 << 20)
    (out / "best.keras").write_bytes(content)
    done = run(tmp_path, str(out), "9", "val", "data", RESULTS=str(results), STATUS="3")
    assert done.returncode == 3  # of the run; what it left comes all the same
    parts = sorted(results.iterdir())
    assert len(parts) == 2 and max(part.stat().st_size for part in parts) <= 15 << 20
    whole = tmp_path / "whole"
    whole.mkdir()
    subprocess.run(["tar", "x", "-C", str(whole)], input=b"".join(part.read_bytes() for part in parts), check=True)
    assert [path.name for path in whole.iterdir()] == ["best.keras"]
    assert (whole / "best.keras").read_bytes() == content


@pytest.mark.parametrize("arguments", [(), ("out", "9", "val")])
def test_too_few_words_print_how_it_is_called(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2 and "sh scripts/accelerator.sh OUT MINUTES VAL DATA" in done.stderr
