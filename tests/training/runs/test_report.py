"""The page about a run: what it says, that it holds no foreign markup, and that it needs nothing else."""

import base64
import dataclasses
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import recipes
from training.data.datasets import Photographs
from training.runs import report
from training.runs.curves import draw, quantities, read_log

NAME = "color_unet_scenes_v1"
LOG = {
    "learning_rate": (1e-3, 5e-4, 1e-4), "loss": (3.0, 2.0, 1.0), "val_loss": (2.5, 1.25, 1.75),
    "val_rmse": (12.0, 11.0, 10.5),
}  # fmt: skip
EVIL = "<script>alert('&quot;')</script>.jpg"
VOID = {"meta", "img"}


class Page(HTMLParser):
    """The elements of a page, which must be balanced; its text, the cells of its tables, its images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    def images(self) -> dict[str, bytes]:
        """By their kind."""
        found = [
            value.removeprefix("data:image/").split(";base64,") for name, value in self.attributes if name == "src"
        ]
        return {kind: base64.b64decode(data) for kind, data in found}

    def row(self, first: str) -> list[str]:
        (row,) = (row for row in self.rows if row[0] == first)
        return row[1:]


def photographs(count: int, left_out: Sequence[tuple[str, str]] = ()) -> Photographs:
    frames = np.zeros((count, 16, 16, 3), np.uint8)
    sizes = np.full((count, 2), 16, np.int32)
    names = [f"{i}.jpg" for i in range(count)]
    return Photographs(frames, sizes, names, [f"{i:064x}" for i in range(count)], list(left_out))


def start(time: str, command: Sequence[str] = ("colorzoo", "train"), commit: str = "0123456789ab") -> str:
    versions = {"python": "3.11.7", "keras": "3.15.0"}
    return json.dumps(
        {"time": time, "command": command, "versions": versions, "commit": commit, "devices": ["/device:GPU:0"]}
    )


def write_log(folder: Path, log: Mapping[str, Sequence[float | str]]) -> None:
    epochs = range(len(next(iter(log.values()))))
    lines = [",".join(("epoch", *log)), *(",".join(map(str, (i, *(log[k][i] for k in log)))) for i in epochs)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")


def page_of(
    folder: Path,
    *,
    name: str = NAME,
    overrides: Mapping[str, str] | None = None,
    log: Mapping[str, Sequence[float | str]] = LOG,
    starts: Sequence[str] = (start("2026-01-02T03:04:05+00:00"),),
    trained: Photographs | None = None,
    held_out: Photographs | None = None,
) -> Page:
    write_log(folder, log)
    (folder / "starts.jsonl").write_text("".join(line + "\n" for line in starts))
    sheet = np.full((40, 60, 3), (200, 30, 90), np.uint8)
    report.write(folder, recipes.load(name, overrides), trained or photographs(5), held_out, sheet)
    return Page((folder / "report.html").read_text())


def test_figures(tmp_path: Path) -> None:
    page = page_of(tmp_path, held_out=photographs(2))
    assert page.row("") == ["first epoch", "last epoch, 3", "best.keras: epoch 2", "lowest"]
    assert page.row("loss, training") == ["3", "1", "2", "1 (epoch 3)"]
    assert page.row("loss, validation") == ["2.5", "1.75", "1.25", "1.25 (epoch 2)"]
    assert page.row("RMSE of ab (Lab units), validation") == ["12", "10.5", "11", "10.5 (epoch 3)"]
    assert page.row("learning rate") == ["0.001", "0.0001", "0.0005", "-"]


def test_changed_fields_come_first_and_all_are_folded(tmp_path: Path) -> None:
    page = page_of(tmp_path, overrides={"batch": "7", "filters": "(4, 8)"})
    at = page.rows.index(["field", "value", f"in {NAME}"])
    default = recipes.load(NAME)
    assert page.rows[at + 1 : at + 3] == [
        ["batch", "7", str(default.batch)],
        ["filters", "(4, 8)", str(default.filters)],
    ]
    assert page.rows[at + 3] == ["field", "value"]
    assert ["seed", "0"] in page.rows
    assert (
        page.texts.index("Recipe")
        < page.texts.index("batch")
        < page.texts.index(f"all {len(dataclasses.fields(default))} fields")
    )
    assert f"All fields are as in {NAME}." in page_of(tmp_path).texts


def test_photographs(tmp_path: Path) -> None:
    trained = photographs(5, [("a.jpg", "gray"), ("b.jpg", "gray"), ("c.jpg", "cannot be read: truncated")])
    page = page_of(tmp_path, trained=trained, held_out=photographs(2))
    count, left_out = page.row("training")
    assert re.fullmatch("5 photographs, sha256 [0-9a-f]{16}", count)
    assert left_out == "1 cannot be read, 2 gray"
    assert page.row("validation")[0].startswith("2 photographs")
    assert page.row("c.jpg") == ["cannot be read: truncated"]
    assert "details" in page.tags


def test_many_files_left_out_do_not_make_the_page_large(tmp_path: Path) -> None:
    trained = photographs(5, [(f"{i:04}.jpg", "gray") for i in range(5000)])
    page = page_of(tmp_path, trained=trained)
    assert sum(row[1:] == ["gray"] for row in page.rows) == report.NAMED
    assert "The first 50 are named here, all of them in left_out.txt." in page.texts


def test_starts(tmp_path: Path) -> None:
    starts = [
        start("2026-01-02T03:04:05+00:00", ["colorzoo", "train", "--out", "a run"]),
        '{"time": "2026-01-02T04',  # torn by a power cut
        start("2026-01-03T03:04:05+00:00", commit="ba9876543210-dirty"),
        start("2026-01-04T03:04:05+00:00", commit=""),
    ]
    page = page_of(tmp_path, starts=starts)
    at = page.rows.index(["time", "command", "versions", "commit", "devices"])
    assert page.rows[at + 1] == [
        "2026-01-02T03:04:05+00:00", "colorzoo train --out 'a run'", "python 3.11.7, keras 3.15.0", "0123456789ab",
        "/device:GPU:0",
    ]  # fmt: skip
    assert [row[3] for row in page.rows[at + 2 :]] == ["ba9876543210 with changes that were not committed", "not known"]


def test_time(tmp_path: Path) -> None:
    assert "images/s" not in "".join(page_of(tmp_path).texts)
    (tmp_path / "times.csv").write_text(
        "epoch,steps,training_seconds,seconds\r\n0,10,100.000,130.000\r\n1,5,60.000,110.000\r\n"
    )
    text = "".join(page_of(tmp_path, overrides={"batch": "8"}).texts)
    assert "4 min in all, 3 min of them training at 0.8 images/s" in text


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "0.2 s"), (61, "1 min"), (3600 * 26 + 59 * 60, "26 h 59 min")])
def test_duration(seconds: float, text: str) -> None:
    assert report._duration(seconds) == text


def test_everything_is_escaped(tmp_path: Path) -> None:
    folder = tmp_path / EVIL.replace("/", "")
    folder.mkdir()
    page = page_of(
        folder,
        log=LOG | {"<b>": (1.0, 2.0, 3.0)},
        starts=[start("<i>", ["colorzoo", EVIL], commit="<u>")],
        trained=photographs(5, [(EVIL, f"cannot be read: {EVIL}"), ("\udcff.jpg", "gray")]),
    )
    assert not {"script", "b", "i", "u"} & set(page.tags)
    assert {name for name, _ in page.attributes} <= {"lang", "charset", "http-equiv", "content", "name", "src", "alt"}
    assert page.row(EVIL) == [f"cannot be read: {EVIL}"]
    assert page.row("<i>")[2] == "<u>"
    assert any(text.endswith(folder.name) for text in page.texts), "the title"
    assert page.row("\\udcff.jpg") == ["gray"]
    assert {"<b>"} <= set(words(page.images()["svg+xml"]))


def test_nothing_is_fetched(tmp_path: Path) -> None:
    page = page_of(tmp_path, held_out=photographs(2))
    assert "://" not in (tmp_path / "report.html").read_text()
    assert not {"script", "link", "iframe", "a"} & set(page.tags)
    assert all(value.startswith("data:image/") for name, value in page.attributes if name == "src")
    svg = page.images()["svg+xml"].decode()
    assert not re.search(r"(href|src)\s*=\s*[\"'](?!#)|url\((?!#)|@import", svg)
    assert (tmp_path / "report.html").stat().st_size < 200_000


def test_images(tmp_path: Path) -> None:
    images = page_of(tmp_path, held_out=photographs(2)).images()
    assert set(images) == {"svg+xml", "jpeg"}
    pixels = np.asarray(Image.open(io.BytesIO(images["jpeg"])))
    assert pixels.shape == (40, 60, 3)
    assert np.abs(pixels.astype(int) - (200, 30, 90)).max() < 8


def test_no_validation(tmp_path: Path) -> None:
    nothing = ("NA",) * 3  # as Keras writes it
    page = page_of(tmp_path, log=LOG | {"val_learning_rate": nothing, "val_loss": nothing, "val_rmse": nothing})
    assert [row[0] for row in page.rows[:3]] == ["", "loss, training", "learning rate"]
    assert page.row("")[2] == "best.keras: epoch 3"
    text = "".join(page.texts)
    assert "lowest loss." in text
    assert "There was no validation set" in text
    assert "of the training set" in text


def test_adversarial(tmp_path: Path) -> None:
    page = page_of(
        tmp_path, name="pix2pix_scenes_v1", log=LOG | {"adversarial": (1.0, 1.5, 2.0), "discriminator": (0.5, 0.4, 0.3)}
    )
    assert page.row("adversarial, training") == ["1", "2", "1.5", "1 (epoch 1)"]
    assert page.row("discriminator, training")[-1] == "0.3 (epoch 3)"
    assert {"adversarial", "discriminator"} <= set(words(page.images()["svg+xml"]))


def test_one_epoch(tmp_path: Path) -> None:
    page = page_of(tmp_path, log={name: values[:1] for name, values in LOG.items()}, overrides={"epochs": "1"})
    assert page.row("") == ["first epoch", "last epoch, 1", "best.keras: epoch 1", "lowest"]
    assert any(" 1 epoch, " in text for text in page.texts)
    assert "0.9" not in "".join(words(page.images()["svg+xml"])), "epochs are whole"


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    """A validation loss may be NaN; there is no best.keras then."""
    nan = float("nan")
    page = page_of(tmp_path, log=LOG | {"val_loss": (nan, nan, nan), "val_rmse": (nan, 11.0, 12.0)})
    assert page.row("")[2] == "best.keras: none"
    assert page.row("loss, validation") == ["nan", "nan", "-", "-"]
    assert page.row("RMSE of ab (Lab units), validation")[-1] == "11 (epoch 2)"


def test_the_log_was_taken_away(tmp_path: Path) -> None:
    page_of(tmp_path)
    (tmp_path / "log.csv").write_text("")
    report.write(tmp_path, recipes.load(NAME), photographs(5), None, np.zeros((8, 8, 3), np.uint8))
    assert set(Page((tmp_path / "report.html").read_text()).images()) == {"jpeg"}


# === Curves ===


def words(svg: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_quantities_in_order() -> None:
    log = dict.fromkeys(["epoch", "adversarial", "learning_rate", "loss", "scene", "val_loss", "val_rmse", "val_scene"])
    assert quantities(log) == ["loss", "rmse", "adversarial", "scene", "learning_rate"]


def test_read_log(tmp_path: Path) -> None:
    write_log(tmp_path, LOG)
    assert read_log(tmp_path / "log.csv") == {"epoch": [0, 1, 2]} | {name: list(values) for name, values in LOG.items()}


def test_curves(tmp_path: Path) -> None:
    log = {"epoch": (0.0, 1.0, 2.0)} | LOG
    svg = draw(log, quantities(log), salt="x")
    assert draw(log, quantities(log), salt="x") == svg
    found = words(svg)
    assert [word for word in found if word[0].isalpha()] == [
        *("epoch", "loss", "training", "validation"),
        *("epoch", "RMSE of ab (Lab units)", "validation"),
        *("epoch", "learning rate"),
    ]
    assert {"1", "2", "3"} <= set(found), "epochs count from 1, as on the screen"
