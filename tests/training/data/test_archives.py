"""Archives instead of folders: the same pictures, alone and mixed, written once and again when they change."""

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from tests.archives import pack_folder, write_archive
from tests.photographs import color_field, write_fields
from training.data import records, shards
from training.data.apart import check_apart
from training.data.datasets import Photographs, check_folders, prepare
from training.data.folder import PictureFiles
from zoo.errors import DataError, PhotographError

SIZE = 32
KINDS = ["tar", "tar.gz", "zip"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_fields(tmp_path / "photos", 6)


def pictures(source: Photographs, seeds: list[int] | None = None) -> dict[str, bytes]:
    """What is trained on, by the hash of the file; windows are drawn by position, so those of one order only."""
    pixels, _ = source.read(np.arange(len(source)), seeds)
    return {digest: picture.tobytes() for digest, picture in zip(source.hashes, pixels, strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_gives_the_pictures_of_its_folder(photos: Path, tmp_path: Path, kind: str) -> None:
    archive = pack_folder(photos, tmp_path / f"all.{kind}", "set/")
    for resize_mode in ("pad", "random_crop"):
        wanted = prepare([photos], SIZE, tmp_path / "cache", resize_mode)
        found = prepare([archive], SIZE, tmp_path / "cache", resize_mode)
        assert pictures(found, [3, 1]) == pictures(wanted, [3, 1])
        assert found.classes == wanted.classes == ["coast", "forest"]
        assert found.labels(["forest"]).tolist() == wanted.labels(["forest"]).tolist()
        assert found.digest == wanted.digest
    assert found.names[0] == f"{archive}/set/coast/000.jpg"
    check_folders([archive, photos])


def test_everything_can_be_mixed(photos: Path, tmp_path: Path) -> None:
    """Loose pictures, archives beside them, an archive alone and shards."""
    broken = tmp_path / "more" / "coast" / "broken.jpg"
    write_fields(tmp_path / "more", 4, seed=1)
    broken.write_bytes(b"no picture")
    write_fields(tmp_path / "mixed", 2, seed=2)
    pack_folder(write_fields(tmp_path / "inner", 3, seed=3), tmp_path / "mixed" / "birds.zip")
    shards.write([str(write_fields(tmp_path / "last", 5, seed=4))], tmp_path / "written")
    archive = pack_folder(tmp_path / "more", tmp_path / "more.tar.gz")
    found = prepare([photos, archive, tmp_path / "mixed", tmp_path / "written"], SIZE, tmp_path / "cache")
    folders = [tmp_path / name for name in ("photos", "more", "mixed", "inner", "last")]
    assert pictures(found) == pictures(prepare(folders, SIZE, tmp_path / "loose"))
    assert found.classes == ["birds", "coast", "forest"]
    assert found.left_out == [
        (
            f"{archive}/coast/broken.jpg",
            "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF",
        )
    ]
    both = prepare([photos, tmp_path / "written"], SIZE, tmp_path / "cache")
    assert len(both) == 11
    check_apart(both, prepare([archive], SIZE, tmp_path / "cache"))
    with pytest.raises(DataError, match=r"4 of 4 validation pictures are also trained on, .*more.tar.gz/coast/\d+.jpg"):
        check_apart(found, prepare([archive], SIZE, tmp_path / "cache"))


def test_parts_of_shards_are_there_before_a_run(photos: Path, tmp_path: Path) -> None:
    shards.write([str(photos)], tmp_path / "written")
    check_folders([tmp_path / "written", tmp_path / "written" / "train"])
    with pytest.raises(DataError, match="written has no validation split"):
        check_folders([tmp_path / "written" / "validation"])


def test_folders_alone_make_no_shards(photos: Path, tmp_path: Path) -> None:
    prepare([photos], SIZE, tmp_path / "cache")
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["frames.npy", "index.json"]


def test_written_once_and_again_when_an_archive_changes(photos: Path, tmp_path: Path) -> None:
    archive, cache = pack_folder(photos, tmp_path / "all.tar"), tmp_path / "cache"
    before = prepare([archive], SIZE, cache)
    with mock.patch.object(shards, "_Writing", side_effect=AssertionError("written again")):
        assert prepare([archive], SIZE, cache, "random_crop").digest == before.digest
    (photos / "coast" / "000.jpg").unlink()
    pack_folder(photos, archive)
    assert len(prepare([archive], SIZE, cache)) == 5
    (folder,) = cache.iterdir()
    assert sum(path.suffix == ".tfrecord" for path in folder.iterdir()) == 1


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_deletion_that_was_interrupted(photos: Path, tmp_path: Path, after: int) -> None:
    archive, cache = pack_folder(photos, tmp_path / "all.tar"), tmp_path / "cache"
    prepare([archive], SIZE, cache)
    pack_folder(write_fields(tmp_path / "others", 4, seed=1), archive)
    unlink, deleted = Path.unlink, []

    def interrupted(path: Path, missing_ok: bool = False) -> None:
        if len(deleted) == after:
            raise KeyboardInterrupt
        deleted.append(path)
        unlink(path, missing_ok)

    with mock.patch.object(Path, "unlink", interrupted), pytest.raises(KeyboardInterrupt):
        prepare([archive], SIZE, cache)
    found = prepare([archive], SIZE, cache)
    assert found.digest == prepare([archive], SIZE, tmp_path / "new").digest


def test_a_writing_that_was_interrupted(photos: Path, tmp_path: Path) -> None:
    """It continues if the archive is the same, and begins anew if not."""
    archive = pack_folder(photos, tmp_path / "all.tar.gz")
    expected = prepare([archive], SIZE, tmp_path / "expected").digest
    with mock.patch.object(shards, "SHARD_BYTES", 1000):
        for cache in (tmp_path / "a", tmp_path / "b"):
            with (
                mock.patch.object(shards._Writing, "_finish", side_effect=KeyboardInterrupt),
                pytest.raises(KeyboardInterrupt),
            ):
                prepare([archive], SIZE, cache)
        with mock.patch.object(shards._Writing, "_decide", side_effect=AssertionError("written again")):
            assert prepare([archive], SIZE, tmp_path / "a").digest == expected
    (photos / "coast" / "000.jpg").unlink()
    pack_folder(photos, archive)
    assert len(prepare([archive], SIZE, tmp_path / "b")) == 5


def test_gray_pictures_are_kept_where_that_is_asked(photos: Path, tmp_path: Path) -> None:
    color_field(1, 40, 40).convert("L").save(photos / "gray.png")
    archive = pack_folder(photos, tmp_path / "all.zip")
    assert len(prepare([archive], SIZE, tmp_path / "cache", drop_gray=False)) == 7
    dropped = prepare([archive], SIZE, tmp_path / "cache")
    assert dropped.left_out == [(f"{archive}/gray.png", "gray")]
    assert len(dropped) == 6


def unusable(folder: Path) -> dict[Path, str]:
    """Archives that cannot be used, with what is said of them."""
    rng = np.random.default_rng(0)
    members = {f"{i}.bmp": rng.bytes(4000) for i in range(6)}
    for kind in ("tar", "tar.gz"):
        whole = write_archive(folder / f"cut.{kind}", members)
        whole.write_bytes(whole.read_bytes()[:9000])
    (folder / "bad.zip").write_bytes(b"no zip")
    (folder / "notes.txt").write_text("text")
    write_archive(folder / "empty.tar", {"readme.txt": b"text"})
    write_archive(folder / "within" / "empty.zip", {})
    return {
        folder / "cut.tar": "cut.tar is damaged or incomplete, after [1-5] pictures: .*; get it again",
        folder / "cut.tar.gz": "cut.tar.gz is damaged or incomplete, after [1-5] pictures: .*; get it again",
        folder / "bad.zip": "bad.zip cannot be read: File is not a zip file",
        folder
        / "notes.txt": r"notes.txt is not a folder, and no archive \(.tar, .*\): name one that holds photographs",
        folder / "gone.tar": "gone.tar is not a folder, and no archive",
        folder / "empty.tar": "empty.tar holds no image file: photographs .*.jpg.* are needed",
        folder / "within": "within holds no image file: photographs .*.jpg.* are needed",
    }


def test_what_cannot_be_used(photos: Path, tmp_path: Path) -> None:
    for path, words in unusable(tmp_path / "unusable").items():
        with pytest.raises(DataError, match=words):
            prepare([path, pack_folder(photos, tmp_path / "good.tar")], SIZE, tmp_path / "cache")
        with pytest.raises(DataError, match=words):
            PictureFiles(path)
    for name in ("gone.tar", "notes.txt"):
        with pytest.raises(DataError, match=f"{name} is not a folder, and no archive"):
            check_folders([photos, tmp_path / "unusable" / name])


# === Reading one after the other, as evaluation does ===


def decoded(files: PictureFiles, chosen: Any) -> list[np.ndarray]:
    return [np.asarray(picture) for picture in files.read(chosen) if isinstance(picture, Image.Image)]


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_an_archive_are_those_of_its_folder(photos: Path, tmp_path: Path, kind: str) -> None:
    found, wanted = PictureFiles(pack_folder(photos, tmp_path / f"all.{kind}")), PictureFiles(photos)
    assert found.paths == wanted.paths
    for chosen in (range(6), [1, 4], []):
        assert len(decoded(found, chosen)) == len(chosen)
        for one, other in zip(decoded(found, chosen), decoded(wanted, chosen), strict=True):
            np.testing.assert_array_equal(one, other)


def test_files_of_folders_with_archives_and_of_archives_in_archives(photos: Path, tmp_path: Path) -> None:
    inner = pack_folder(photos, tmp_path / "inner.tar")
    member = {"b/inner.tar": inner.read_bytes(), "x.zip": b"", "y.jpg": b"no picture"}
    pack_folder(photos, write_archive(tmp_path / "mixed" / "a.tar.gz", member).with_name("b.zip"))
    color_field(1, 24, 24).save(tmp_path / "mixed" / "top.png")
    files = PictureFiles(tmp_path / "mixed")
    names = [path.relative_to(photos) for path in sorted(photos.rglob("*.*"))]
    assert files.paths == [
        *(Path("a.tar.gz/b/inner.tar", name) for name in names),
        *(Path("a.tar.gz/x.zip"), Path("a.tar.gz/y.jpg")),
        *(Path("b.zip", name) for name in names),
        Path("top.png"),
    ]
    read = list(files.read(range(len(files))))
    errors = [str(picture) for picture in read if isinstance(picture, PhotographError)]
    assert errors == [
        f"{tmp_path / 'mixed' / 'a.tar.gz'}/x.zip: cannot be opened: it is a zip within an archive: unpack it",
        f"{tmp_path / 'mixed' / 'a.tar.gz'}/y.jpg: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF",
    ]
    assert len(read) == 15


def test_files_that_went_while_they_are_read(photos: Path, tmp_path: Path) -> None:
    archive = pack_folder(photos, tmp_path / "all.tar")
    files, loose = PictureFiles(archive), PictureFiles(photos)
    (photos / "coast" / "000.jpg").unlink()
    pack_folder(photos, archive)
    with pytest.raises(DataError, match="all.tar has changed while it was read"):
        list(files.read([5]))
    (error,) = loose.read([0])
    assert str(error) == f"{photos / 'coast' / '000.jpg'}: cannot be opened: there is no such file"


def test_left_out_of_shards_that_lost_the_list(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="left_out.tsv cannot be read"):
        records.left_out(photos)
