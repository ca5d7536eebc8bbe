"""TF Serving's gRPC interface: `PredictionService` and `ModelService` as handlers of a gRPC server."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import grpc
import grpc.aio
import numpy as np
from google.protobuf.message import DecodeError

from serving.client import messages
from serving.server.errors import invalid
from serving.server.handlers import METADATA, Call, Service, convert
from serving.server.servable import Tensors, bytes_of, to_arrays

Context: TypeAlias = grpc.aio.ServicerContext
Answer: TypeAlias = Callable[
    [Any, Context, bool], Awaitable[bytes]
]  # request, its context, whether it is large -> response

_LARGE = 1 << 20  # bytes of a message whose conversion takes longer than handing it to a thread


def method_handlers(
    service: Service, accept: Callable[[], AbstractContextManager[None]]
) -> list[grpc.GenericRpcHandler]:
    """The methods of `messages.SERVICES`, which take and return bytes.

    Args:
        accept: Entered for the time of each request; raises RequestError if the server accepts no more of them.
    """

    async def predict(request: Any, context: Context, large: bool) -> bytes:
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        wanted = list(request.output_filter)
        with service.resolve(_copy(request.model_spec)) as target:
            inputs = await convert(large, to_arrays, request.inputs, service.max_bytes)
            # The arrays are copies: the message is not kept beside them while they wait in the queue.
            del request
            outputs = await service.predict(target, inputs, wanted, deadline)
        return await convert(bytes_of(outputs) > _LARGE, serialize, target.spec, outputs)

    async def metadata(request: Any, context: Context, large: bool) -> bytes:
        spec, definitions = service.metadata(request.model_spec, request.metadata_field)
        response = messages.GetModelMetadataResponse(model_spec=spec)
        response.metadata[METADATA].type_url = f"type.googleapis.com/{definitions.DESCRIPTOR.full_name}"
        response.metadata[METADATA].value = definitions.SerializeToString()
        return bytes(response.SerializeToString())

    async def states(request: Any, context: Context, large: bool) -> bytes:
        return bytes(service.states(request.model_spec).SerializeToString())

    async def reload(request: Any, context: Context, large: bool) -> bytes:
        await service.reload(request.config)
        response = messages.ReloadConfigResponse()
        response.status.SetInParent()
        return bytes(response.SerializeToString())

    answers: dict[str, Answer] = {
        "Predict": predict,
        "GetModelMetadata": metadata,
        "GetModelStatus": states,
        "HandleReloadConfigRequest": reload,
    }

    def handler(method: str, request_class: Any) -> grpc.RpcMethodHandler:
        async def answer(data: bytes, context: Context) -> bytes:
            response = b""
            with service.call(method, "GRPC") as call, accept():
                large = len(data) > _LARGE
                # Parsed here, since gRPC would answer INTERNAL to bytes that cannot be.
                request = await convert(large, parse, request_class, data)
                del data  # which the error with which gRPC aborts a call would keep in a reference cycle
                if hasattr(request, "model_spec"):
                    call.spec = _copy(request.model_spec)
                answering = answers[method](request, context, large)
                del request  # which `predict` no longer needs once it waits
                response = await answering
            await _abort_on_error(call, context)
            return response

        return grpc.unary_unary_rpc_method_handler(answer)

    return [
        grpc.method_handlers_generic_handler(
            name,
            {
                method: handler(method, messages.message_class(f"tensorflow.serving.{request}"))
                for method, (request, _) in methods.items()
            },
        )
        for name, methods in messages.SERVICES.items()
    ]


def parse(request_class: Any, data: bytes) -> Any:
    """The message in `data`.

    Raises:
        RequestError: INVALID_ARGUMENT: it is not such a message.
    """
    try:
        return request_class.FromString(data)
    except DecodeError as error:
        raise invalid(f"the message is not a {request_class.DESCRIPTOR.full_name}: {error}") from error


def serialize(spec: messages.Message, outputs: Tensors) -> bytes:
    """A PredictResponse as bytes."""
    response = messages.PredictResponse(model_spec=spec)
    for name, value in outputs.items():
        response.outputs[name].CopyFrom(_tensor(value))
    return bytes(response.SerializeToString())


def _copy(spec: messages.Message) -> messages.Message:
    """A ModelSpec by itself: one that is part of a message keeps all of that message in memory."""
    found = messages.ModelSpec()
    found.CopyFrom(spec)
    return found


async def _abort_on_error(call: Call, context: Context) -> None:
    if call.error is not None:
        await context.abort(call.error.code, str(call.error))


def _tensor(value: np.ndarray) -> messages.Message:
    if value.dtype != object:
        return messages.tensor(value)
    found = messages.tensor(list(value.flat))
    if value.ndim != 1:
        del found.tensor_shape.dim[:]
        for size in value.shape:
            found.tensor_shape.dim.add(size=size)
    return found
