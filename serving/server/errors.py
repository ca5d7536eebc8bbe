"""Errors of requests: gRPC status codes with one readable line, for gRPC and REST."""

import re

import grpc
import tensorflow as tf

from zoo.errors import ArgumentError, ColorzooError

CODES = {code.value[0]: code for code in grpc.StatusCode}

# TensorFlow's messages name nodes of the graph, which mean nothing to the sender of an image.
_BEFORE = re.compile(
    r".*<stack traces unavailable>|Graph execution error:|\d+ root error\(s\) found\.|\(0\) [A-Z_]+:", re.S
)
_NOISE = re.compile(r"\{\{function_node [^}]*\}\}")
_AFTER = re.compile(r"\[\[.*|\[Op:.*|\n\s*\(1\) .*", re.S)
_MAX_LENGTH = 500  # letters of a message, which travels in a header of bounded size


class RequestError(ColorzooError):
    """A request is answered with an error: `code` is a grpc.StatusCode, the text one line."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(_one_line(text))
        self.code = code


def invalid(text: str) -> RequestError:
    """The request is wrong, whatever the state of the server."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, text)


def not_found(text: str) -> RequestError:
    """No such model, or no such version of it."""
    return RequestError(grpc.StatusCode.NOT_FOUND, text)


def unmet(text: str) -> RequestError:
    """The request does not fit the model that is served."""
    return RequestError(grpc.StatusCode.FAILED_PRECONDITION, text)


def exhausted(text: str) -> RequestError:
    """The server has no room for the request now."""
    return RequestError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)


def late() -> RequestError:
    """The deadline passed before work on the request began."""
    return RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before work on the request began")


def status(error: BaseException) -> RequestError:
    """Any error -> the error to answer with. TensorFlow's codes are kept, and its texts without nodes of the graph.

    It is always a new one. Through its traceback, one that was raised would keep the message and the arrays of its
    request in a reference cycle, and so in memory until the garbage collector runs.
    """
    if isinstance(error, RequestError):
        return RequestError(error.code, str(error))
    if isinstance(error, tf.errors.OpError):
        return RequestError(CODES.get(error.error_code, grpc.StatusCode.INTERNAL), _readable(error.message))
    if isinstance(error, ArgumentError):
        return invalid(str(error))
    if isinstance(error, MemoryError):
        return exhausted("the server is out of memory")
    return RequestError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def _readable(text: str) -> str:
    for pattern in (_NOISE, _BEFORE, _AFTER):
        text = pattern.sub(" ", text)
    return text if text.strip() else "TensorFlow gave no reason"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 3]}..."
