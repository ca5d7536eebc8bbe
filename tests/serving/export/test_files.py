"""Files for other runtimes: what they are called, when they are refused, and what the runtimes make of them."""

import json
import zipfile
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import zoo
from colorzoo.app import app
from serving.export import files
from serving.export.check import ExportError
from serving.export.files import FORMATS, export_file
from serving.export.graph import COLORIZED, IMAGE
from serving.export.keras_file import export_keras
from tests.accept_golden import formula_network
from tests.photographs import write_fields
from zoo.errors import ArgumentError
from zoo.presets.portable import portable_config

SIZE = (24, 36)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "tiny.keras"
    network = formula_network("color_unet", {"filters": (4, 4), "bins": 4})
    zoo.create_colorizer(network, 16, saturation=1.2).save(path)
    return path


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    write_fields(folder, 6, seed=0)
    return folder


class FakeRuntime(SimpleNamespace):
    """A runtime whose files hold nothing, and whose pictures are the images, as the colorizer's are, plus an error."""

    error = 0
    images: list[np.ndarray]

    def write(self, graph: Any, path: Path, precision: str, images: list[np.ndarray]) -> None:
        self.images = images
        for suffix in (".bin", path.suffix):
            path.with_suffix(suffix).write_text(precision)

    def load(self, path: Path) -> Any:
        return lambda image: np.clip(image.astype(int) + self.error, 0, 255).astype(np.uint8)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    made = FakeRuntime(images=[])
    monkeypatch.setattr(zoo, "load", lambda preset: lambda image: image)
    monkeypatch.setattr(files, "import_module", lambda name: made)
    monkeypatch.setattr(files, "find_spec", lambda name: True)
    monkeypatch.setattr(files, "trace", lambda model, size: None)
    monkeypatch.setattr(files, "SIZES", (SIZE,))
    return made


def test_names_of_files(runtime: FakeRuntime, photographs: Path, tmp_path: Path) -> None:
    export_file("tiny", tmp_path / "a", "onnx")
    export_file("tiny", tmp_path / "a", "openvino", size=(40, 56), precision="float16")
    export_file("tiny", tmp_path / "a", "litert", size=SIZE, precision="int8", calibration=photographs)
    names = ["tiny-24x36-int8.tflite", "tiny-40x56-float16.bin", "tiny-40x56-float16.xml", "tiny.onnx"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    with pytest.raises(ArgumentError, match="tiny.onnx exists: choose another folder"):
        export_file("tiny", tmp_path / "a", "onnx")


def test_half_of_the_photographs_calibrate(runtime: FakeRuntime, photographs: Path, tmp_path: Path) -> None:
    made = export_file("tiny", tmp_path, "onnx", size=SIZE, precision="int8", calibration=photographs)
    assert [image.shape for image in runtime.images] == [(1, *SIZE, 3)] * 3
    assert made.largest == made.ciede2000 == 0
    (tmp_path / "one").mkdir()
    write_fields(tmp_path / "one", 1, seed=0)
    with pytest.raises(ArgumentError, match="holds 1 photographs: at least 2"):
        export_file("tiny", tmp_path, "onnx", precision="int8", calibration=tmp_path / "one")


@pytest.mark.parametrize(("precision", "error"), [("float32", 2), ("float16", 30), ("int8", 90)])
def test_what_differs_too_much_leaves_nothing(
    precision: str, error: int, runtime: FakeRuntime, photographs: Path, tmp_path: Path
) -> None:
    runtime.error = error
    calibration = photographs if precision == "int8" else None
    with pytest.raises(ExportError, match=f"does not compute what the .keras file does in {precision}: they differ by"):
        export_file("tiny", tmp_path / "out", "openvino", size=SIZE, precision=precision, calibration=calibration)
    assert not list(tmp_path.rglob("*.*"))
    runtime.error = 1
    if precision != "float32":  # of which nearly nothing may differ at all
        made = export_file("tiny", tmp_path, "openvino", size=SIZE, precision=precision, calibration=calibration)
        assert made.largest == 1


def test_what_the_converter_refuses_is_one_line(
    runtime: FakeRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "trace", lambda model, size: int("no number\nat all"))
    with pytest.raises(ExportError) as caught:
        export_file("tiny", tmp_path, "onnx")
    assert str(caught.value).startswith("tiny does not become a file for onnx: invalid literal for int()")
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("format", "settings", "message"),
    [
        ("png", {}, "format is 'png': it must be one of onnx, litert, openvino"),
        ("onnx", {"precision": "bfloat16"}, "precision is 'bfloat16': onnx has float32, float16, int8"),
        ("onnx", {"size": (0, 5)}, "size is 0 x 5: both sides must be at least 1"),
        ("onnx", {"precision": "int8"}, "int8 needs a folder of photographs"),
        ("onnx", {"calibration": Path("photographs")}, "no other precision takes one"),
    ],
)
def test_arguments(format: str, settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        export_file("lite_unet_photos_v2", tmp_path, format, **settings)


def test_packages_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name))
    with pytest.raises(ExportError) as caught:
        export_file("tiny", tmp_path, "onnx")
    assert str(caught.value) == "onnx needs onnxruntime: install with  pip install 'colorzoo[onnx]'"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "64"], "'64' is not HEIGHTxWIDTH"),
        (["--size", "48x64"], "--size and --calibration are for onnx"),
        (["--format", "onnx", "--version", "2"], "version is 2: onnx has none"),
        (["--format", "keras", "--precision", "int8"], "precision is int8: the weights of a .keras file stay"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "lite_unet_photos_v2", "-o", str(tmp_path), *options])
    assert message in done.output + str(done.exception)


def test_keras(saved: Path, tmp_path: Path) -> None:
    path = export_keras(saved, tmp_path / "portable")
    assert path == tmp_path / "portable" / "tiny.keras"
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    assert portable_config(config) == config
    with pytest.raises(ArgumentError, match="tiny.keras exists"):
        export_keras(saved, tmp_path / "portable")


# === With the runtimes themselves ===


def skip_without(format: str, precision: str = "float32") -> None:
    row = FORMATS[format]
    missing = [name for name in (*row.packages, *(row.for_int8 if precision == "int8" else ())) if not find_spec(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'colorzoo[{format}]'")  # dev has ONNX alone


@pytest.mark.parametrize("precision", files.PRECISIONS)
def test_onnx(precision: str, tmp_path: Path) -> None:
    """Of a function that is converted at once, as whole colorizers are not."""
    skip_without("onnx", precision)
    from serving.export import onnx

    draw = np.random.default_rng(0)
    kernels = draw.uniform(-0.2, 0.2, (3, 3, 3, 16)).astype(np.float32), draw.uniform(0, 0.1, (1, 1, 16, 3))

    def paint(image: tf.Tensor) -> dict[str, tf.Tensor]:
        inner = tf.nn.relu(tf.nn.conv2d(tf.cast(image, tf.float32), kernels[0], 1, "SAME"))
        painted = tf.nn.conv2d(inner, kernels[1].astype(np.float32), 1, "SAME")
        return {COLORIZED: tf.cast(tf.clip_by_value(painted, 0, 255), tf.uint8)}

    spec = tf.TensorSpec((1, None, None, 3), tf.uint8, IMAGE)
    function = tf.function(paint, [spec], autograph=False).get_concrete_function()
    images = list(draw.integers(0, 256, (4, 1, *SIZE, 3)).astype(np.uint8))
    onnx.write(function, tmp_path / "tiny.onnx", precision, images)
    run = onnx.load(tmp_path / "tiny.onnx")
    for image in (images[0], images[0][:, :7, :9]):
        expected = function(tf.constant(image))[COLORIZED].numpy().astype(int)
        assert np.abs(run(image) - expected).max() <= {"float32": 1, "float16": 2, "int8": 6}[precision]
    data = (tmp_path / "tiny.onnx").read_bytes()
    assert (b"_half" in data, b"QuantizeLinear" in data) == (precision == "float16", precision == "int8")


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("precision", files.PRECISIONS)
@pytest.mark.parametrize("size", [None, SIZE], ids=["any", "fixed"])
def test_every_format(
    format: str, precision: str, size: tuple[int, int] | None, saved: Path, photographs: Path, tmp_path: Path
) -> None:
    skip_without(format, precision)
    calibration = photographs if precision == "int8" else None
    made = export_file(saved, tmp_path, format, size=size, precision=precision, calibration=calibration)
    print(format, precision, size, made)
    assert made.ciede2000 < 5


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", zoo.list_presets())
def test_every_preset(name: str, format: str, tmp_path: Path) -> None:
    skip_without(format)
    assert export_file(name, tmp_path, format).largest <= 1
