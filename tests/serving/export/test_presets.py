"""Shipped presets all the way: exported, served, asked by the client, and compared with what plain Keras makes of them.

Every preset takes about a minute, and its graph some gigabytes at twelve megapixels.
"""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from serving.client import BadImageError, ColorizeClient, SignatureError
from serving.export.saved_model import export
from tests.photographs import color_field
from tests.servers import process
from zoo.presets.metadata import FOLDER

# One for each kind of output: UV classes, ab classes with and without means of the bins, histograms, regressed ab, ab
# of a generator, RGB.
PRESETS = [
    "color_unet_wide_scenes_v2",
    "lite_unet_photos_v2",
    "lite_unet_photos_v3",
    "zhang2016_scenes_v1",
    "larsson2016_scenes_v1",
    "iizuka2016_scenes_v1",
    "ibn_gan_scenes_v1",
    "pix2pix_scenes_v1",
    "autoencoder_cifar10_v1",
]
SIZES = [(1, 1), (33, 47), (256, 256), (3000, 4000)]


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_the_client_gets_what_keras_gives(name: str, tmp_path: Path) -> None:
    exported = export(name, tmp_path / "models")
    assert exported.largest <= 1
    model = keras.models.load_model(FOLDER / f"{name}.keras")
    with (
        process(tmp_path / "models", tmp_path / "log") as server,
        ColorizeClient(server.address, name, timeout=120) as client,
    ):
        assert client.ready() and set(client.signature()) == set(exported.signatures)
        for seed, size in enumerate(SIZES):
            image = np.asarray(color_field(seed, *size))
            target = io.BytesIO()
            Image.fromarray(image).save(target, "PNG", compress_level=1)
            answer = np.asarray(Image.open(io.BytesIO(client.colorize(target.getvalue()))))
            # Called directly, the model would keep all its maps: over 22 GB at twelve megapixels.
            difference = np.abs(answer.astype(np.int16) - model.predict(image[None], verbose=0)[0])
            print(f"{name} {size}: at most {difference.max()}, on average {difference.mean():.5f}")
            assert answer.shape == image.shape and difference.max() <= 1
        with pytest.raises(BadImageError):
            client.colorize(b"no picture")
        if "confidence" in exported.signatures:
            assert 0 < client.confidence(target.getvalue()).mean <= 1
        else:
            with pytest.raises(SignatureError):
                client.confidence(target.getvalue())


def test_every_architecture_is_served() -> None:
    rows = {name: zoo.preset(name).architecture for name in zoo.list_presets()}
    assert {rows[name] for name in PRESETS} == set(zoo.list_models())
