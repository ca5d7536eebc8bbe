"""Compile serving/client/protos into serving/client/descriptors.py (`make protos`; needs grpcio-tools).

What is written is a FileDescriptorSet in base64: text, which goes through review, packaging and type checks like any
other module. protoc's own Python output is of no use here: it would register the messages in protobuf's default pool,
where tensorflow-serving-api has messages of the same names.
"""

import base64
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "serving" / "client"
PROTOS = CLIENT / "protos"
MODULE = CLIENT / "descriptors.py"

TEMPLATE = '''\
"""The messages of protos/*.proto as protobuf's FileDescriptorSet. Written by `make protos`; do not edit."""

from base64 import b64decode

FILE_DESCRIPTOR_SET = b64decode(
    """
{lines}
    """
)
'''


def compile_protos() -> str:
    """The text of serving/client/descriptors.py."""
    # In the order of their names each file comes behind what it imports.
    names = sorted(path.name for path in PROTOS.glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "set"
        # In a process of its own: protoc brings another copy of protobuf than the one that this one may have loaded.
        # It knows google/protobuf/*.proto by itself.
        protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"--descriptor_set_out={output}"]
        if subprocess.run([*protoc, *names]).returncode:
            sys.exit("protos: protoc failed; its message is above")
        data = base64.b64encode(output.read_bytes()).decode()
    return TEMPLATE.format(lines="\n".join(textwrap.wrap(data, 116)))


if __name__ == "__main__":
    MODULE.write_text(compile_protos(), encoding="utf-8")
