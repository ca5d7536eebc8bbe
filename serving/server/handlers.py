"""The answers to requests, which the gRPC and REST interfaces share."""

import asyncio
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import grpc

from serving.client import messages
from serving.server import logs
from serving.server.batching import Batcher
from serving.server.errors import RequestError, invalid, status
from serving.server.metrics import Metrics
from serving.server.model_manager import STATES, ModelManager, Version
from serving.server.servable import SignatureFunction, Tensors

METADATA = "signature_def"

_MAX_LOGGED_NAME = 100  # letters

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


async def convert(
    large: bool, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Call a function that parses or serializes: in a thread if what it converts is `large`, or else at once.

    Other requests, health checks among them, are answered while the thread works.
    """
    if large:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


@dataclass
class Call:
    """One request on its way through the server.

    Attributes:
        spec: The requested ModelSpec; empty until it is parsed.
        error: The error to answer with, or None.
    """

    spec: messages.Message = field(default_factory=messages.ModelSpec)
    error: RequestError | None = None


@dataclass(frozen=True)
class Target:
    """The version and signature that a request runs on, looked up once: a request never sees two versions."""

    version: Version
    signature: SignatureFunction

    @property
    def spec(self) -> messages.Message:
        """The ModelSpec to answer with."""
        return _spec(self.version, self.signature.name)


class Service:
    """The four methods of TF Serving's gRPC interface that concern colorizers.

    Args:
        max_bytes: Limit of the inputs of one request as arrays, which may be far larger than the message.
    """

    def __init__(self, models: ModelManager, batcher: Batcher, metrics: Metrics, max_bytes: int) -> None:
        self.models = models
        self.batcher = batcher
        self.metrics = metrics
        self.max_bytes = max_bytes

    @contextmanager
    def call(self, api: str, entrypoint: str) -> Iterator[Call]:
        """Count and log one request; an error that is raised in the `with` block ends it and becomes `Call.error`.

        Args:
            api: The name of the method, such as "Predict".
            entrypoint: "GRPC" or "REST".
        """
        began = time.perf_counter()
        call = Call()
        try:
            yield call
        except asyncio.CancelledError:
            call.error = RequestError(grpc.StatusCode.CANCELLED, "the client did not wait, or its deadline passed")
            raise
        except Exception as error:  # whatever it is, the client gets a status
            call.error = status(error)
            if call.error.code is grpc.StatusCode.INTERNAL:
                logs.failure("internal error", method=api, trace=traceback.format_exc())
        finally:
            self._record(api, entrypoint, call, time.perf_counter() - began)

    @contextmanager
    def resolve(self, spec: messages.Message) -> Iterator[Target]:
        """The version and signature that a ModelSpec asks for; they stay loaded inside the `with` block.

        Raises:
            RequestError: As TF Serving: NOT_FOUND: no such model or version; INVALID_ARGUMENT: no such label;
                FAILED_PRECONDITION: no such signature.
        """
        with self.models.using(spec) as (version, model):
            yield Target(version, model.signature(spec.signature_name))

    async def predict(
        self,
        target: Target,
        inputs: Tensors,
        output_filter: Sequence[str] = (),
        deadline: float | None = None,
    ) -> Tensors:
        """Run a signature -> its outputs by name.

        Args:
            output_filter: The outputs to return; by default all.
            deadline: The `time.monotonic()` after which the client no longer waits, or None.

        Raises:
            RequestError: INVALID_ARGUMENT: inputs that do not fit, or an image that cannot be read;
                RESOURCE_EXHAUSTED: the queue is full; DEADLINE_EXCEEDED.
        """
        signature = target.signature
        signature.check(inputs)
        wanted = list(output_filter) or list(signature.outputs)
        for name in wanted:
            if name not in signature.outputs:
                known = ",".join(sorted(signature.outputs))
                raise invalid(f"output tensor alias not found in signature: {name} Outputs expected: {{{known}}}")
        if len(set(wanted)) < len(wanted):
            raise invalid(f"duplicate output tensor alias among {wanted}")
        outputs = await self.batcher.run(target.version.name, signature, inputs, deadline)
        return {name: outputs[name] for name in wanted}

    def metadata(self, spec: messages.Message, fields: Sequence[str]) -> tuple[messages.Message, messages.Message]:
        """The ModelSpec of a version, and a SignatureDefMap with what saved_model.pb says of its signatures.

        Raises:
            RequestError: As `resolve`; INVALID_ARGUMENT: another field than "signature_def".
        """
        if not fields:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in fields:
            if name != METADATA:
                raise invalid(f"Metadata field {name} is not supported")
        with self.models.using(spec) as (version, model):
            return _spec(version), model.definitions

    def states(self, spec: messages.Message) -> messages.Message:
        """A GetModelStatusResponse of one version, or of all of a model.

        Raises:
            RequestError: As `ModelManager.find`.
        """
        response = messages.GetModelStatusResponse()
        for version in reversed(self.models.find(spec)):
            found = response.model_version_status.add(version=version.number, state=STATES[version.state])
            found.status.SetInParent()
            if version.error is not None:
                found.status.error_code = version.error.code.value[0]
                found.status.error_message = str(version.error)
        return response

    async def reload(self, config: messages.Message) -> None:
        """Serve what a ModelServerConfig lists and nothing else.

        Raises:
            RequestError: As `ModelManager.reload`.
        """
        await asyncio.to_thread(self.models.reload, config)

    def _record(self, api: str, entrypoint: str, call: Call, seconds: float) -> None:
        code = "OK" if call.error is None else call.error.code.name
        # Names invented by clients would create an unlimited number of time series.
        known = call.spec.name if self.models.knows(call.spec.name) else ""
        self.metrics.record_answer(known, api, entrypoint, code, seconds)
        facts = {
            "method": api,
            "entrypoint": entrypoint,
            "model": call.spec.name[:_MAX_LOGGED_NAME],
            "status": code,
        }
        if call.spec.signature_name:
            facts["signature"] = call.spec.signature_name[:_MAX_LOGGED_NAME]
        if call.error is not None:
            facts["reason"] = str(call.error)
        logs.event("request", milliseconds=round(seconds * 1e3, 1), **facts)


def _spec(version: Version, signature: str = "") -> messages.Message:
    spec = messages.ModelSpec(name=version.name, signature_name=signature)
    spec.version.value = version.number
    return spec
