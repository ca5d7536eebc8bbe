"""models.config: which of the exported models and versions are served, and under which labels.

It is TF Serving's ModelServerConfig as text. `colorzoo export` writes it; TF Serving and `colorzoo serve` read it.

TF Serving reads a changed file while it runs, in an order that explains everything below: it first checks the labels
against the versions that it has *already loaded*, and only then loads new versions. A file that adds a version and at
the same time moves an existing label to it is therefore refused as a whole, at every poll, and the version never loads.
So an export adds its version and moves no label; moving a label is a second step, and so is moving it back. The labels
of a model without an entry so far may point anywhere, given the third flag in HEADER.
"""

from pathlib import Path

from google.protobuf import text_format

from media import atomic
from serving.client import messages
from serving.model_folder import SAVED_MODEL, version_folders
from zoo.errors import ArgumentError

NAME = "models.config"
KEPT = 2  # versions served side by side: the newest, and the one to go back to

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
    """The text of a models.config for the models in `folder`, which lie there as NAME/VERSION/saved_model.pb.

    A model without an entry in `existing` gets `stable` and `canary` on its only version or, if it has several,
    `canary` on the newest and `stable` on the one before. An existing entry keeps all that is still valid: labels whose
    version is in the folder stay, the others are assigned anew. Models whose entry has a base_path outside of the given
    one are kept as they are.

    Args:
        folder: Where `colorzoo export` writes.
        base_path: The absolute path of this folder on the server, which in a container is usually another one.
        existing: The ModelServerConfig so far.

    Raises:
        ArgumentError: The folder holds no exported model, or base_path is relative.
    """
    if not base_path.startswith("/") and "://" not in base_path:
        raise ArgumentError(f"base_path {base_path!r} is relative: TF Serving takes absolute paths and URIs")
    found = {path.name: versions for path in sorted(folder.glob("[!.]*/")) if (versions := _finished_versions(path))}
    if not found:
        raise ArgumentError(f"{folder}: no exported model (NAME/VERSION/{SAVED_MODEL}); see `colorzoo export`")
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
    """Write models.config into the folder of the exports, atomically -> its path; see `models_config`.

    Raises:
        ArgumentError: As `models_config` and `read_models_config`.
    """
    path = folder / NAME
    text = models_config(folder, base_path, read_models_config(path) if path.exists() else None)
    atomic.write_text(path, text)
    return path


def read_models_config(path: Path) -> messages.Message:
    """The ModelServerConfig in a file.

    Raises:
        ArgumentError: The file cannot be read or parsed; the message says where it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text_format.Parse(text, messages.ModelServerConfig(), descriptor_pool=messages.POOL)
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, text_format.ParseError) as error:
        reason = " ".join(str(error).split())
        raise ArgumentError(f"{path}: not a list of models ({reason}); correct it or move it away") from error


def check_models_config(config: messages.Message) -> None:
    """Refuse a ModelServerConfig that TF Serving would refuse.

    Raises:
        ArgumentError: It is not a list, a model lacks its name or path, two have one name, or one is not TensorFlow's.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise ArgumentError("ServerModelConfig type not supported. Only ModelConfigList is currently supported")
    names = [model.name for model in config.model_config_list.config]
    if not all(names) or len(set(names)) < len(names):
        raise ArgumentError("every model needs a unique name")
    for model in config.model_config_list.config:
        if not model.base_path:
            raise ArgumentError(f"model {model.name!r} has no base_path")
        if model.model_platform not in ("", "tensorflow"):
            platform = model.model_platform
            raise ArgumentError(f"model {model.name!r} has the platform {platform!r}: only tensorflow is served")


def _finished_versions(model: Path) -> list[int]:
    return [number for number, folder in version_folders(model).items() if (folder / SAVED_MODEL).exists()]


def _update(entry: messages.Message, versions: list[int]) -> None:
    labels = entry.version_labels
    for label, version in list(labels.items()):
        if version not in versions:
            del labels[label]
    newest = versions[-1]
    if "stable" not in labels:
        # The canary was chosen by hand: nothing newer has been tried.
        tried = [version for version in versions if version < labels.get("canary", newest)]
        labels["stable"] = tried[-1] if tried else versions[0]
    if "canary" not in labels:
        labels["canary"] = newest
    policy = entry.model_version_policy
    if policy.WhichOneof("policy_choice") in (None, "specific"):
        policy.specific.versions[:] = sorted({*versions[-KEPT:], *labels.values()})
