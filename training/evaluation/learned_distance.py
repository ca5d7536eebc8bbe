"""LPIPS, a distance that was fitted to people's judgments, as its authors' package computes it.

Zhang, Isola, Efros, Shechtman, Wang. The Unreasonable Effectiveness of Deep Features as a Perceptual Metric. CVPR
2018. The package `lpips` (with PyTorch and torchvision) is optional, and so are the weights of AlexNet, which
torchvision keeps in its
cache: nothing is downloaded here.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ArgumentError

ALEXNET = "alexnet-*.pth"  # in the folder "checkpoints" of PyTorch's cache


def load_lpips() -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]:
    """LPIPS 0.1 with AlexNet: truth and result, sRGB uint8 (B, H, W, 3) -> distances (B,), 0 for equal pictures.

    Pictures are compared at their own size, scaled from 0..255 to [-1, 1].

    Raises:
        ArgumentError: the package or the weights of AlexNet are not installed.
    """
    try:
        torch, lpips = import_module("torch"), import_module("lpips")
    except ModuleNotFoundError as error:
        raise ArgumentError(f"LPIPS needs {error.name}, which is not installed: pip install lpips") from error
    folder = Path(torch.hub.get_dir(), "checkpoints")
    if not list(folder.glob(ALEXNET)):
        raise ArgumentError(f"LPIPS needs torchvision's weights of AlexNet, {ALEXNET}, in {folder}: put them there")
    network = lpips.LPIPS(net="alex", verbose=False).eval()

    def distances(truth: NDArray[np.uint8], rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        scaled = [
            torch.from_numpy(np.moveaxis(pictures.astype(np.float32) / 127.5 - 1, -1, 1).copy())
            for pictures in (truth, rgb)
        ]
        with torch.no_grad():
            return np.asarray(network(*scaled).reshape(len(truth)), np.float64)

    return distances
