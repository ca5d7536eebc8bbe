"""What the clients return, apart from bytes and arrays."""

from dataclasses import dataclass

from .errors import ServingClientError


@dataclass(frozen=True)
class Outcome:
    """The result for one image of many.

    Attributes:
        index: Position of the image, from 0.
        image: The colorized image as an encoded file, or None if it failed.
        error: Why it failed, or None if it did not.
    """

    index: int
    image: bytes | None
    error: ServingClientError | None


@dataclass(frozen=True)
class Confidence:
    """The confidence of the network in its colors.

    Attributes:
        mean: Mean probability over all pixels, 0 to 1.
        png: 16-bit gray PNG of the size of the image, in which 65535 is probability 1.
    """

    mean: float
    png: bytes


@dataclass(frozen=True)
class TensorKind:
    """Type of an input or output.

    Attributes:
        dtype: Such as "uint8", "float32" or "string".
        shape: Such as (None, None, None, 3), in which None is any size; None if the rank is unknown.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """The named inputs and outputs of one way to call a model."""

    inputs: dict[str, TensorKind]
    outputs: dict[str, TensorKind]
