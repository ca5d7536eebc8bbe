"""The messages are those of the .proto files, and tensors keep their values."""

import importlib.util

import numpy as np
import pytest

from serving.client import messages
from tests.paths import ROOT


def test_the_descriptors_are_compiled_from_the_protos() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    spec = importlib.util.spec_from_file_location("protos", ROOT / "scripts" / "protos.py")
    assert spec is not None and spec.loader is not None
    protos = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protos)
    assert protos.MODULE.read_text() == protos.compile_protos(), "run `make protos`"


@pytest.mark.parametrize(
    "value",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2),
        np.full((1, 1), 200, np.uint8),
        np.full((1,), 0.5, np.float32),
        np.zeros((2, 0, 3), np.float32),
        np.array([b"", b"\x00\xff", b"a"], object),
    ],
    ids=lambda value: f"{value.dtype}{list(value.shape)}",
)
def test_tensors_keep_their_values(value: np.ndarray) -> None:
    sent = messages.tensor(list(value) if value.dtype == object else value)
    got = messages.array(messages.TensorProto.FromString(sent.SerializeToString()))
    assert got.dtype == value.dtype and got.shape == value.shape
    np.testing.assert_array_equal(got, value)


def test_tensors_of_other_types_are_not_sent() -> None:
    with pytest.raises(TypeError, match="float64"):
        messages.tensor(np.zeros(3))
