"""Writes files as PyTorch wrote them before 1.6, instruction by instruction, damaged and hostile ones too."""

import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
KINDS = {np.dtype(np.float32): "FloatStorage", np.dtype(np.int64): "LongStorage"}
NONE, FALSE, EMPTY_DICT, STOP = b"N", b"\x89", b"}", b"."


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + STOP


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = pickle.encode_long(value)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def sequence(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def numbers(*values: int) -> bytes:
    return sequence(*map(number, values))


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


ORDERED_DICT = named("collections", "OrderedDict") + b")R"


def storage(key: str, count: int, kind: str = "FloatStorage") -> bytes:
    return sequence(text("storage"), named("torch", kind), text(key), text("cpu"), number(count), NONE) + b"Q"


def tensor(of: bytes, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    arguments = sequence(of, number(offset), numbers(*shape), numbers(*strides), FALSE, ORDERED_DICT)
    return named("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def state_dict(tensors: Mapping[str, bytes]) -> bytes:
    """With the versions of modules that PyTorch hangs on it."""
    items = b"".join(text(name) + value for name, value in tensors.items())
    metadata = EMPTY_DICT + text("_metadata") + ORDERED_DICT + b"s"
    return ORDERED_DICT + b"(" + items + b"u" + metadata + b"b"


@dataclass
class LegacyFile:
    """The parts of a file: `state` is a pickle's body, `storages` are key -> (count that is said, elements)."""

    state: bytes
    storages: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    magic: int = MAGIC
    protocol: int = PROTOCOL
    little_endian: bool = True
    keys: list[str] | None = None

    def content(self) -> bytes:
        facts = {"protocol_version": self.protocol, "little_endian": self.little_endian, "type_sizes": {"int": 4}}
        header = [pickle.dumps(value, 2) for value in (self.magic, self.protocol, facts)]
        keys = pickle.dumps(list(self.storages) if self.keys is None else self.keys, 2)
        elements = [struct.pack("<q", count) + raw for count, raw in self.storages.values()]
        return b"".join([*header, pickled(self.state), keys, *elements])


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Each in a storage of its own, with the strides that it has."""
    found, storages = {}, {}
    for i, (name, array) in enumerate(tensors.items()):
        key, kind = str(1000 + i), KINDS[array.dtype]
        strides = tuple(stride // array.itemsize for stride in array.strides)
        found[name] = tensor(storage(key, array.size, kind), array.shape, strides)
        # In the order in which the elements lie in memory.
        storages[key] = (array.size, array.tobytes("A") if array.flags.f_contiguous else array.tobytes())
    path.write_bytes(LegacyFile(state_dict(found), storages).content())
