"""The published tables are those of docs/results/*.csv, and the presets in them those that ship."""

import pytest
from PIL import Image

import zoo
from scripts import results
from training.evaluation.protocol import evaluate, load_colorizer, squeeze

NAMES = sorted(path.stem for path in results.RESULTS.glob("*.csv"))


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    results.write_samples(folder)
    return [squeeze(Image.open(path).convert("RGB"), 128) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("page", results.PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_files(page):
    text = page.read_text()
    assert results.TABLE.search(text)
    assert results.updated(text) == text, "run: PYTHONPATH=. python scripts/results.py"


def test_tables_that_differ_are_seen():
    page = results.PAGES[0].read_text()
    assert results.updated(page.replace("% |", "% !|", 1)) == page


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_in_the_results_with_its_published_figures(name):
    rows = {row["system"]: row for row in results.read_results(name)}
    assert set(zoo.list_presets()) <= rows.keys()
    for preset in map(zoo.preset, zoo.list_presets()):
        row = rows[preset.name]
        assert int(row["parameters"]) == preset.parameters
        if name == "scenes_test":
            # Of the same photographs; the last digits depend on the machine.
            assert float(row["rmse"]) == pytest.approx(preset.metrics["rmse"], abs=0.01)
            assert float(row["gain"]) == pytest.approx(preset.metrics["gain"], abs=0.001)


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.list_presets())
def test_presets_have_their_recorded_figures_on_the_samples(name, samples):
    report = evaluate(load_colorizer(name), samples)
    (row,) = [row for row in results.read_results("samples") if row["system"] == name]
    recorded = {column: float(row[column]) for column in ("rmse", "ssim", "colorfulness")}
    found = {"rmse": report.colorized.rmse, "ssim": report.colorized.ssim, "colorfulness": report.colorfulness}
    assert {column: values.mean() for column, values in found.items()} == pytest.approx(recorded, rel=1e-3)


def test_missing_columns_are_left_out():
    rows = [{"system": "gray", "parameters": "", "rmse": "1.5", "gain": "0"}]
    assert results.table(rows, "all") == "|  | RMSE on ab | below gray |\n|---|---|---|\n| gray | 1.50 | 0.0 % |\n"
    rows[0] |= {"rmse_low": "1.25", "rmse_high": "1.75"}
    assert "| gray | 1.50 (1.25 to 1.75) | 0.0 % |" in results.table(rows, "all")
