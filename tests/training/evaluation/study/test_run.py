"""A whole study of two tiny presets: its tables, its page, and how it goes on after an interruption."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

import zoo
from tests.photographs import color_field
from tests.training.evaluation.study.fakes import two_layers
from tests.two_layers import without_tracing
from training.evaluation.protocol import evaluate, load_colorizer
from training.evaluation.study import measuring, run, shown, systems
from training.evaluation.study.figures import drawing
from training.evaluation.study.results import Results
from training.pretrained import efficientnet_lite0
from zoo.errors import ArgumentError, DataError, UnknownNameError
from zoo.registry import architecture

REFERENCES = ["gray", "mean color", "quantized truth", "truth"]
PRESETS = ["tiny_bins", "tiny_plain"]
N = 6  # photographs
BATCH = 4


@dataclass(frozen=True)
class Study:
    """A finished study, and what it was made of."""

    main: Callable[..., Results]
    out: Path
    data: Path
    presets: list[str]
    results: Results
    progress: list[tuple[int, int | None, str | None]]
    drawn: dict[str, str]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("study")
    data = write_photographs(folder / "photographs")
    networks = {
        "tiny_bins": zoo.create_model("color_unet", **architecture("color_unet").tiny),
        "tiny_plain": two_layers(),
    }
    models = {name: zoo.create_colorizer(network, 16) for name, network in networks.items()}
    presets = [str(folder / f"{name}.keras") for name in models]
    for path in presets:
        Path(path).write_text(path)  # what is loaded is made above, which takes less time
    (folder / "log.csv").write_text("epoch,adversarial,loss,val_rmse\n0,3.5,0.2,14\n1,3,0.1,13\n")
    drawn: dict[str, str] = {}
    progress: list[tuple[int, int | None, str | None]] = []

    def render(each: drawing.Drawing, kind: str) -> bytes:
        drawn[each.name] = each.title
        return b"\x89PNG" if kind == "png" else b"<svg/>"

    def main(*names: str, out: Path = folder / "out", **options: object) -> Results:
        return run.main(
            names or presets,
            data,
            out,
            **{"size": 16, "jobs": 2, "progress": lambda *found: progress.append(found)} | options,  # type: ignore[arg-type]
        )

    with pytest.MonkeyPatch.context() as patches, without_tracing():
        patches.setattr(efficientnet_lite0, "is_installed", lambda: False)
        patches.setattr(zoo, "load", lambda name, **_: models[Path(name).stem])
        for module in (measuring, systems):
            patches.setattr(module, "BATCH", BATCH)
        patches.setattr(shown, "EACH", 1)
        patches.setattr(drawing, "render", render)  # drawing to files takes longer than all the rest
        patches.setattr("training.evaluation.study.report._figure", lambda each, _: f"<h3>{each.title}</h3>")
        results = main(runs=[folder / "log.csv"])
        patches.setattr(run, "draw", lambda *_: iter(()))  # once is enough
        yield Study(main, folder / "out", data, presets, results, progress, drawn)


def write_photographs(folder: Path) -> Path:
    """N photographs in two class folders, one of odd sides, one of 16 bits, and a file that is none."""
    for i in range(N - 1):
        path = folder / ("coast", "forest")[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        color_field(i, 33 if i == 3 else 40, 48).save(path)
    deep = np.asarray(color_field(99, 40, 48)).astype(np.uint16) * 257
    cv2.imwrite(str(folder / "coast" / "deep.png"), deep[..., ::-1])
    (folder / "forest" / "damaged.png").write_bytes(b"not a picture")
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_results_have_a_row_for_each_system_with_intervals(study: Study) -> None:
    rows = {row["system"]: row for row in rows_of(study.out / "results.csv")}
    assert list(rows) == [*PRESETS, *REFERENCES]
    for row in rows.values():
        assert (row["data"], row["n"], row["size"]) == ("photographs", str(N), "16")
        assert float(row["rmse_low"]) <= float(row["rmse"]) <= float(row["rmse_high"])
    assert (rows["truth"]["rmse"], rows["truth"]["psnr"], rows["truth"]["psnr_infinite"]) == ("0", "inf", str(N))
    assert [rows["truth"][f"intersection_{axis}"] for axis in "ab"] == ["1", "1"]
    assert float(rows["gray"]["gain"]) == float(rows["gray"]["colorfulness"]) == 0
    assert float(rows["gray"]["rmse"]) > float(rows["mean color"]["rmse"]) > float(rows["quantized truth"]["rmse"]) > 0
    assert float(rows["quantized truth"]["rmse"]) < 5  # less than half of the step of the bins


def test_figures_are_those_of_evaluate(study: Study) -> None:
    pictures = list(np.asarray(study.results.truth.pictures))
    report = evaluate(load_colorizer(study.presets[0]), pictures)
    figures = study.results.figures["tiny_bins"]
    assert figures["rmse"].value == pytest.approx(report.colorized.rmse.mean())
    assert figures["ssim"].value == pytest.approx(report.colorized.ssim.mean())
    assert figures["colorfulness_ratio"].value == pytest.approx(report.colorfulness_ratio)
    assert figures["gain"].value == pytest.approx(report.gain, abs=1e-3)  # of gray in 8 bits
    assert study.results.truth.mean_ab == pytest.approx(report.mean_ab)


def test_results_are_means_of_the_rows_of_pictures(study: Study) -> None:
    images = rows_of(study.out / "per_image.csv")
    assert len(images) == N * 6
    for row in rows_of(study.out / "results.csv"):
        values = [float(image["ciede2000"]) for image in images if image["system"] == row["system"]]
        assert float(row["ciede2000"]) == pytest.approx(np.mean(values), rel=1e-4, abs=1e-6)
    assert {image["class"] for image in images} == {"coast", "forest"}


def test_every_pair_of_presets_and_gray_is_tested(study: Study) -> None:
    tests = [row for row in rows_of(study.out / "tests.csv") if row["measure"] == "rmse"]
    pairs = [(row["first"], row["second"]) for row in tests]
    assert pairs == [("tiny_bins", "tiny_plain"), ("tiny_bins", "gray"), ("tiny_plain", "gray")]
    figures = {row["system"]: float(row["rmse"]) for row in rows_of(study.out / "results.csv")}
    for row in tests:
        assert float(row["difference"]) == pytest.approx(figures[row["first"]] - figures[row["second"]], abs=1e-3)
        assert float(row["p"]) <= float(row["p_holm"]) <= 1


def test_every_figure_is_drawn_and_names_its_paper(study: Study) -> None:
    both = {f"sheet_{name}" for name in ("all", *PRESETS)}
    of_bins = {"confidence_tiny_bins", "temperatures_tiny_bins"}
    others = {"box_plots", "ab_plane", "axis_histograms", "bin_frequencies", "bin_weights_truth", "learning_curves"}
    assert study.drawn.keys() == both | of_bins | others
    assert not [title for title in study.drawn.values() if not re.search(r"\(after Fig\. \d of .+\)", title)]
    files = {path.name for path in (study.out / "figures").iterdir()}
    assert files == {f"{name}.{kind}" for name in study.drawn for kind in ("png", "svg")}


def test_page_needs_nothing_else(study: Study) -> None:
    page = (study.out / "report.html").read_text()
    assert f"2 presets on {N} photographs of photographs" in page
    assert "damaged.png" in page
    assert not re.search(r"(src|href)=[\"']?(?!data:)", page)
    assert all(f"<h3>{title}</h3>" in page for title in study.drawn.values())


def test_progress_counts_photographs(study: Study) -> None:
    labels = list(dict.fromkeys(label for _, _, label in study.progress))
    assert labels[:3] == ["Reading", "tiny_bins", "tiny_plain"]
    assert (0, N + 1, "Reading") in study.progress
    assert (N * 6, N * 6, "truth") in study.progress


def test_finished_photographs_are_not_computed_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (study.out / "results.csv").read_bytes()
    part = next((study.out / "parts").glob("tiny_plain-*/00001.npz"))
    part.write_bytes(part.read_bytes()[:100])  # as a full disk leaves it
    batches = []

    def load(name: str) -> Callable[[np.ndarray], np.ndarray]:
        colorize = load_colorizer(name)
        return lambda rgb: batches.append(len(rgb)) or colorize(rgb)  # type: ignore[func-returns-value]

    monkeypatch.setattr(systems, "load_colorizer", load)
    study.main()
    # A look at whether the color is ignored, twice, and the second batch, of the last photographs.
    assert batches == [BATCH, BATCH, N - BATCH]
    assert (study.out / "results.csv").read_bytes() == before


def test_other_settings_need_another_folder(study: Study) -> None:
    with pytest.raises(ArgumentError, match="size was 16 and is 24.*name another folder"):
        study.main(size=24)
    with pytest.raises(ArgumentError, match="photographs was"):
        study.main(limit=4)


def test_what_cannot_be_studied_is_refused_before_the_work(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UnknownNameError, match="no_such_preset"):
        study.main("no_such_preset", out=out)
    with pytest.raises(ArgumentError, match="tiny_bins is the name of two rows"):
        study.main(study.presets[0], study.presets[0], out=out)
    with pytest.raises(ArgumentError, match="size 8"):
        study.main(size=8, out=out)
    with pytest.raises(ArgumentError, match="limit 0"):
        study.main(limit=0, out=out)
    with pytest.raises(ArgumentError, match="neither the folder of a run"):
        study.main(runs=[tmp_path], out=out)
    with pytest.raises(DataError, match="not a folder"):
        run.main(study.presets, tmp_path / "nothing", out)
    assert not out.exists()


def test_wrong_results_are_refused(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "load_colorizer", lambda name: lambda rgb: rgb[:, 1:])
    monkeypatch.setattr(systems, "check_color_ignored", lambda *_: None)
    with pytest.raises(ArgumentError, match=r"tiny_plain returned uint8 \(4, 15, 16, 3\)"):
        study.main(study.presets[1], out=tmp_path / "out")
