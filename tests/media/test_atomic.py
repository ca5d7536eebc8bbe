"""Files are there as a whole or not at all."""

import os
from pathlib import Path

import numpy as np
import pytest

from media import atomic


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"before")
    with atomic.replacing(path, durable=True) as partial:
        assert partial.parent == tmp_path and partial.suffix == ".npy" and atomic.is_partial(partial.name)
        np.save(partial, np.arange(3))
        assert path.read_bytes() == b"before"
    np.testing.assert_array_equal(np.load(path), np.arange(3))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    atomic.write_text(path, "before\n")
    with pytest.raises(type(error)), atomic.replacing(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_bytes() == b"before\n" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError), atomic.replacing(tmp_path / "never.txt"):
        pass  # nothing was written


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")  # not UTF-8
    atomic.write_text(tmp_path / "names.tsv", f"{name}\r\n")
    assert (tmp_path / "names.tsv").read_bytes() == b"caf\xe9.jpg\r\n"


def test_a_folder_that_is_built(tmp_path: Path) -> None:
    with atomic.building(tmp_path / "models") as partial:
        (partial / "a").touch()
        assert atomic.is_partial(partial.name)
        partial.rename(tmp_path / "models" / "1")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["1"]
    with pytest.raises(ValueError, match="no"), atomic.building(tmp_path / "models") as partial:
        (partial / "a").touch()
        raise ValueError("no")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (".colorzoo-0a1f.part", True),
        (".colorzoo-0a1f.part.npy", True),
        ("colorzoo-0a1f.part", False),
        (".0a1f.part", False),
        (".colorzoo-0a1f.npy", False),
    ],
)
def test_names_of_what_is_left_over(name: str, ours: bool) -> None:
    assert atomic.is_partial(name) == ours


def test_old_leftovers_are_removed(tmp_path: Path) -> None:
    old = [atomic.partial_name(tmp_path / "a.npy"), atomic.partial_name(tmp_path / "folder")]
    young, others = atomic.partial_name(tmp_path / "b.npy"), tmp_path / ".download.part"
    old[1].mkdir()
    (old[1] / "b.txt").touch()
    for path in (old[0], young, others):
        path.touch()
    for path in (*old, others):
        os.utime(path, (0, 0))
    atomic.remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {young.name, others.name}
    atomic.remove_leftovers(tmp_path / "none")
