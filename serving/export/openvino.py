"""Colorizers for OpenVINO: converted and run by openvino, quantized by nncf."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from serving.export.graph import IMAGE, Function

CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData")


def write(function: Function, path: Path, precision: str, images: list[np.ndarray]) -> None:
    """Write `path`, an .xml, and the .bin beside it; `images` (1, H, W, 3) uint8 calibrate int8."""
    model = openvino.convert_model(function)
    if precision == "int8":
        model = _quantize(model, images)
    openvino.save_model(model, path, compress_to_fp16=precision == "float16")


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The file as a function image (1, H, W, 3) uint8 -> colorized (1, H, W, 3) uint8."""
    # By default it computes in bfloat16 where the CPU has that.
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: model({IMAGE: image})[0]


def _quantize(model: Any, images: list[np.ndarray]) -> Any:
    import nncf  # takes seconds, and is needed here alone

    kinds = {node.get_type_name() for node in model.get_ordered_ops()}
    others = kinds.difference(CONVOLUTIONS, ("Constant", "Parameter", "Result"))
    nncf.set_log_level("ERROR")
    return nncf.quantize(
        model,
        nncf.Dataset(images, lambda image: {IMAGE: image}),
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(types=sorted(others), validate=False),
    )
