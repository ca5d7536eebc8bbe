"""Files of weights that PyTorch wrote before 1.6, read without PyTorch and without running anything in them.

Such a file is a row of five pickles (a magic number, the version of the protocol, facts about the machine, an
OrderedDict of tensors by name, and the keys of their storages) and then, for each key, a number of elements and the
elements. A pickle is a program, and `pickle.Unpickler` runs it whatever `find_class` admits: it reserves gigabytes if
the program asks for them, hashes tuples nested so deep that it never ends, and sets attributes of what it was given.
Here the few instructions that a dict of tensors is written with are interpreted instead, with no effect but on a stack
of plain values. All others are refused.
"""

import math
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import PresetError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
ZIP = b"PK"
MOST_INSTRUCTIONS = 1_000_000  # of a pickle; three hundred tensors take ten thousand
MOST_DIMENSIONS = 32
LARGEST = 2**48  # number, so that none that follows from it is too large for numpy
COUNT = np.dtype("<i8")


@dataclass(frozen=True)
class _Global:
    """What a pickle may name: a class or a function of PyTorch's, as nothing but its name."""

    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """Elements of a storage; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


ORDERED_DICT = _Global("collections OrderedDict")
REBUILD = _Global("torch._utils _rebuild_tensor_v2")
STORAGES: dict[_Global, np.dtype[Any]] = {
    _Global("torch FloatStorage"): np.dtype("<f4"),
    _Global("torch LongStorage"): np.dtype("<i8"),
}
GLOBALS = {known.name: known for known in (ORDERED_DICT, REBUILD, *STORAGES)}


class _Refused(Exception):
    """Says what of a file is not as it should be."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict, float32 or int64, by name; arrays that share the memory of the file.

    Raises:
        PresetError: the file cannot be read, is damaged, or holds anything but a dict of tensors.
    """
    try:
        return _read(path.read_bytes())
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror}") from error
    except _Refused as error:
        raise PresetError(f"{path} cannot be read as weights of PyTorch: {error}") from error


def _read(content: bytes) -> dict[str, np.ndarray]:
    if content.startswith(ZIP):
        raise _Refused("it is a zip archive, as PyTorch writes them from 1.6 on; the older format is needed")
    stream = BytesIO(content)
    if _Machine().run(stream) != MAGIC or _Machine().run(stream) != PROTOCOL:
        raise _Refused(f"it does not begin with the magic number and the protocol {PROTOCOL}")
    machine = _Machine().run(stream)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise _Refused("it does not say that its numbers are little-endian")
    tensors, keys = _Machine().run(stream), _Machine().run(stream)
    if not isinstance(tensors, dict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise _Refused("it holds something else than a dict of tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if any(tensor.storage != storages[tensor.storage.key] for tensor in tensors.values()):
        raise _Refused("two of its storages have the same key")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _Refused("its list of storages is not one")
    if sorted(keys) != sorted(storages):
        raise _Refused(f"it lists {len(keys)} storages, and its tensors have {len(storages)} others")
    found = _storages(content, stream.tell(), [storages[key] for key in keys])
    return {name: _view(tensor, found[tensor.storage.key]) for name, tensor in tensors.items()}


def _storages(content: bytes, position: int, storages: list[_Storage]) -> dict[str, np.ndarray]:
    """The elements (n,) of each storage, which lie one after the other from a position on, each behind its count."""
    found = {}
    for storage in storages:
        end = position + COUNT.itemsize + storage.count * storage.dtype.itemsize
        if end > len(content):
            raise _Refused(f"it ends within its storages, after {len(content)} bytes; it may be cut off")
        if (count := int(np.frombuffer(content, COUNT, 1, position)[0])) != storage.count:
            raise _Refused(f"a storage of {storage.count} elements is said to have {count}")
        found[storage.key] = np.frombuffer(content, storage.dtype, count, position + COUNT.itemsize)
        position = end
    if position != len(content):
        raise _Refused(f"{len(content) - position} bytes follow its last storage")
    return found


def _view(tensor: _Tensor, elements: np.ndarray) -> np.ndarray:
    strides = tuple(stride * elements.itemsize for stride in tensor.strides)
    # It was checked that this stays within the elements, and numpy checks it again.
    return np.ndarray(tensor.shape, elements.dtype, elements, tensor.offset * elements.itemsize, strides)


def _instructions(stream: BytesIO) -> Iterator[tuple[str, Any]]:
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            yield opcode.name, argument
    except ValueError as error:
        raise _Refused(f"it is damaged, or something else ({error})") from error


class _Machine:
    """Interprets one pickle.

    Every instruction costs about as much as the bytes that it is written in, and nothing that was built is ever
    walked through, so that neither depth nor circles do harm.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: BytesIO) -> Any:
        """The value of the pickle that begins here; the stream is left behind it."""
        for name, argument in islice(_instructions(stream), MOST_INSTRUCTIONS):
            if name == "STOP":
                if len(self.stack) != 1 or self.marks:
                    raise _Refused("a pickle in it ends with more or less than one value")
                return self.stack[0]
            if name not in INSTRUCTIONS:
                raise _Refused(f"a pickle in it has the instruction {name}, which no weights need")
            INSTRUCTIONS[name](self, argument)
        raise _Refused(f"a pickle in it has more than {MOST_INSTRUCTIONS} instructions")

    # === The stack ===

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, count: int) -> list[Any]:
        """The last values, of those behind the last mark."""
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise _Refused("a pickle in it takes values that are not there")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise _Refused("a pickle in it takes values that are not there")
        values = self.stack[self.marks[-1] :]
        del self.stack[self.marks.pop() :]
        return values

    def last(self, kind: type) -> Any:
        """The last value, which stays."""
        (value,) = self.pop(1)
        if not isinstance(value, kind):
            raise _Refused(f"a pickle in it takes a {type(value).__name__} for a {kind.__name__}")
        self.push(value)
        return value

    # === Instructions with effects of their own ===

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def remember(self, index: int) -> None:
        (self.memo[index],) = self.pop(1)
        self.push(self.memo[index])

    def recall(self, index: int) -> None:
        if index not in self.memo:
            raise _Refused("a pickle in it takes values that are not there")
        self.push(self.memo[index])

    def extend(self, values: list[Any]) -> None:
        self.last(list).extend(values)

    def update(self, items: list[Any]) -> None:
        if len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise _Refused("a dict in it has keys that are no names")
        self.last(dict).update(zip(items[::2], items[1::2], strict=True))

    def drop_state(self) -> None:
        """The attributes of the OrderedDict: versions of modules, which no weight depends on."""
        self.pop(1)
        self.last(dict)

    def find(self, name: str) -> None:
        if name not in GLOBALS:
            raise _Refused(f"it asks for {name!r:.80}, which it must not: it may be malicious")
        self.push(GLOBALS[name])

    def find_storage(self) -> None:
        (identity,) = self.pop(1)
        match identity:
            case ("storage", _Global() as kind, str(key), str(), count, None) if kind in STORAGES and _is_natural(
                count
            ):
                self.push(_Storage(key, STORAGES[kind], count))
            case _:
                raise _Refused("a storage in it is described in a way that is not known")

    def call(self) -> None:
        function, arguments = self.pop(2)
        if function is ORDERED_DICT and arguments == ():
            self.push({})
        elif function is REBUILD and isinstance(arguments, tuple):
            self.push(_tensor(arguments))
        else:
            raise _Refused("it calls what is no function for tensors: it may be malicious")


def _tensor(arguments: tuple[Any, ...]) -> _Tensor:
    """Of the arguments of `torch._utils._rebuild_tensor_v2`; whether it needs gradients and its hooks do not matter."""
    match arguments:
        case (_Storage() as storage, offset, tuple(shape), tuple(strides), bool(), dict()):
            pass
        case _:
            raise _Refused("a tensor in it is described in a way that is not known")
    if not all(map(_is_natural, (offset, *shape, *strides))) or len(shape) != len(strides):
        raise _Refused("a tensor has an offset, sizes or strides that are no numbers from 0 on")
    if len(shape) > MOST_DIMENSIONS:
        raise _Refused(f"a tensor has {len(shape)} dimensions: at most {MOST_DIMENSIONS} are allowed")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    # With strides of 0, a few elements could otherwise fill the memory.
    if not 0 < math.prod(shape) <= storage.count or last >= storage.count:
        raise _Refused(f"a tensor of shape {shape} does not lie within its storage of {storage.count} elements")
    return _Tensor(storage, offset, shape, strides)


def _is_natural(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    # Plain values
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), lambda machine, value: machine.push(value)
    ),
    # Collections
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "MARK": lambda machine, _: machine.mark(),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.pop(3))),
    "APPEND": lambda machine, _: machine.extend(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.pop_to_mark()),
    "BUILD": lambda machine, _: machine.drop_state(),
    # The memo
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda machine, index: machine.remember(index)),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, index: machine.recall(index)),
    # Names and calls
    "GLOBAL": lambda machine, name: machine.find(name),
    "BINPERSID": lambda machine, _: machine.find_storage(),
    "REDUCE": lambda machine, _: machine.call(),
}
