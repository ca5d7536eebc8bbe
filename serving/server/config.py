"""models.config: which of the exported models and versions are served, and under which labels.

It is TF Serving's ModelServerConfig as text. The server takes a changed file up while it runs, with one order that
decides everything below: it first checks the labels against the versions that it has *already loaded*, and only then
loads what is new. A file that adds a version and moves an existing label to it at once is therefore refused as a whole,
at every poll, and the version never loads. So an export adds its version and moves no label; moving one is a second
step, and going back is the same step. The labels of a model that has no entry yet may point anywhere, given the flag
in HEADER.
"""

import os
import uuid
from pathlib import Path

from google.protobuf import text_format

from serving.client import messages
from zoo.errors import ArgumentError

NAME = "models.config"
KEPT = 2  # versions that are served side by side: the newest, and the one to go back to

HEADER = """\
# What TF Serving serves, and under which labels. Written by `colorzoo export`, which adds versions and moves no label.
#
# tensorflow_model_server \\
#   --model_config_file=/models/models.config \\
#   --model_config_file_poll_wait_seconds=10 \\
#   --allow_version_labels_for_unavailable_models=true
#
# Without the second flag this file is read only once. Without the third the server does not start: at that moment no
# version is loaded that a label could point to.
#
# To try a new version: move `canary` to it once it is AVAILABLE. To release it: move `stable`. To go back: move
# `stable` back. A label that moves to a version which is not loaded yet makes the server refuse the whole file, and
# say so only in its log. Requests that name neither version nor label get the newest version at once: let clients
# name `stable`.
#
# A model that is missing here is unloaded. The next export keeps what you change in an entry - labels, base_path, a
# policy other than `specific` - and serves the two newest versions and those with a label. Delete the folder of a
# version that must not come back. Comments are not kept.
"""


def models_config(folder: Path, base_path: str = "/models", existing: messages.Message | None = None) -> str:
    """The text of a models.config for the models that lie in `folder` as NAME/VERSION/saved_model.pb.

    A model without an entry in `existing` gets `stable` and `canary` on its only version or, if it has several,
    `canary` on the newest and `stable` on the one before. Of an entry that is there, all is kept that is still valid:
    labels whose version lies in the folder stay, the others are given anew. Models whose entry has a base_path outside
    of the given one are kept as they are.

    Args:
        folder: where `colorzoo export` writes.
        base_path: what the server calls this folder, absolute: in a container usually not what it is called here.
        existing: the ModelServerConfig so far.

    Raises:
        ArgumentError: the folder holds no exported model, or base_path is relative.
    """
    if not base_path.startswith("/") and "://" not in base_path:
        raise ArgumentError(f"base_path {base_path!r} is relative: TF Serving takes absolute paths and URIs")
    found = {path.name: versions for path in sorted(folder.glob("[!.]*/")) if (versions := _versions(path))}
    if not found:
        raise ArgumentError(f"{folder}: no exported model (NAME/VERSION/saved_model.pb); see `colorzoo export`")
    base_path = base_path.rstrip("/")
    config = messages.ModelServerConfig()
    entries = config.model_config_list.config
    before = {} if existing is None else {entry.name: entry for entry in existing.model_config_list.config}
    for name, versions in found.items():
        entry = entries.add(name=name, base_path=f"{base_path}/{name}", model_platform="tensorflow")
        if name in before:
            entry.CopyFrom(before[name])
        _update(entry, versions)
    entries.extend(
        entry for name, entry in before.items() if name not in found and entry.base_path != f"{base_path}/{name}"
    )
    return f"{HEADER}\n{text_format.MessageToString(config)}"


def write_models_config(folder: Path, base_path: str = "/models") -> Path:
    """Write models.config into the folder of the exports, beside and renamed into place; see `models_config`.

    Raises:
        ArgumentError: as `models_config` and `read_models_config`.
    """
    path = folder / NAME
    text = models_config(folder, base_path, read_models_config(path) if path.exists() else None)
    partial = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def read_models_config(path: Path) -> messages.Message:
    """The ModelServerConfig in a file.

    Raises:
        ArgumentError: the file cannot be read, or is not one; the text says where.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), messages.ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        reason = " ".join(str(error).split())
        raise ArgumentError(f"{path}: not a list of models ({reason}); correct it or move it away") from error


def _versions(model: Path) -> list[int]:
    """Exported versions, ascending: TF Serving takes folders whose names are plain numbers."""
    names = (path.parent.name for path in model.glob("*/saved_model.pb"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit() and name == str(int(name)))


def _update(entry: messages.Message, versions: list[int]) -> None:
    labels = entry.version_labels
    for label, version in list(labels.items()):
        if version not in versions:
            del labels[label]
    newest = versions[-1]
    if "stable" not in labels:
        # With labels there is a canary that people chose; nothing newer than that has been tried.
        tried = [version for version in versions if version < labels.get("canary", newest)]
        labels["stable"] = tried[-1] if tried else versions[0]
    if "canary" not in labels:
        labels["canary"] = newest
    policy = entry.model_version_policy
    if policy.WhichOneof("policy_choice") in (None, "specific"):
        policy.specific.versions[:] = sorted({*versions[-KEPT:], *labels.values()})
