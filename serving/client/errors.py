"""The exceptions of the clients.

ServingClientError
├── ServerUnavailableError   UNAVAILABLE: not reachable or not ready, after all retries
├── DeadlineError            DEADLINE_EXCEEDED: no answer in time
├── ModelNotFoundError       NOT_FOUND: no such model, version or label is loaded
├── SignatureError           FAILED_PRECONDITION, UNIMPLEMENTED: the model has no such signature
├── InvalidRequestError      INVALID_ARGUMENT: an argument is wrong; also a ValueError
│   └── BadImageError        the server cannot decode the bytes, or the image has too many pixels
├── TooLargeOrBusyError      RESOURCE_EXHAUSTED
│   ├── TooLargeError        a message is larger than a limit
│   └── BusyError            the server's queue is full
├── ClientClosedError        the client was closed; also a RuntimeError
└── ServerFailedError        every other status
"""

from typing import TYPE_CHECKING

# In Colorzoo's own repository, where this package is `serving.client`, its errors are among the project's, so that one
# handler suffices. Installed as `colorzoo_client` it is independent. To type checkers it is the latter in both cases.
if TYPE_CHECKING or __name__ != "serving.client.errors":
    _Base = Exception
else:
    from zoo.errors import ColorzooError as _Base


class ServingClientError(_Base):
    """Base of all errors of the clients: one line. If the server sent a status, the `grpc.RpcError` is the cause."""


class ServerUnavailableError(ServingClientError):
    """The server cannot be reached or is not ready, after all retries."""


class DeadlineError(ServingClientError):
    """No answer came in time. The server may still be working on it."""


class ModelNotFoundError(ServingClientError):
    """The server has not loaded this model, or not this version or label of it."""


class SignatureError(ServingClientError):
    """The model has no such signature, or does not answer as a colorizer does."""


class InvalidRequestError(ServingClientError, ValueError):
    """An argument is wrong, according to the client or the server."""


class BadImageError(InvalidRequestError):
    """The server cannot decode these bytes, or the image has too many pixels."""


class TooLargeOrBusyError(ServingClientError):
    """The server has no room for the request, or a message is too large."""


class TooLargeError(TooLargeOrBusyError):
    """A request or an answer is larger than a limit of the client or of the server."""


class BusyError(TooLargeOrBusyError):
    """The server's queue is full; try again later."""


class ClientClosedError(ServingClientError, RuntimeError):
    """The client was closed, before the call or while it was waiting."""


class ServerFailedError(ServingClientError):
    """The server failed in a way that none of the other errors describes."""
