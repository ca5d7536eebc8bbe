"""How often EfficientNet-Lite0 knows what a photograph of ImageNet shows, in color and in gray.

    PYTHONPATH=. .venv/bin/python scripts/top1_on_gray.py PHOTOGRAPHS CLASSES

PHOTOGRAPHS is a folder of files called n01443537_goldfish.jpg, by the WordNet id of their class; CLASSES is a text file
with the WordNet ids of all 1000 classes. The middle 224 pixels of photographs whose shorter side is 256 are looked at.
The gray ones go through the encoder of lite_unet as `init="imagenet"` fills it, from their lightness on.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from PIL import Image

import zoo
from training.pretrained.efficientnet_lite0 import STATISTICS, fill_encoder, find_file
from training.pretrained.torch_pickle import read_tensors
from zoo.color import lightness

SHORT, SIDE = 256, 224
BATCH = 32


def classifiers() -> tuple[keras.Model, keras.Model]:
    """Lightness (B, H, W, 1), and RGB (B, H, W, 3) from 0 to 255 -> scores (B, 1000)."""
    tensors = read_tensors(find_file())
    network = zoo.create_model("lite_unet")
    fill_encoder(network, find_file())
    deepest = network.get_layer("stage7_1_project_norm").output
    head = layers.Conv2D(1280, 1, use_bias=False)
    norm = layers.BatchNormalization(epsilon=1e-3)
    dense = layers.Dense(1000)
    x = layers.ReLU(6.0)(norm(head(deepest)))
    of_lightness = keras.Model(network.input, dense(layers.GlobalAveragePooling2D()(x)))
    head.set_weights([tensors["_conv_head.weight"].transpose(2, 3, 1, 0)])
    norm.set_weights([tensors[f"_bn1.{name}"] for name in STATISTICS])
    dense.set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])

    rgb = keras.Input((None, None, 3))
    stem = layers.Conv2D(32, 3, 2, padding="same", use_bias=False)
    behind_stem = keras.Model(network.get_layer("stem").output, of_lightness.output)
    of_rgb = keras.Model(rgb, behind_stem(stem(layers.Rescaling(1 / 128, offset=-127 / 128)(rgb))))
    stem.set_weights([tensors["_conv_stem.weight"].transpose(2, 3, 1, 0)])
    return of_lightness, of_rgb


def middle(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    if min(rgb.size) != SHORT:
        scale = SHORT / min(rgb.size)
        rgb = rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.BICUBIC)
    left, top = (rgb.width - SIDE) // 2, (rgb.height - SIDE) // 2
    return np.asarray(rgb.crop((left, top, left + SIDE, top + SIDE)))


def share(hits: Iterable[bool]) -> str:
    found = list(hits)
    return f"{100 * sum(found) / len(found):.1f} % ({sum(found)} of {len(found)})"


def main(photographs: Path, classes: Path) -> None:
    index = {wnid: i for i, wnid in enumerate(sorted(classes.read_text().split()))}
    paths = [path for path in sorted(photographs.iterdir()) if path.name.split("_")[0] in index]
    truth = [index[path.name.split("_")[0]] for path in paths]
    of_lightness, of_rgb = classifiers()
    ranked: dict[str, list[np.ndarray]] = {"gray": [], "color": []}
    for start in range(0, len(paths), BATCH):
        rgb = np.stack([middle(path) for path in paths[start : start + BATCH]]).astype(np.float32)
        scores = {"gray": of_lightness(lightness(rgb / 255)), "color": of_rgb(rgb)}
        for name, values in scores.items():
            ranked[name] += list(np.argsort(-ops.convert_to_numpy(values), axis=1)[:, :5])
    for name, best in ranked.items():
        first = share(b[0] == t for b, t in zip(best, truth, strict=True))
        print(f"{name}: top 1 {first}, top 5 {share(t in b for b, t in zip(best, truth, strict=True))}")
    same = share(g[0] == c[0] for g, c in zip(ranked["gray"], ranked["color"], strict=True))
    print(f"the same first class in gray and in color: {same}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
