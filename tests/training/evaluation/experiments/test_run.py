"""training.evaluation.experiments.run: training all variants, then one study of them."""

import pytest
from typer.testing import CliRunner

from tests.photographs import write_fields
from training.evaluation.experiments import run
from training.evaluation.experiments.__main__ import app
from training.evaluation.experiments.designs import EXPERIMENTS

NAME = "autoencoder_loss"
VARIANTS = ("squared", "smooth_absolute", "cross_entropy")


def test_variants_are_trained_once_and_compared(tmp_path, monkeypatch):
    data = write_fields(tmp_path / "data", 6)
    trained, studies, said = [], [], []

    def train(recipe, photographs, val, out, strategy):
        trained.append((recipe.distance, recipe.epochs, photographs, val))
        out.mkdir(parents=True)
        (out / "last.keras").write_text(recipe.distance)

    def study(presets, test, out, **options):
        studies.append((presets, test, out, options))
        out.mkdir(exist_ok=True)
        rows = [f"{name},data,6,32,2\n" for name in VARIANTS]
        (out / "results.csv").write_text("system,data,n,size,mse_rgb\n" + "".join(rows))
        (out / "tests.csv").write_text("measure,first,second,difference,p_holm\n")

    monkeypatch.setattr(run, "train", train)
    monkeypatch.setattr(run, "study", study)
    out = tmp_path / "out"
    for _ in range(2):
        run.main(EXPERIMENTS[NAME], data, None, data, out, {"epochs": "3"}, limit=5, announce=said.append)
    assert trained == [(name, 3, [data], None) for name in VARIANTS]
    assert said[:3] == [f"{name}: training" for name in VARIANTS]
    assert said[4:7] == [f"{name}: is trained" for name in VARIANTS]
    networks = [out / "networks" / f"{name}.keras" for name in VARIANTS]
    assert [path.read_text() for path in networks] == list(VARIANTS)
    options = {"size": 32, "limit": 5, "vgg19": None, "runs": [out / "runs" / name for name in VARIANTS]}
    assert studies == [([str(path) for path in networks], data, out / "study", options)] * 2
    assert "| cross_entropy | 2 |" in (out / "comparison.md").read_text()


def test_photographs_are_an_even_choice(tmp_path):
    data = write_fields(tmp_path / "data", 20)
    for _ in range(2):
        links = sorted(path for path in run.choose(data, 8, tmp_path / "links").rglob("*.*"))
        assert [path.parent.name for path in links] == ["coast"] * 4 + ["forest"] * 4
        assert all(path.is_symlink() and path.resolve().parent.parent == data for path in links)


def test_unknown_name_lists_the_experiments():
    done = CliRunner().invoke(app, ["nothing", "--data", ".", "--test", ".", "-o", "x"])
    assert done.exit_code == 2
    assert "no experiment is called 'nothing': there are ibn_gan, autoencoder_regularization" in done.stderr


@pytest.mark.slow
def test_a_small_experiment_from_photographs_to_its_page(tmp_path):
    train, test = (write_fields(tmp_path / name, 32, seed=seed) for seed, name in enumerate(("train", "test")))
    command = [NAME, "--data", train, "--val", test, "--test", test, "-o", tmp_path / "out", "--set", "epochs=1"]
    done = CliRunner().invoke(app, [*map(str, command), "--set", "width=0.125"])
    assert done.exit_code == 0, done.stderr
    out = tmp_path / "out" / NAME
    page = (out / "comparison.md").read_text()
    assert page.count("**This ") == 2
    assert "32 photographs of `test` at 32 x 32" in page
    assert (out / "study" / "figures" / "learning_curves.svg").exists()
