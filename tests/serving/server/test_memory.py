"""What the embedded server still holds of a request that waits or was refused."""

import gc
import sys
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from serving.server import grpc_service
from tests.servers import SECONDS, held, reds, refusal, request, wait_until
from tests.tiny_saved_model import RED, picture

Code = grpc.StatusCode


class Kept:
    """Stands in for a function and keeps what `choose` takes of its result and arguments."""

    def __init__(self, function: Callable[..., Any], choose: Callable[[Any, Any], Any]) -> None:
        self.function, self.choose = function, choose
        self.found: list[Any] = []

    def __call__(self, *arguments: Any) -> Any:
        result = self.function(*arguments)
        self.found.append(self.choose(result, arguments))
        return result

    def alone(self) -> bool:
        """Whether nothing else holds what was kept: two references are the list's and that of the call."""
        return all(sys.getrefcount(self.found[n]) == 2 for n in range(len(self.found)))


def test_the_message_of_a_waiting_request_is_not_kept(server, predict, monkeypatch):
    kept = Kept(grpc_service.parse, lambda message, _: message)
    monkeypatch.setattr(grpc_service, "parse", kept)
    with held(server) as (began, release):
        future = predict.future(request("tiny", image_bytes=[picture(1)]), timeout=SECONDS)
        assert began.wait(SECONDS)
        wait_until(kept.alone)
        release.set()
        assert reds(future.result()) == [1 + RED]


@pytest.mark.parametrize(
    ("stage", "choose", "images"),
    [
        ("parse", lambda _, arguments: arguments[1], [b"garbage"]),
        ("parse", lambda message, _: message, [b"garbage"]),
        ("to_arrays", lambda arrays, _: arrays["image_bytes"], [b"garbage"]),
        ("to_arrays", lambda arrays, _: arrays["image_bytes"], []),
    ],
    ids=["bytes", "message", "arrays", "arrays that do not fit"],
)
def test_of_a_refused_request_nothing_waits_for_the_garbage_collector(
    stage, choose, images, server, predict, monkeypatch
):
    kept = Kept(getattr(grpc_service, stage), choose)
    monkeypatch.setattr(grpc_service, stage, kept)
    gc.disable()
    try:
        assert (
            refusal(lambda: predict(request("tiny", image_bytes=images), timeout=SECONDS))[0] is Code.INVALID_ARGUMENT
        )
        wait_until(kept.alone)
    finally:
        gc.enable()
