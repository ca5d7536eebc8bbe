"""Parses text protos by .proto files, without protoc: as much of the language as tests/serving_protos uses."""

import re
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, text_format, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from tests.paths import TESTS

FIELD = re.compile(r"  (repeated )?([\w.]+) (\w+) = (\d+);")
PROTO = TESTS / "serving_protos" / "configs.proto"


def _file(path: Path) -> Any:
    text = path.read_text()
    (package,) = re.findall(r"^package ([\w.]+);$", text, re.MULTILINE)
    wrappers = wrappers_pb2.DESCRIPTOR.name
    file = descriptor_pb2.FileDescriptorProto(name=path.name, package=package, syntax="proto3", dependency=[wrappers])
    types = descriptor_pb2.FieldDescriptorProto
    for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}$", text, re.MULTILINE | re.DOTALL):
        message = file.message_type.add(name=name)
        for row in body.splitlines():
            found = FIELD.fullmatch(row)
            assert found, row
            repeated, kind, field, number = found.groups()
            added = message.field.add(name=field, number=int(number))
            added.label = types.LABEL_REPEATED if repeated else types.LABEL_OPTIONAL
            if kind.islower() and "." not in kind:
                added.type = types.Type.Value(f"TYPE_{kind.upper()}")
            else:
                added.type = types.TYPE_MESSAGE
                added.type_name = f".{kind}" if "." in kind else f".{package}.{kind}"
    return file


def parse(text: str, message: str) -> Any:
    """The message of this name in tests/serving_protos, read from text; raises text_format.ParseError."""
    pool = DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_file(PROTO).SerializeToString())
    return text_format.Parse(text, GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{message}"))())
