"""One search for all files: what it finds, what it leaves out, and what it says of the rest."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from media import films
from media.files import PassedOver, check_file, check_folder, find, is_wanted, walk
from zoo.errors import ArgumentError

SUFFIXES = (".jpg", ".tar.gz")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder: Path, without: Path | None = None) -> list[str]:
    return [file.relative.as_posix() for file in walk(folder, SUFFIXES, without=without)]


def test_walk(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a.jpg", "z/c.jpg", "notes.txt", ".hidden.jpg", ".trash/d.jpg", "new/e.jpg", "x.tar.gz")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert names(tmp_path, tmp_path / "z" / ".." / "new") == ["a.jpg", "b.JPG", "x.tar.gz", "z/c.jpg"]
    assert names(tmp_path) == ["a.jpg", "b.JPG", "x.tar.gz", "new/e.jpg", "z/c.jpg"]
    assert names(tmp_path / ".trash") == ["d.jpg"]  # what is named is not hidden
    with pytest.raises(ArgumentError, match="is the output folder too"):
        names(tmp_path, tmp_path)


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    old = tmp_path / "old"
    touch(tmp_path, "old/1936/a.jpg", "elsewhere/b.jpg", "elsewhere/deep/c.jpg", "new/d.jpg")
    for link, target in (
        ("0-within", "1936"), ("1936/up", ".."), ("1936/self", "self"), ("gone", "nowhere"), ("out", "../elsewhere"),
        ("out-again", "../elsewhere"), ("out2", "../elsewhere/deep"), ("results", "../new"),
    ):  # fmt: skip
        (old / link).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to(old)
    assert names(old, tmp_path / "new") == ["1936/a.jpg", "out/b.jpg", "out/deep/c.jpg"]


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    touch(tmp_path, "old/a.jpg", "old/b.HEIC", "old/deep/c.heic", "old/notes", "old/.hidden.txt", "old/a-compare.jpg")
    passed_over = PassedOver()
    files = find([tmp_path / "old", tmp_path / "old" / "notes"], SUFFIXES, passed_over=passed_over)
    assert [file.path.name for file in files] == ["a.jpg", "notes"]
    assert passed_over.suffixes == {".heic": 2, "": 1}


def test_pipes_sockets_and_devices_are_named_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    Path("old").mkdir()
    os.mkfifo("old/pipe.jpg")
    Path("old/link.jpg").symlink_to("pipe.jpg")
    Path("old/null.jpg").symlink_to(os.devnull)
    Path("old/broken.jpg").symlink_to("gone.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("old/socket.jpg")
        reasons = {
            "broken.jpg": None,  # the reader says that it cannot be opened
            "link.jpg": "is not a file but a pipe",
            "null.jpg": "is not a file but a device",
            "pipe.jpg": "is not a file but a pipe",
            "socket.jpg": "is not a file but a socket",
        }
        assert {file.path.name: file.error for file in find(["old"], SUFFIXES)} == reasons
        assert {file.path.name: file.error for file in find(["old/[l-s]*"], SUFFIXES)} == {
            name: reason for name, reason in reasons.items() if reason
        }
        assert names(Path("old")) == ["broken.jpg"]


def test_sheets_are_left_out_and_pictures_of_these_names_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "films/sheet.jpg", "films/frames.json", "out/sheet.jpg", "out/per_image.csv", "own/sheet.jpg")
    touch(tmp_path, "new/a.png", "new/a-compare.jpg", "new/b-compare.jpg")
    assert names(tmp_path) == ["new/b-compare.jpg", "own/sheet.jpg"]
    assert [file.path for file in find([tmp_path / "new" / "a-compare.jpg"], SUFFIXES)]  # whoever names it, wants it


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "locked/b.jpg")
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [(file.path.name, file.error) for file in walk(tmp_path, SUFFIXES)] == [
        ("a.jpg", None),
        ("locked", "the folder cannot be read: Permission denied"),
    ]


@pytest.mark.parametrize("name", ["gone.jpg", "*.png", "n" * 300, f"{'n' * 300}/*.jpg", "a\0b.jpg"])
def test_what_is_not_there(tmp_path: Path, name: str) -> None:
    (found,) = find([tmp_path / name], SUFFIXES)
    assert (found.path, found.error) == (tmp_path / name, "there is no such file or folder")


def test_films_are_found_in_the_same_way(tmp_path: Path) -> None:
    touch(tmp_path, "b.MKV", "a.mp4", "notes.txt", ".hidden.mp4", "series/two.webm", ".trash/x.mp4", "odd.film")

    def names(*paths: Path) -> list[str]:
        found = find(paths, films.SUFFIXES)
        return [file.path.relative_to(tmp_path).as_posix() for file in found if not file.error]

    assert names(tmp_path) == ["a.mp4", "b.MKV", "series/two.webm"]
    assert names(tmp_path / "odd.film", tmp_path / "series") == ["odd.film", "series/two.webm"]
    assert names(tmp_path / "?.*") == ["a.mp4", "b.MKV"]
    assert names(tmp_path / "**" / "*.webm", tmp_path / "series") == ["series/two.webm"]
    missing = find([tmp_path / "gone.mp4", tmp_path / "*.avi"], films.SUFFIXES)
    errors = [(file.path.name, file.error) for file in missing]
    assert errors == [(name, "there is no such file or folder") for name in ("gone.mp4", "*.avi")]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a/b.JPG", True), ("./a.jpg", True), ("../a.jpg", True), ("a.tar.gz", True), ("a.txt", False),
        (".a/b.jpg", False), ("a/.b.jpg", False), ("__MACOSX/a.jpg", False),
    ],
)  # fmt: skip
def test_members_of_archives(name: str, wanted: bool) -> None:
    assert is_wanted(name, SUFFIXES) == wanted


def test_results_that_cannot_be_written_are_refused_before_any_work(tmp_path: Path) -> None:
    touch(tmp_path, "file", "folder/a")
    for path in (tmp_path / "new" / "deep", tmp_path / "folder"):
        check_folder(path)
        check_file(path / "new.npy")
    with pytest.raises(ArgumentError, match=r"deep cannot be written, since .*file is a file"):
        check_file(tmp_path / "file" / "new" / "deep")
    for path in (tmp_path / "file", tmp_path / "file" / "new" / "deep"):
        with pytest.raises(ArgumentError, match="file is a file: choose a folder"):
            check_folder(path)
    for check in (check_folder, check_file):
        with pytest.raises(ArgumentError, match="the name is too long; at most 255 bytes"):
            check(tmp_path / "gone" / ("ä" * 128) / "new")
    with pytest.raises(ArgumentError, match="folder is a folder: name a file"):
        check_file(tmp_path / "folder")
