"""Colorizers for ONNX Runtime: converted by tf2onnx, quantized and run by onnxruntime.

Keras's own `model.export(format="onnx")` leaves constants of these graphs as inputs that nobody can fill in.
"""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tf2onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from serving.export.graph import COLORIZED, IMAGE, Function

OPSET = 18
SMALLEST_HALVED = 256  # values of a constant below which halving it saves nothing
CONVOLUTIONS = ["Conv", "ConvTranspose"]


def write(function: Function, path: Path, precision: str, images: list[np.ndarray]) -> None:
    """Write `path`; `images` (1, H, W, 3) uint8 calibrate int8."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    constant = convert_variables_to_constants_v2(function)  # in one piece, without calls
    names = [constant.inputs[0].name], [constant.outputs[0].name]
    model, _ = tf2onnx.convert.from_graph_def(
        constant.graph.as_graph_def(), input_names=names[0], output_names=names[1], opset=OPSET
    )
    _rename(model.graph, {names[0][0]: IMAGE, names[1][0]: COLORIZED})
    if precision == "float16":
        _halve(model.graph)
    onnx.save(model, path)
    if precision == "int8":
        quantization.quantize_static(
            path,
            path,
            _Images(images),
            op_types_to_quantize=CONVOLUTIONS,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            reduce_range=True,  # sums of 8 bits overflow on CPUs without VNNI
        )


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The file as a function image (1, H, W, 3) uint8 -> colorized (1, H, W, 3) uint8."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run([COLORIZED], {IMAGE: image})[0]


class _Images(quantization.CalibrationDataReader):
    """Images, one after the other, as the quantization asks for them."""

    def __init__(self, images: Iterable[np.ndarray]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._images, None)
        return None if image is None else {IMAGE: image}


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
        for axis, name in zip(value.type.tensor_type.shape.dim, ("batch", "height", "width", "channels"), strict=True):
            if not axis.dim_value:
                axis.dim_param = name
    for node in graph.node:
        for texts in (node.input, node.output):
            texts[:] = [names.get(text, text) for text in texts]


def _halve(graph: onnx.GraphProto) -> None:
    """Keep constants as float16, which are cast to float32 when the file is loaded: half of the size."""
    casts = []
    for value in graph.initializer:
        array = numpy_helper.to_array(value)
        if array.dtype != np.float32 or array.size < SMALLEST_HALVED:
            continue
        name = value.name
        value.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
