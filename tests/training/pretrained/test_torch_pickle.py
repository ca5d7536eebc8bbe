"""Files of PyTorch: what they hold is read exactly, and nothing in them can run, fill the memory or go on forever."""

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.pretrained.legacy import (
    EMPTY_DICT,
    NONE,
    ORDERED_DICT,
    LegacyFile,
    named,
    number,
    numbers,
    sequence,
    state_dict,
    storage,
    tensor,
    text,
    write_tensors,
)
from training.pretrained import torch_pickle
from training.pretrained.torch_pickle import read_tensors
from zoo.errors import PresetError

SIX = np.arange(6, dtype=np.float32)
ELEMENTS = {"a": (6, SIX.tobytes())}


def read(content: bytes, tmp_path: Path) -> dict[str, np.ndarray]:
    (tmp_path / "weights.pth").write_bytes(content)
    return read_tensors(tmp_path / "weights.pth")


def refused(content: bytes, tmp_path: Path) -> str:
    """The one line with which a file is refused; an assertion fails if it is read, or refused in another way."""
    with pytest.raises(PresetError) as raised:
        read(content, tmp_path)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path}/weights.pth cannot be read as weights of PyTorch: ")
    assert "\n" not in message and len(message) < len(str(tmp_path)) + 1000
    return message


def a_file(**parts: Any) -> LegacyFile:
    return LegacyFile(state_dict({"w": tensor(storage("a", 6), (2, 3), (3, 1))}), ELEMENTS, **parts)


def test_tensors_are_read_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "conv.weight": rng.normal(size=(5, 4, 3, 2)).astype(np.float32),
        "turned": np.asfortranarray(rng.normal(size=(5, 4, 3)).astype(np.float32)),
        "count": np.array(2**40 + 1),
        "name that is not ASCII: ä": rng.integers(-9, 9, 7),
    }
    write_tensors(tmp_path / "weights.pth", tensors)
    found = read_tensors(tmp_path / "weights.pth")
    assert list(found) == list(tensors)
    for name, expected in tensors.items():
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)


def test_tensors_that_share_a_storage(tmp_path: Path) -> None:
    parts = {
        "all": tensor(storage("a", 6), (6,), (1,)),
        "turned": tensor(storage("a", 6), (3, 2), (1, 3)),
        "last": tensor(storage("a", 6), (2,), (1,), offset=4),
        "repeated": tensor(storage("a", 6), (3, 2), (0, 1)),
    }
    found = read(LegacyFile(state_dict(parts), ELEMENTS).content(), tmp_path)
    np.testing.assert_array_equal(found["all"], SIX)
    np.testing.assert_array_equal(found["turned"], SIX.reshape(2, 3).T)
    np.testing.assert_array_equal(found["last"], [4, 5])
    np.testing.assert_array_equal(found["repeated"], [[0, 1]] * 3)


def test_what_a_pickle_remembers_is_recalled(tmp_path: Path) -> None:
    """PyTorch writes every name once, and recalls it for the next tensor."""
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    first = tensor(storage("a", 6), (6,), (1,)).replace(rebuild, rebuild + b"q\x07")
    second = tensor(storage("a", 6), (3,), (2,)).replace(rebuild, b"h\x07")
    found = read(LegacyFile(state_dict({"x": first, "y": second}), ELEMENTS).content(), tmp_path)
    np.testing.assert_array_equal(found["y"], [0, 2, 4])


class _Call:
    """Pickled, it is a call that unpickling carries out."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.called = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.called


def body(value: Any, protocol: int = 2) -> bytes:
    """Of the pickle of a value, without its protocol and its end."""
    return pickle.dumps(value, protocol)[2 if protocol >= 2 else 0 : -1]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["in place of the tensors", "as a tensor", "as attributes"])
def test_no_call_is_carried_out(protocol: int, place: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    call = body(_Call(os.mkdir, str(made)), protocol)
    pickle.loads(b"\x80\x02" + call + b".")
    made.rmdir()  # the call works, where it is carried out
    states = {
        "in place of the tensors": call,
        "as a tensor": ORDERED_DICT + text("w") + call + b"s",
        "as attributes": ORDERED_DICT + call + b"b",
    }
    message = refused(LegacyFile(states[place]).content(), tmp_path)
    assert "it asks for 'posix mkdir'" in message if protocol < 4 else "STACK_GLOBAL" in message or "FRAME" in message
    assert not made.exists()


HOSTILE = {
    "os.system": named("os", "system") + sequence(text("exit")) + b"R",
    "eval": named("builtins", "eval") + sequence(text("1")) + b"R",
    "eval, called as in Python 2": named("__builtin__", "eval") + sequence(text("1")) + b"R",
    "getattr of getattr": named("builtins", "getattr") + sequence(named("builtins", "getattr"), text("x")) + b"R",
    "copyreg": body(_Call(object.__new__, object)).replace(b"R", b"\x81"),
    "copyreg._reconstructor": named("copyreg", "_reconstructor") + sequence(NONE, NONE, NONE) + b"R",
    "an attribute of an allowed class": named("collections", "OrderedDict.fromkeys") + sequence(text("x")) + b"R",
    "another module of the same function": named("torch", "_rebuild_tensor_v2") + b")R",
    "a name with a space": named("torch._utils _rebuild_tensor_v2", "x") + b")R",
    "a function of PyTorch that loads": named("torch", "load") + sequence(text("x")) + b"R",
    "a global from the memo": text("os") + b"q\x00" + text("system") + b"q\x01h\x00h\x01\x93",
    "INST": sequence(text("1"))[:-1] + b"ibuiltins\neval\n",
    "OBJ": b"(" + named("builtins", "eval") + text("1") + b"o",
    "NEWOBJ": named("collections", "OrderedDict") + b")\x81",
    "EXT1": b"\x82\x01",
    "a class with arguments": named("collections", "OrderedDict") + sequence(EMPTY_DICT) + b"R",
    "a storage that is called": named("torch", "FloatStorage") + numbers(10**15) + b"R",
    "a call of a dict": EMPTY_DICT + b")R",
    "a call of a tensor": tensor(storage("a", 6), (6,), (1,)) + b")R",
    "attributes of a function": named("torch._utils", "_rebuild_tensor_v2") + EMPTY_DICT + b"b",
    "attributes of nothing": EMPTY_DICT + b"b",
    "a function in place of a tensor": ORDERED_DICT + text("w") + named("torch._utils", "_rebuild_tensor_v2") + b"s",
    "a storage in place of a tensor": ORDERED_DICT + text("w") + storage("a", 6) + b"s",
    "a number in place of a tensor": ORDERED_DICT + text("w") + number(1) + b"s",
    "a tensor in place of the dict": tensor(storage("a", 6), (6,), (1,)),
    "a tensor without a name": ORDERED_DICT + number(1) + tensor(storage("a", 6), (6,), (1,)) + b"s",
    "a tuple for a name": ORDERED_DICT + sequence(NONE) + NONE + b"s",
    "an id that is no storage": sequence(text("module"), NONE) + b"Q",
    "an id that is text": text("storage") + b"Q",
    "an id in text": b"Pstorage\n",
    "a storage of another type": sequence(text("storage"), ORDERED_DICT, text("a"), text("cpu"), number(6), NONE)
    + b"Q",
    "a function for a type": (
        sequence(text("storage"), named("torch._utils", "_rebuild_tensor_v2"), text("a"), text("cpu"), number(6), NONE)
        + b"Q"
    ),
    "two values": EMPTY_DICT + EMPTY_DICT,
    "no value": b"",
    "an open mark": b"(" + EMPTY_DICT,
    "a mark that is missing": b"t",
    "items that are missing": EMPTY_DICT + b"s",
    "values from before a mark": EMPTY_DICT + b"(\x85t",
    "a memory that is empty": b"h\x05",
    "memory of nothing": b"q\x05",
    "half an item": EMPTY_DICT + b"(" + text("w") + b"u",
    "items for a list": b"](" + text("w") + NONE + b"u",
    "values for a dict": EMPTY_DICT + b"(" + NONE + b"e",
    "an unknown instruction": b"\xff",
    "text that is no UTF-8": b"X\x01\x00\x00\x00\xff",
    "text longer than the file": b"X\xff\xff\xff\xffx",
    "bytes longer than the file": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx",
    "an array longer than the file": b"\x96\xff\xff\xff\xff\xff\xff\xff\x7fx",
    "a number of negative length": b"\x8b\xff\xff\xff\xff",
    "a number of many digits": b"I" + b"9" * 5000 + b"\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_pickles_are_refused(what: str, tmp_path: Path) -> None:
    assert refused(LegacyFile(HOSTILE[what], ELEMENTS).content(), tmp_path)


DESCRIPTIONS = {
    "more elements than its storage": tensor(storage("a", 6), (7,), (1,)),
    "strides beyond its storage": tensor(storage("a", 6), (2, 3), (4, 1)),
    "an offset beyond its storage": tensor(storage("a", 6), (1,), (1,), offset=6),
    "an offset and a shape beyond it": tensor(storage("a", 6), (2, 3), (3, 1), offset=1),
    "a negative offset": tensor(storage("a", 6), (2,), (1,), offset=-1),
    "negative sizes": tensor(storage("a", 6), (-2, -3), (3, 1)),
    "a negative stride": tensor(storage("a", 6), (2,), (-1,), offset=1),
    "one element, repeated to fill the memory": tensor(storage("a", 6), (10**6, 10**6), (0, 0)),
    "sizes without end": tensor(storage("a", 6), (2**200,), (0,)),
    "strides without end": tensor(storage("a", 6), (1,), (2**62,)),
    "no elements, and sizes without end": tensor(storage("a", 6), (0, 2**46, 2**46), (1, 1, 1)),
    "fewer strides than sizes": tensor(storage("a", 6), (2, 3), (3,)),
    "a hundred dimensions": tensor(storage("a", 6), (1,) * 100, (1,) * 100),
    "a size that is true": tensor(storage("a", 6), (6,), (1,)).replace(numbers(6), sequence(b"\x88")),
    "a size that is text": tensor(storage("a", 6), (6,), (1,)).replace(numbers(6), sequence(text("6"))),
    "a shape that is a list": tensor(storage("a", 6), (6,), (1,)).replace(numbers(6), b"](K\x06e"),
    "a storage longer than the file": tensor(storage("a", 2**40), (6,), (1,)),
    "a storage without end": tensor(storage("a", 2**70), (6,), (1,)),
    "a storage of negative length": tensor(storage("a", -6), (6,), (1,)),
    "a storage of another length": tensor(storage("a", 5), (5,), (1,)),
    "a storage that is a text": tensor(text("a"), (6,), (1,)),
    "hooks that are calls": tensor(storage("a", 6), (6,), (1,)).replace(ORDERED_DICT, NONE),
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_tensors_that_cannot_be_are_refused(what: str, tmp_path: Path) -> None:
    assert refused(LegacyFile(state_dict({"w": DESCRIPTIONS[what]}), ELEMENTS).content(), tmp_path)


def test_depth_circles_and_high_numbers_do_no_harm(tmp_path: Path) -> None:
    deep = b")" + b"\x85" * 50_000
    doubled = text("x") + b"q\x01h\x01\x86" * 60  # hashing it takes 2 ** 60 steps
    circle = b"]q\x00h\x00a"
    far = NONE + b"r\xff\xff\xff\x7f"  # a list of remembered values would need 16 GB
    for state in (deep, doubled, circle, far):
        assert refused(LegacyFile(state, ELEMENTS).content(), tmp_path)
        assert refused(LegacyFile(ORDERED_DICT + state + NONE + b"s", ELEMENTS).content(), tmp_path)


def test_pickles_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_pickle, "MOST_INSTRUCTIONS", 20)
    assert "more than 20 instructions" in refused(LegacyFile(b"]" * 21).content(), tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged"),
        (b"no weights", "damaged"),
        (b"PK\x03\x04" + bytes(50), "zip archive, as PyTorch writes them from 1.6 on"),
        (a_file(magic=1).content(), "magic number"),
        (a_file(protocol=1000).content(), "magic number and the protocol 1001"),
        (a_file(little_endian=False).content(), "little-endian"),
        (a_file(keys=[]).content(), "storages"),
        (a_file(keys=["a", "a"]).content(), "storages"),
        (a_file(keys=["b"]).content(), "storages"),
        (a_file().content().replace(body(["a"]), body({"a": 1})), "storages"),
        (a_file().content() + b"\0", "1 bytes follow"),
        (a_file().content()[:-1], "it may be cut off"),
        (LegacyFile(a_file().state, {"a": (7, SIX.tobytes())}).content(), "of 6 elements is said to have 7"),
        (LegacyFile(a_file().state, {"a": (-6, SIX.tobytes())}).content(), "of 6 elements is said to have -6"),
        (
            LegacyFile(
                state_dict({k: tensor(storage("a", 6, k), (3,), (1,)) for k in ("FloatStorage", "LongStorage")}),
                ELEMENTS,
            ).content(),
            "two of its storages have the same key",
        ),
    ],
)  # fmt: skip
def test_what_is_no_such_file(content: bytes, said: str, tmp_path: Path) -> None:
    assert said in refused(content, tmp_path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(PresetError, match=f"^{path} cannot be read: [A-Z]"):
            read_tensors(path)


def test_damage_anywhere_is_an_error_or_other_weights(tmp_path: Path) -> None:
    content = a_file().content()
    for end in range(0, len(content), 3):
        refused(content[:end], tmp_path)
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= (0x01, 0x80, 0xFF)[position % 3]
        try:
            found = read(bytes(damaged), tmp_path)
        except PresetError:
            continue
        assert sum(weights.size for weights in found.values()) <= 6


def test_counts_are_compared_with_the_file_before_memory_is_taken(tmp_path: Path) -> None:
    """A terabyte, said twice."""
    state = state_dict({"w": tensor(storage("a", 2**38), (2**38,), (1,))})
    content = LegacyFile(state, {"a": (2**38, struct.pack("<f", 1))}).content()
    assert "it may be cut off" in refused(content, tmp_path)
