"""A small gRPC server that stands for TF Serving: it answers at once, and errs as a test asks for.

Run as a program, `stand_in.py PORT`, it can be killed.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import cv2
import grpc
import numpy as np

from serving.client import messages

MODEL = "stand_in"
STRING, FLOAT, UINT8 = (messages.DTYPES[name] for name in ("DT_STRING", "DT_FLOAT", "DT_UINT8"))

# Signature -> inputs and outputs: name, type and sizes.
SIGNATURES: dict[str, tuple[tuple[str, int, list[int]], list[tuple[str, int, list[int]]]]] = {
    "serving_default": (("image_bytes", STRING, [-1]), [("png_bytes", STRING, [-1])]),
    "jpeg": (("image_bytes", STRING, [-1]), [("jpeg_bytes", STRING, [-1])]),
    "rgb": (("image", UINT8, [-1, -1, -1, 3]), [("colorized", UINT8, [-1, -1, -1, 3])]),
    "lightness": (("lightness", FLOAT, [-1, -1, -1, 1]), [("ab", FLOAT, [-1, -1, -1, 2])]),
    "confidence": (
        ("image_bytes", STRING, [-1]),
        [("confidence_bytes", STRING, [-1]), ("mean_confidence", FLOAT, [-1])],
    ),
}

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


def tinted(rgb: np.ndarray) -> np.ndarray:
    """What this server makes of RGB (..., 3) uint8: the first channel as gray, with less blue."""
    gray = rgb[..., :1]
    return np.concatenate([gray, gray, gray - gray // 4], axis=-1)


def encoded(rgb: np.ndarray, suffix: str = ".png") -> bytes:
    return bytes(cv2.imencode(suffix, np.ascontiguousarray(rgb[..., ::-1]))[1].tobytes())


def decoded(image: bytes) -> np.ndarray:
    """An image file -> RGB (H, W, 3) uint8."""
    bgr = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) if image else None
    if bgr is None:
        raise ValueError("Unknown image file format")
    return np.asarray(bgr[..., ::-1])


def colorized(request: Any, context: grpc.ServicerContext) -> Any:
    """The answer to a PredictRequest, or the status that TF Serving would give."""
    signature = request.model_spec.signature_name or "serving_default"
    if request.model_spec.name != MODEL or request.model_spec.version.value > 1:
        context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({request.model_spec.name})")
    if signature not in SIGNATURES:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{signature}" not found.')
    values = messages.array(request.inputs[SIGNATURES[signature][0][0]])
    answer = messages.PredictResponse()
    try:
        for name, value in outputs(signature, values).items():
            answer.outputs[name].CopyFrom(messages.tensor(value))
    except ValueError as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    return answer


def outputs(signature: str, values: np.ndarray) -> dict[str, Any]:
    if signature == "rgb":
        return {"colorized": tinted(values)}
    if signature == "lightness":
        return {"ab": np.concatenate([values, -values], axis=-1)}
    pictures = [decoded(value) for value in values]
    if signature == "confidence":
        sure = [encoded(picture) for picture in pictures]
        return {"confidence_bytes": sure, "mean_confidence": np.full(len(sure), 0.25, np.float32)}
    suffix = ".jpg" if signature == "jpeg" else ".png"
    return {f"{signature.replace('serving_default', 'png')}_bytes": [encoded(tinted(p), suffix) for p in pictures]}


def metadata(request: Any, context: grpc.ServicerContext) -> Any:
    signatures = messages.SignatureDefMap()
    for name, (given, gives) in SIGNATURES.items():
        found = signatures.signature_def[name]
        for infos, rows in ((found.inputs, [given]), (found.outputs, gives)):
            for row, dtype, sizes in rows:
                infos[row].dtype = dtype
                for size in sizes:
                    infos[row].tensor_shape.dim.add(size=size)
    initial = signatures.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"]
    initial.tensor_shape.unknown_rank = True
    answer = messages.GetModelMetadataResponse(model_spec=request.model_spec)
    answer.metadata["signature_def"].type_url = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    answer.metadata["signature_def"].value = signatures.SerializeToString()
    return answer


def status(request: Any, context: grpc.ServicerContext) -> Any:
    if request.model_spec.name != MODEL:
        context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {request.model_spec.name}")
    answer = messages.GetModelStatusResponse()
    states = {1: "AVAILABLE", 2: "LOADING"}
    for version, state in states.items():
        if request.model_spec.version.value in (0, version):
            answer.model_version_status.add(version=version, state=state)
    return answer


class StandIn:
    """A running server.

    Attributes:
        address: HOST:PORT of it.
        received: method and bytes of every request, as they came over the wire.
    """

    def __init__(
        self, predict: Behaviour = colorized, *, port: int = 0, credentials: grpc.ServerCredentials | None = None
    ) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.lock = threading.Lock()
        behaviours = {"Predict": predict, "GetModelMetadata": metadata, "GetModelStatus": status}
        self.server = grpc.server(
            ThreadPoolExecutor(16),
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ],
        )
        for service, methods in messages.SERVICES.items():
            handlers = {
                method: self.handler(
                    method, messages.message_class(f"tensorflow.serving.{request}"), behaviours[method]
                )
                for method, (request, _) in methods.items()
                if method in behaviours
            }
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        # With a name, so that a certificate can be of it.
        if credentials is None:
            self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.address = f"localhost:{self.port}"
        self.server.start()

    def handler(self, method: str, request_class: Any, behaviour: Behaviour) -> Any:
        def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
            with self.lock:
                self.received.append((method, data))
            return bytes(behaviour(request_class.FromString(data), context).SerializeToString())

        return grpc.unary_unary_rpc_method_handler(answer)

    @property
    def predicted(self) -> int:
        """How many calls of Predict came."""
        return sum(method == "Predict" for method, _ in self.received)

    def stop(self) -> None:
        self.server.stop(None).wait()


@contextmanager
def standing_in(predict: Behaviour = colorized, **arguments: Any) -> Iterator[StandIn]:
    server = StandIn(predict, **arguments)
    try:
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    StandIn(port=int(sys.argv[1])).server.wait_for_termination()
