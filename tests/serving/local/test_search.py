"""Which photographs are meant, and how their results are called."""

from pathlib import Path

import pytest

from media.files import Found
from serving.local.search import find
from tests.serving.local.test_pipeline import save
from zoo.errors import ArgumentError


def test_find_keeps_sub_folders_and_leaves_out_what_is_no_image(tmp_path: Path) -> None:
    old = tmp_path / "old"
    for name in ("b.jpg", "a.PNG", "1936/c.tif", "1936/deep/d.webp", ".hidden/e.jpg", "._a.jpg", "new/f.jpg"):
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).touch()
    (old / "readme.txt").touch()
    found = find([old], output=old / "new")
    assert [str(task.output) for task in found] == ["a.PNG", "b.jpg", "1936/c.tif", "1936/deep/d.webp"]
    assert [task.source for task in found] == [old / task.output for task in found]


def test_find_expands_patterns_and_takes_a_file_once(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "[c].jpg", "sub/d.jpg"):
        save(tmp_path / name)
    found = find([tmp_path / "[c].jpg", tmp_path / "?.jpg", tmp_path / "a.jpg"], output=tmp_path / "new")
    assert [task.source.name for task in found] == ["[c].jpg", "a.jpg", "b.jpg"]
    found = find([tmp_path / "**" / "*.jpg"], output=tmp_path / "new")
    assert sorted(task.source.name for task in found) == ["[c].jpg", "a.jpg", "b.jpg", "d.jpg"]


def test_find_names_what_is_not_there(tmp_path: Path) -> None:
    found = find([tmp_path / "no.jpg", tmp_path / "*.png"], output=tmp_path / "new")
    assert [task.error for task in found] == ["there is no such file or folder"] * 2


def test_a_folder_that_cannot_be_read_is_a_task_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = save(tmp_path / "a.jpg")
    reason = "the folder cannot be read: Permission denied"
    found = [
        Found(photo, Path("a.jpg")),
        Found(tmp_path / "locked", Path("locked"), reason),
    ]  # see tests of media.files
    monkeypatch.setattr("media.files.find", lambda paths, suffixes, without, passed_over: found)
    assert [(task.source.name, task.error) for task in find([tmp_path], output=tmp_path / "new")] == [
        ("a.jpg", None),
        ("locked", reason),
    ]


def test_names_of_results_are_all_different(tmp_path: Path) -> None:
    sources = [save(tmp_path / name) for name in ("x/a.jpg", "x/a.png", "y/A.JPG", "y/a-2.jpg", "z/b.bmp")]
    plain = find(sources, output=tmp_path / "new")
    assert [str(task.output) for task in plain] == ["a.jpg", "a.png", "A-3.JPG", "a-2.jpg", "b.png"]
    jpeg = find(sources, output=tmp_path / "new", format="jpeg")
    assert [str(task.output) for task in jpeg] == ["a.jpg", "a-3.jpg", "A-4.JPG", "a-2.jpg", "b.jpg"]
    assert jpeg == find(sources, output=tmp_path / "new", format="jpeg")
    sheets = find(sources[:2], output=tmp_path / "new", compare=True)
    assert [str(task.sheet) for task in sheets] == ["a-compare.jpg", "a-2-compare.jpg"]


def test_names_without_a_known_suffix(tmp_path: Path) -> None:
    scan = save(tmp_path / "a.png").rename(tmp_path / "scan.001")
    assert str(find([scan], output=tmp_path / "new")[0].output) == "scan.001.png"
    assert str(find([scan], output=tmp_path / "new", format="tiff")[0].output) == "scan.001.tif"
    jpeg = save(tmp_path / "b.jpeg")
    assert str(find([jpeg], output=tmp_path / "new", format="jpeg")[0].output) == "b.jpeg"
    with pytest.raises(ArgumentError, match="'heic' is not one of jpeg, png"):
        find([jpeg], output=tmp_path / "new", format="heic")


def test_originals_are_never_overwritten(tmp_path: Path) -> None:
    photo = save(tmp_path / "old" / "a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "old")
    for output in (tmp_path / "old", tmp_path / "link", tmp_path / "new" / ".." / "old"):
        for given in (photo, photo.parent, tmp_path / "link" / "a.jpg"):
            with pytest.raises(ArgumentError, match="choose another"):
                find([given], output=output)
    save(tmp_path / "old" / "a-compare.jpg")
    with pytest.raises(ArgumentError, match=r"a-compare\.jpg: the result would overwrite"):
        find(
            [tmp_path / "old" / "a.jpg", tmp_path / "old" / "a-compare.jpg"],
            output=photo.parent,
            format="png",
            compare=True,
        )


def test_an_output_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png")
    (tmp_path / "file").touch()
    for output, words in ((tmp_path / "file", "is a file"), (tmp_path / ("n" * 300), "the name is too long")):
        with pytest.raises(ArgumentError, match=words):
            find([photo], output=output)
