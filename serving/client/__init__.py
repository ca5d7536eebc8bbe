"""Clients of a colorizer behind gRPC: TF Serving, or `colorzoo serve`.

with ColorizeClient("localhost:8500", "lite_unet_photos_v3") as client:
    Path("new.png").write_bytes(client.colorize(Path("old.jpg").read_bytes()))

`AsyncColorizeClient` has the same methods for asyncio. Neither needs TensorFlow or Keras.
Module `errors` lists what they raise.
"""

from .aio import AsyncColorizeClient
from .channel import TLS
from .errors import (
    BadImageError,
    BusyError,
    ClientClosedError,
    DeadlineError,
    InvalidRequestError,
    ModelNotFoundError,
    ServerFailedError,
    ServerUnavailableError,
    ServingClientError,
    SignatureError,
    TooLargeError,
    TooLargeOrBusyError,
)
from .results import Confidence, Outcome, Signature, TensorKind
from .sync import ColorizeClient

__all__ = [
    "TLS",
    "AsyncColorizeClient",
    "BadImageError",
    "BusyError",
    "ClientClosedError",
    "ColorizeClient",
    "Confidence",
    "DeadlineError",
    "InvalidRequestError",
    "ModelNotFoundError",
    "Outcome",
    "ServerFailedError",
    "ServerUnavailableError",
    "ServingClientError",
    "Signature",
    "SignatureError",
    "TensorKind",
    "TooLargeError",
    "TooLargeOrBusyError",
]
