"""The confidence in photographs of any shape, and the figures that `colorzoo confidence` writes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops
from PIL import Image

import zoo
from tests.photographs import color_field
from training.evaluation import confidence_sheets
from training.evaluation.confidence_maps import Confidence, map_confidence
from training.evaluation.confidence_sheets import main
from training.evaluation.study.figures import drawing
from zoo import color
from zoo.colorizer import Parts
from zoo.confidence import confidence
from zoo.errors import ArgumentError, DataError
from zoo.registry import architecture


def test_maps_of_a_square_are_those_of_the_network() -> None:
    network = zoo.create_model("color_unet", **architecture("color_unet").tiny)
    rgb = np.asarray(color_field(0, 32, 32))
    found = map_confidence(Parts(network, 32))(rgb)
    expected = confidence(network)(color.lightness(rgb[None].astype(np.float32) / 255))
    np.testing.assert_allclose(found.top, ops.convert_to_numpy(expected["top"])[0, ..., 0], atol=1e-5)
    np.testing.assert_allclose(found.ratio, ops.convert_to_numpy(expected["ratio"])[0, ..., 0], rtol=1e-4)
    wide = map_confidence(Parts(network, 32))(np.asarray(color_field(0, 21, 45)))
    assert wide.top.shape == wide.ratio.shape == (21, 45)
    assert (wide.ratio >= 1 - 1e-5).all() and (wide.top > 0).all() and (wide.top <= 1).all()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset of no network, which is half sure everywhere."""

    def load(name: str) -> object:
        return lambda rgb, training: rgb

    def half_sure(rgb: np.ndarray) -> Confidence:
        return Confidence(np.full(rgb.shape[:2], 0.5, np.float32), np.full(rgb.shape[:2], 2.0, np.float32))

    monkeypatch.setattr(zoo, "load", load)
    monkeypatch.setattr(confidence_sheets, "parts_of", lambda model: SimpleNamespace())
    monkeypatch.setattr(confidence_sheets, "map_confidence", lambda parts: half_sure)
    monkeypatch.setattr(drawing, "render", lambda each, kind: b"")


def test_a_figure_for_each_photograph(stub: None, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        color_field(0, 20, 30).save(tmp_path / folder / "x.png")
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    Image.fromarray(np.full((9, 7), 50, np.uint8)).save(tmp_path / "gray.png")
    out = tmp_path / "out"
    sheets = main([str(tmp_path)], "p", out, lambda *_: None)
    assert {(sheet.source.name, sheet.name) for sheet in sheets} == {
        ("x.png", "x-confidence"),
        ("x.png", "x-confidence-2"),
        ("gray.png", "gray-confidence"),
        ("bad.jpg", ""),
    }
    good = [sheet for sheet in sheets if not sheet.error]
    assert {(sheet.top, sheet.ratio) for sheet in good} == {(0.5, 2.0)}
    assert {path.name for path in out.iterdir()} == {f"{each.name}.{kind}" for each in good for kind in ("png", "svg")}


def test_nothing_to_draw(stub: None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no photograph"):
        main([str(tmp_path)], "p", tmp_path / "out", lambda *_: None)


def test_networks_without_classes_are_refused(tmp_path: Path) -> None:
    network = zoo.create_model("pix2pix", **architecture("pix2pix").tiny)
    with pytest.raises(ArgumentError, match="predicts colors directly"):
        map_confidence(Parts(network, 32))
