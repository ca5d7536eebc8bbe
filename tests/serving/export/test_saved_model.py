"""SavedModels against the colorizers that they are made of, and what a server may ask of their folders."""

import functools
import io
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2
from typer.testing import CliRunner

import zoo
from colorzoo.app import app
from media.reader import read_rgb
from serving.client.rpc import ANSWER_FORMATS
from serving.export import check as checking
from serving.export import saved_model as exporting
from serving.export import signatures as making
from serving.export.check import ExportError, check, signatures_of
from serving.export.saved_model import export, versions
from serving.export.signatures import SIGNATURES
from tests.accept_golden import formula_network
from tests.photographs import color_field
from zoo import color
from zoo.colorizer import network_of
from zoo.confidence import confidence
from zoo.errors import ArgumentError, UnknownNameError
from zoo.pipeline import recompose

SIZES = [(1, 1), (33, 47), (256, 256), (64, 20)]
TINY = {"color_unet": 48, "iizuka2016": 32}  # one that scores classes, one that does not
SMALL_WARM_UP = ((32, 48), (20, 16))
MAX_PIXELS = 70_000


def encoded(image: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(target, kind, **options)
    return target.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.asarray(color_field(seed, height, width))


def tiny(name: str) -> keras.Model:
    return zoo.create_colorizer(formula_network(name), TINY[name], saturation=1.2)


@pytest.fixture(scope="module", autouse=True)
def without_optimizing() -> Iterator[None]:
    """Optimizing a graph takes longer than running it once; the session in which an export is checked does it still."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False} | before)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return tiny("color_unet")


@pytest.fixture(scope="module")
def saved(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "tiny_unet.keras"
    model.save(path)
    return path


@dataclass
class Export:
    """A folder with one export that was checked, and what the check asked and compared it with."""

    models: Path
    replayed: list[tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]]
    reference: Any

    def one_of_each(self) -> list[tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]]:
        """The first request of each signature, with its answer."""
        first = {}
        for request in self.replayed:
            first.setdefault(request[0], request)
        return list(first.values())

    @property
    def colorized(self) -> dict[str, np.ndarray]:
        """The answer of rgb."""
        return next(outputs for signature, _, outputs in self.replayed if signature == "rgb")


@pytest.fixture(scope="module")
def exported(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Made once, since tracing and checking take long; without the command of TensorFlow, which takes longer."""
    made = Export(tmp_path_factory.mktemp("models"), [], None)
    replay, reference = checking._replay, checking._Reference

    def keep_replayed(folder: Path) -> Any:
        made.replayed = replay(folder)
        return made.replayed

    def keep_reference(original: keras.Model) -> Any:
        made.reference = reference(original)
        return made.reference

    with (
        mock.patch.object(exporting, "WARM_UP_SIZES", SMALL_WARM_UP),
        mock.patch.object(making, "HELD_PIXELS", 7_000),
        mock.patch.object(checking, "_replay", keep_replayed),
        mock.patch.object(checking, "_Reference", keep_reference),
        mock.patch.object(checking, "_from_command", lambda *_: made.colorized),
    ):
        export(saved, made.models, max_pixels=MAX_PIXELS)
    return made


@pytest.fixture(scope="module")
def models(exported: Export) -> Path:
    return exported.models


@dataclass
class Loaded:
    """A SavedModel that was loaded, and the picture that the colorizer behind it makes of one (H, W, 3)."""

    model: keras.Model
    signatures: dict[str, Callable[[Any], dict[str, tf.Tensor]]]
    expected: Callable[[np.ndarray], np.ndarray]


def load(folder: Path, model: keras.Model) -> Loaded:
    program = tf.saved_model.load(str(folder))
    # Kept, since its signatures do not hold the variables.
    signatures = {name: functools.partial(ask, program, name) for name in program.signatures}
    graph = tf.function(model, input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)], autograph=False)
    return Loaded(model, signatures, lambda image: graph(image[None]).numpy()[0].astype(np.int32))


def ask(program: Any, name: str, value: Any) -> dict[str, tf.Tensor]:
    return dict(program.signatures[name](**{SIGNATURES[name].input.name: tf.convert_to_tensor(value)}))


@pytest.fixture(scope="module")
def loaded_unet(models: Path, model: keras.Model) -> Loaded:
    return load(models / "tiny_unet" / "1", model)


@pytest.fixture(scope="module")
def unet(loaded_unet: Loaded) -> dict[str, Any]:
    return loaded_unet.signatures


@pytest.fixture(scope="module", params=["color_unet", pytest.param("iizuka2016", marks=pytest.mark.slow)])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Exports for which large pictures wait for the network, and the largest are decoded again."""
    if request.param == "color_unet":
        found: Loaded = request.getfixturevalue("loaded_unet")
        return found
    folder, other = tmp_path_factory.mktemp("other"), tiny(request.param)
    with mock.patch.object(making, "HELD_PIXELS", 7_000):
        exporting._write(other, folder, MAX_PIXELS)
    return load(folder, other)


def write_slowly(model: keras.Model, folder: Path, max_pixels: int) -> None:
    """Files where those of a SavedModel are; the one that servers look for comes first, as in TensorFlow."""
    for name in "saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001":
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
        time.sleep(0.02)


@pytest.fixture
def unwritten(model: keras.Model) -> Iterator[None]:
    """Exports whose programs are empty, since writing and checking them takes long, as loading the model does."""
    with (
        mock.patch.object(zoo, "load", return_value=model),
        mock.patch.object(exporting, "WARM_UP_SIZES", SMALL_WARM_UP),
        mock.patch.object(exporting, "_write", write_slowly),
        mock.patch.object(exporting, "signatures_of", return_value={"serving_default": None}),
        mock.patch.object(exporting, "check", return_value=(0.0, 0.0)),
    ):
        yield


# === The signatures ===


def test_pictures_are_those_of_the_colorizer(loaded: Loaded) -> None:
    images = [picture(*size, seed) for seed, size in enumerate(SIZES)]
    answered = loaded.signatures["serving_default"]([encoded(image) for image in images])
    assert list(answered) == ["png_bytes"]
    for image, data in zip(images, answered["png_bytes"].numpy(), strict=True):
        expected = loaded.expected(image)
        assert np.abs(decoded(data) - expected).max() <= 1
        assert Image.open(io.BytesIO(data)).format == "PNG"
        assert image.size < 100 or np.ptp(expected, axis=-1).max() > 20  # there is color to compare


def test_pixels_are_those_of_the_colorizer(loaded: Loaded) -> None:
    images = np.stack([picture(45, 70, seed) for seed in range(3)])
    colorized = loaded.signatures["rgb"](images)["colorized"].numpy()
    assert colorized.dtype == np.uint8
    for image, found in zip(images, colorized, strict=True):
        assert np.abs(found - loaded.expected(image)).max() <= 1


def test_large_pictures_are_joined_strip_by_strip(loaded: Loaded) -> None:
    image = picture(211, 330, 5)  # two strips, the second one shorter
    colorized = loaded.signatures["rgb"](image[None])["colorized"].numpy()[0]
    assert np.abs(colorized - loaded.expected(image)).max() <= 1


def test_ab_gives_the_same_picture(loaded: Loaded) -> None:
    image = picture(40, 60)
    lightness = np.asarray(color.lightness(image[None].astype(np.float32) / 255))
    ab = loaded.signatures["lightness"](lightness)["ab"]
    assert ab.shape == (1, 40, 60, 2) and ab.dtype == tf.float32
    rgb = np.round(np.asarray(recompose(lightness, ab)) * 255)
    assert np.abs(rgb[0] - loaded.expected(image)).max() <= 1


def test_jpeg(unet: dict[str, Any]) -> None:
    data = encoded(picture(40, 60))
    (made,) = unet["jpeg"](tf.constant([data]))["jpeg_bytes"].numpy()
    opened = Image.open(io.BytesIO(made))
    assert opened.format == "JPEG" and opened.size == (60, 40)
    assert [sampling[1:3] for sampling in opened.layer] == [(1, 1)] * 3  # chroma is not subsampled
    png = decoded(unet["serving_default"](tf.constant([data]))["png_bytes"].numpy()[0])
    assert np.abs(np.asarray(opened).astype(np.int32) - png).mean() < 2


def test_a_jpeg_is_colorized_like_the_pixels_that_the_reader_gives(unet: dict[str, Any]) -> None:
    data = encoded(picture(41, 60), "JPEG", quality=98, subsampling="4:2:0")
    pixels = np.asarray(read_rgb(data))
    found, expected = unet["serving_default"](tf.constant([data, encoded(pixels)]))["png_bytes"].numpy()
    assert found == expected


def test_confidence(loaded: Loaded) -> None:
    if "scores" not in {layer.name for layer in network_of(loaded.model).layers}:
        assert "confidence" not in loaded.signatures
        return
    image = picture(48, 48)
    answered = loaded.signatures["confidence"]([encoded(image), encoded(picture(20, 33))])
    maps = [decoded(data) for data in answered["confidence_bytes"].numpy()]
    assert [found.shape for found in maps] == [(48, 48), (20, 33)]
    assert [found.mean() / 65535 for found in maps] == pytest.approx(answered["mean_confidence"].numpy(), abs=1e-4)
    size = TINY["color_unet"]
    if size == loaded.model.get_layer("frame").output.shape[1]:  # then the frame is the picture itself
        lightness = np.asarray(color.lightness(image[None].astype(np.float32) / 255))
        top = np.asarray(confidence(network_of(loaded.model))(lightness)["top"])[0, ..., 0]
        np.testing.assert_allclose(maps[0] / 65535, top, atol=1e-4)


def test_formats(unet: dict[str, Any]) -> None:
    image = picture(38, 57)
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0"
    transparent = Image.fromarray(image).convert("RGBA")
    transparent.putalpha(99)
    given = [
        encoded(image, "JPEG", quality=100, subsampling=0),
        encoded(image, "JPEG", quality=100, subsampling=0, progressive=True),
        encoded(image, "BMP"),
        encoded(image, "WEBP", quality=100),
        encoded(image, "WEBP", lossless=True),
        encoded(image, "WEBP", lossless=True, exif=exif),  # the extended form
        encoded(Image.fromarray(image).convert("RGBA"), "WEBP", lossless=True, exact=True),
        encoded(transparent, "WEBP", lossless=True, exact=True),
        encoded(transparent, "WEBP", lossless=True, exact=True, save_all=True, append_images=[transparent.rotate(180)]),
        encoded(image),
    ]
    *others, expected = unet["serving_default"](tf.constant(given))["png_bytes"].numpy()
    for data in others:
        assert decoded(data).shape == (38, 57, 3)
        assert np.abs(decoded(data).astype(np.int32) - decoded(expected)).mean() < 2.5


def test_modes(unet: dict[str, Any]) -> None:
    gray = Image.fromarray(picture(38, 57)).convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    given = [gray, deep, *(gray.convert(mode) for mode in ("LA", "RGBA", "P", "RGB"))]
    answered = unet["serving_default"](tf.constant([encoded(image) for image in given]))["png_bytes"].numpy()
    for data in answered:
        assert decoded(data).shape == (38, 57, 3)
        assert np.abs(decoded(data).astype(np.int32) - decoded(answered[0])).max() <= 1
    assert np.ptp(decoded(answered[0]), axis=-1).max() > 20


BOMBS = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (40_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0",
    "bmp": b"BM" + bytes(16) + (40_000).to_bytes(4, "little") * 2,
    "bmp from the top": b"BM" + bytes(16) + (300).to_bytes(4, "little") + (2**32 - 300).to_bytes(4, "little"),
    "webp": b"RIFF\xff\0\0\0WEBPVP8 \xff\0\0\0\0\0\0\x9d\x01\x2a" + (16_000).to_bytes(2, "little") * 2,
    "lossless webp": b"RIFF\xff\0\0\0WEBPVP8L\xff\0\0\0\x2f" + (9_999 | 9_999 << 14).to_bytes(4, "little") + bytes(5),
    "extended webp": b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (9_999).to_bytes(3, "little") * 2,
}


def refused(unet: dict[str, Any], signature: str, data: bytes) -> str:
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        unet[signature](tf.constant([encoded(picture(8, 8)), data]))  # a good one before
    return str(caught.value.message)


def test_bombs_are_refused_by_their_header(unet: dict[str, Any]) -> None:
    for kind, data in BOMBS.items():
        assert "too many pixels, the limit being 70000" in refused(unet, "serving_default", data), kind
    large = picture(270, 270)
    assert "too many pixels" in refused(unet, "jpeg", encoded(large, "JPEG"))
    for signature, value in {"rgb": large, "lightness": large[..., :1].astype(np.float32)}.items():
        with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels"):
            unet[signature](value[None])


def test_what_is_no_picture(unet: dict[str, Any]) -> None:
    for data in b"", b"x", b"GIF89a" + bytes(40), b"\xff\xd8\xff", BOMBS["png"][:20], b"BM":
        refused(unet, "serving_default", data)
    assert "JPEG, PNG, WebP or BMP is needed" in refused(unet, "serving_default", b"GIF89a" + bytes(40))
    for kind in ("PNG", "JPEG", "WEBP", "BMP"):
        whole = encoded(picture(60, 60), kind)
        refused(unet, "serving_default", whole[: len(whole) // 2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="The batch is empty"):
        unet["serving_default"](tf.constant([], tf.string))


# === The folder ===


def test_layout(models: Path) -> None:
    folder = models / "tiny_unet" / "1"
    assert [path.name for path in (models / "tiny_unet").iterdir()] == ["1"]
    assert (folder / "saved_model.pb").is_file() and (folder / "variables").is_dir()
    facts = json.loads((folder / "assets.extra" / "colorzoo.json").read_text())
    assert facts["preset"] == "tiny_unet" and facts["precision"] == "float32" and facts["max_pixels"] == 70_000
    assert facts["difference"]["largest"] <= 1


def test_signatures_have_names_types_and_shapes(models: Path) -> None:
    found = {
        name: tuple(
            {key: (info.dtype, [dim.size for dim in info.tensor_shape.dim]) for key, info in side.items()}
            for side in (definition.inputs, definition.outputs)
        )
        for name, definition in signatures_of(models / "tiny_unet" / "1").items()
    }
    string, uint8, float32 = (kind.as_datatype_enum for kind in (tf.string, tf.uint8, tf.float32))
    # Written out, since clients rely on it: the table of signatures must not change unnoticed.
    assert found == {
        "serving_default": ({"image_bytes": (string, [-1])}, {"png_bytes": (string, [-1])}),
        "jpeg": ({"image_bytes": (string, [-1])}, {"jpeg_bytes": (string, [-1])}),
        "rgb": ({"image": (uint8, [-1, -1, -1, 3])}, {"colorized": (uint8, [-1, -1, -1, 3])}),
        "lightness": ({"lightness": (float32, [-1, -1, -1, 1])}, {"ab": (float32, [-1, -1, -1, 2])}),
        "confidence": (
            {"image_bytes": (string, [-1])},
            {"confidence_bytes": (string, [-1]), "mean_confidence": (float32, [-1])},
        ),
    }
    assert found.keys() == SIGNATURES.keys()


def test_the_client_asks_signatures_of_the_table() -> None:
    for signature, output in ANSWER_FORMATS.values():
        row = SIGNATURES[signature]
        assert (row.input.name, [spec.name for spec in row.outputs]) == ("image_bytes", [output])


def test_it_answers_what_keras_alone_makes_of_the_file(unet: dict[str, Any], saved: Path) -> None:
    image = picture(20, 90)
    (data,) = unet["serving_default"]([encoded(image)])["png_bytes"].numpy()
    model = keras.models.load_model(saved)
    assert np.abs(decoded(data).astype(np.int32) - np.asarray(model(image[None]))[0]).max() <= 1


def test_warm_up_has_every_signature_and_size(models: Path) -> None:
    path = models / "tiny_unet" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    requests = [log.predict_log.request for log in logs]
    assert {request.model_spec.name for request in requests} == {"tiny_unet"}
    names = [request.model_spec.signature_name for request in requests]
    assert sorted(set(names)) == ["confidence", "jpeg", "lightness", "rgb", "serving_default"]
    (first, second) = (tf.make_ndarray(r.inputs["image"]) for r in requests if "image" in r.inputs)
    assert (first.shape, second.shape) == ((1, 32, 48, 3), (1, 20, 16, 3))


def test_versions_count_up_and_are_never_written_over(models: Path, saved: Path, unwritten: None) -> None:
    (models / "tiny_unet" / "v7").mkdir()
    (models / "tiny_unet" / ".colorzoo-0a1f.part").mkdir()
    os.utime(models / "tiny_unet" / ".colorzoo-0a1f.part", (0, 0))  # of an export that was killed long ago
    before = (models / "tiny_unet" / "1" / "saved_model.pb").stat().st_mtime_ns
    assert export(saved, models, version=5).folder == models / "tiny_unet" / "5"
    assert export(saved, models).folder == models / "tiny_unet" / "6"
    with pytest.raises(ArgumentError, match="version is 5: it must be a new one and at least 1; .* has 1, 5, 6"):
        export(saved, models, version=5)
    assert versions(models / "tiny_unet") == [1, 5, 6]
    assert (models / "tiny_unet" / "1" / "saved_model.pb").stat().st_mtime_ns == before
    assert not list((models / "tiny_unet").glob(".*"))


def test_a_version_appears_whole(saved: Path, tmp_path: Path, unwritten: None) -> None:
    faults, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            for path in tmp_path.glob("tiny_unet/[0-9]*"):
                files = ["saved_model.pb", "variables/variables.index", exporting.WARM_UP, exporting.FACTS]
                faults.extend(file for file in files if not (path / file).is_file())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        export(saved, tmp_path)
    finally:
        done.set()
        watcher.join()
    assert versions(tmp_path / "tiny_unet") == [1] and not faults


def test_two_exports_at_a_time(tmp_path: Path) -> None:
    """The second one finds the number taken that it counted."""
    for number in "1", "2":
        (tmp_path / number).mkdir()
        (tmp_path / number / "saved_model.pb").touch()
    partial = tmp_path / ".partial"
    partial.mkdir()
    with mock.patch.object(exporting, "versions", side_effect=[[1], [1, 2]]):
        assert exporting._rename_to_version(partial, tmp_path, None) == tmp_path / "3"
    assert (tmp_path / "2" / "saved_model.pb").is_file()


@pytest.mark.parametrize("fault", [ExportError("x"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_nothing_is_left_of_a_failed_export(saved: Path, tmp_path: Path, unwritten: None, fault: BaseException) -> None:
    with mock.patch.object(exporting, "check", side_effect=fault), pytest.raises((ExportError, KeyboardInterrupt)):
        export(saved, tmp_path / "models")
    assert not list(tmp_path.glob("models/*"))


FAULTS: dict[str, Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]] = {
    "serving_default": lambda outputs: {"png_bytes": np.array([inverted(outputs["png_bytes"][0], "PNG")], object)},
    "jpeg": lambda outputs: {"jpeg_bytes": np.array([inverted(outputs["jpeg_bytes"][0], "JPEG")], object)},
    "rgb": lambda outputs: {"colorized": outputs["colorized"] ^ 2},
    "lightness": lambda outputs: {"ab": outputs["ab"] + 1},
    "confidence": lambda outputs: outputs | {"mean_confidence": outputs["mean_confidence"] + 0.01},
}


def inverted(data: bytes, kind: str) -> bytes:
    return encoded(255 - decoded(data), kind)


@pytest.fixture
def check_again(exported: Export, model: keras.Model) -> Iterator[Callable[..., None]]:
    """The check of the export with other answers than it gave, and the reference that it has computed already."""

    def run(replayed: list[Any], colorized: dict[str, np.ndarray] = exported.colorized) -> None:
        with (
            mock.patch.object(checking, "_replay", return_value=replayed),
            mock.patch.object(checking, "_from_command", return_value=colorized),
        ):
            check(exported.models / "tiny_unet" / "1", model, "float32")

    with mock.patch.object(checking, "_Reference", return_value=exported.reference):
        yield run


def test_the_check_finds_a_fault_in_any_signature(exported: Export, check_again: Callable[..., None]) -> None:
    right = exported.one_of_each()
    check_again(right)
    assert FAULTS.keys() == SIGNATURES.keys()
    for fault, change in FAULTS.items():
        with pytest.raises(ExportError, match=f"the signature {fault} of .* does not compute what the .keras file"):
            check_again([(name, i, change(o) if name == fault else o) for name, i, o in right])
    with pytest.raises(ExportError, match="the signature rgb .*: they differ by [23] of 255"):
        check_again(right, FAULTS["rgb"](exported.colorized))
    with pytest.raises(ExportError, match="the warm-up requests of .* leave out jpeg"):
        check_again([request for request in right if request[0] != "jpeg"])


@pytest.mark.parametrize(
    ("signature", "output"), [("serving_default", "png_bytes"), ("confidence", "confidence_bytes")]
)
def test_the_check_finds_pictures_that_cannot_be_read(
    signature: str, output: str, exported: Export, check_again: Callable[..., None]
) -> None:
    for damage in (lambda data: data[: len(data) // 2], lambda data: b""):
        damaged = [
            (name, i, o | {output: np.array([damage(o[output][0])], object)} if name == signature else o)
            for name, i, o in exported.one_of_each()
        ]
        with pytest.raises(ExportError, match=f"the signature {signature} of .* answers with a picture that is "):
            check_again(damaged)


def test_the_check_finds_other_tensors(models: Path, model: keras.Model) -> None:
    changed = {"rgb": SIGNATURES["lightness"]}
    with (
        mock.patch.dict(checking.SIGNATURES, changed),
        pytest.raises(ExportError, match="the signature rgb of the SavedModel of .* has other tensors"),
    ):
        check(models / "tiny_unet" / "1", model, "float32")


def test_the_check_says_what_does_not_run(models: Path, model: keras.Model, tmp_path: Path) -> None:
    shutil.copytree(models / "tiny_unet" / "1", tmp_path / "1")
    next((tmp_path / "1" / "variables").glob("*.data*")).unlink()
    with pytest.raises(ExportError, match="the SavedModel of .* does not run: .*"):
        check(tmp_path / "1", model, "float32")


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"preset": "nothing"}, UnknownNameError, "no preset or file is called 'nothing'"),
        ({"precision": "float16"}, ArgumentError, "precision is 'float16': it must be one of float32, bfloat16"),
        ({"max_pixels": 0}, ArgumentError, "max_pixels is 0"),
        ({"version": 0}, ArgumentError, "version is 0"),
        ({"preset": "a b.keras"}, ArgumentError, "the model would be called 'a b'"),
        (
            {"precision": "bfloat16"},
            ArgumentError,
            "needs the metadata that `colorzoo pack` writes beside the model: .*tiny_unet.json",
        ),
    ],
)
def test_refusals(saved: Path, tmp_path: Path, changes: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        export(**{"preset": saved, "folder": tmp_path / "models"} | changes)
    assert not (tmp_path / "models").exists()


def test_the_network_in_bfloat16() -> None:
    model = zoo.load("color_unet_scenes_v1")
    halved = exporting._in_bfloat16(model, "color_unet_scenes_v1")
    layers = {layer.name: layer.compute_dtype for layer in network_of(halved).layers}
    assert layers["down1_conv1"] == "bfloat16" and layers["scores"] == "float32"
    image = picture(40, 60)[None]
    difference = np.abs(np.asarray(model(image), np.int32) - np.asarray(halved(image)))
    assert 0 < difference.mean() < 1
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_the_command_of_tensorflow(models: Path, saved: Path, tmp_path: Path) -> None:
    image = picture(32, 48)[None]
    painted = checking._from_command(models / "tiny_unet" / "1", tmp_path, "image", image)["colorized"]
    assert np.abs(painted.astype(np.int32) - np.asarray(zoo.load(saved)(image))).max() <= 1
    with pytest.raises(ExportError, match="saved_model_cli does not run the SavedModel: "):
        checking._from_command(models / "tiny_unet" / "1", tmp_path, "other", image)


@pytest.mark.slow
def test_bfloat16(tmp_path: Path) -> None:
    with mock.patch.object(exporting, "WARM_UP_SIZES", SMALL_WARM_UP):
        made = export("color_unet_scenes_v1", tmp_path, precision="bfloat16")
    assert 0.01 < made.mean < 1
    program = saved_model_pb2.SavedModel.FromString((made.folder / "saved_model.pb").read_bytes())
    functions = program.meta_graphs[0].graph_def.library.function
    types = {node.attr["T"].type for function in functions for node in function.node_def if node.op == "Conv2D"}
    assert tf.bfloat16.as_datatype_enum in types


def test_command_line(saved: Path, tmp_path: Path, unwritten: None) -> None:
    done = CliRunner().invoke(app, ["export", str(saved), "-o", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'tiny_unet' / '1'}: serving_default; within 0 of 255 of the .keras file" in done.output
    assert 'base_path: "/models/tiny_unet"' in (tmp_path / "models.config").read_text()
    done = CliRunner().invoke(app, ["export", str(saved), "-o", str(tmp_path), "--version", "1"])
    assert done.exit_code == 2 and "colorzoo: version is 1: it must be a new one" in done.output
