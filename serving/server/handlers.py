"""What the server answers, whichever door a request came in by: gRPC and REST both call this."""

import asyncio
import time
from collections.abc import Sequence

from serving.client import messages
from serving.server import logs
from serving.server.batching import Batcher
from serving.server.errors import RequestError, invalid
from serving.server.metrics import Metrics
from serving.server.model_manager import STATES, Models, Version
from serving.server.servable import Tensors

METADATA = "signature_def"

_LONGEST_NAME = 100  # letters in the log


class Service:
    """The four methods of TF Serving's gRPC interface that concern colorizers.

    Args:
        most_bytes: Of the inputs of one request; a few bytes on the wire may stand for many.
    """

    def __init__(self, models: Models, batcher: Batcher, metrics: Metrics, most_bytes: int) -> None:
        self.models = models
        self.batcher = batcher
        self.metrics = metrics
        self.most_bytes = most_bytes

    async def predict(
        self,
        spec: messages.Message,
        inputs: Tensors,
        output_filter: Sequence[str] = (),
        deadline: float | None = None,
    ) -> tuple[messages.Message, Tensors]:
        """Run a signature -> the ModelSpec of what was run, and its outputs by name.

        Args:
            deadline: The `time.monotonic()` after which no one waits for the answer, or None.

        Raises:
            RequestError: as TF Serving: NOT_FOUND: no such model or version; INVALID_ARGUMENT: no such label, inputs
                that do not fit, a picture that cannot be read; FAILED_PRECONDITION: no such signature;
                RESOURCE_EXHAUSTED: the queue is full; DEADLINE_EXCEEDED.
        """
        with self.models.using(spec) as (version, model):
            signature = model.signature(spec.signature_name)
            signature.refuse_other(inputs)
            wanted = list(output_filter) or list(signature.outputs)
            for name in wanted:
                if name not in signature.outputs:
                    known = ",".join(sorted(signature.outputs))
                    raise invalid(f"output tensor alias not found in signature: {name} Outputs expected: {{{known}}}")
            if len(set(wanted)) < len(wanted):
                raise invalid(f"duplicate output tensor alias among {wanted}")
            outputs = await self.batcher.run(spec.name, signature, inputs, deadline)
            return _spec(version, signature.name), {name: outputs[name] for name in wanted}

    def metadata(self, spec: messages.Message, fields: Sequence[str]) -> tuple[messages.Message, messages.Message]:
        """The ModelSpec of a version, and a SignatureDefMap with what saved_model.pb says of its signatures.

        Raises:
            RequestError: as `predict`; INVALID_ARGUMENT: another field than "signature_def".
        """
        if not fields:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in fields:
            if field != METADATA:
                raise invalid(f"Metadata field {field} is not supported")
        with self.models.using(spec) as (version, model):
            return _spec(version), model.definitions

    def states(self, spec: messages.Message) -> messages.Message:
        """A GetModelStatusResponse with one version, or all of a model. Raises RequestError as `Models.find` does."""
        response = messages.GetModelStatusResponse()
        for version in reversed(self.models.find(spec)):
            found = response.model_version_status.add(version=version.number, state=STATES[version.state])
            found.status.SetInParent()
            if version.error is not None:
                found.status.error_code = version.error.code.value[0]
                found.status.error_message = str(version.error)
        return response

    async def reload(self, config: messages.Message) -> None:
        """Serve what a ModelServerConfig says and nothing else. Raises RequestError as `Models.reload` does."""
        await asyncio.to_thread(self.models.reload, config)

    def answered(
        self, api: str, entrypoint: str, spec: messages.Message, began: float, error: RequestError | None
    ) -> None:
        """Count and log an answer.

        Args:
            api: "Predict", for example.
            entrypoint: "GRPC" or "REST".
            began: The `time.perf_counter()` at which the request came.
        """
        seconds = time.perf_counter() - began
        code = "OK" if error is None else error.code.name
        # Names that senders think up would become series of their own, without end.
        known = spec.name if self.models.knows(spec.name) else ""
        self.metrics.answered(known, api, entrypoint, code, seconds)
        facts = {"method": api, "entrypoint": entrypoint, "model": spec.name[:_LONGEST_NAME], "status": code}
        if spec.signature_name:
            facts["signature"] = spec.signature_name[:_LONGEST_NAME]
        if error is not None:
            facts["reason"] = str(error)
        logs.event("request", milliseconds=round(seconds * 1e3, 1), **facts)


def _spec(version: Version, signature: str = "") -> messages.Message:
    spec = messages.ModelSpec(name=version.name, signature_name=signature)
    spec.version.value = version.number
    return spec
