"""Colorizers for LiteRT, which was TensorFlow Lite: converted by TensorFlow, run by ai-edge-litert.

int8 is quantized by ai-edge-quantizer, which can take the convolutions alone; TensorFlow's converter would take Lab and
sRGB to 8 bits as well.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from serving.export.graph import IMAGE, Function

THREADS = 2
SIGNATURE = "serving_default"


def write(function: Function, path: Path, precision: str, images: list[np.ndarray]) -> None:
    """Write `path`; `images` (1, H, W, 3) uint8 calibrate int8."""
    folder = path.with_suffix(".saved_model")  # which gives the file's signature its names
    tf.saved_model.save(tf.Module(), str(folder), {SIGNATURE: function})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    data = converter.convert()
    path.write_bytes(_quantize(data, images) if precision == "int8" else data)


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The file as a function image (1, H, W, 3) uint8 -> colorized (1, H, W, 3) uint8."""
    interpreter = Interpreter(str(path), num_threads=THREADS)
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(image: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(given["index"], image.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(made["index"]))

    return run


def _quantize(data: bytes, images: list[np.ndarray]) -> bytes:
    from ai_edge_quantizer import qtyping, quantizer  # needed here alone

    tool = quantizer.Quantizer(data)
    kinds = qtyping.TFLOperationName
    for kind in (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D, kinds.CONV_2D_TRANSPOSE):
        tool.add_static_config(".*", kind, activation_num_bits=8, weight_num_bits=8)
    ranges = tool.calibrate({SIGNATURE: [{IMAGE: image} for image in images]}, num_threads=THREADS)
    return bytes(tool.quantize(ranges).quantized_model)
