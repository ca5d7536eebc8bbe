"""The folder of an exported model, as TF Serving reads it: NAME/VERSION/saved_model.pb, variables/, assets.extra/."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.client import messages
from zoo.errors import ArgumentError

SAVED_MODEL = "saved_model.pb"
WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")

_MAX_VERSION = 2**63 - 1  # versions are int64


def version_folders(model: Path, report: Callable[[str], None] = lambda _: None) -> dict[int, Path]:
    """The versions in a model's folder, ascending: number -> folder. The rule is TF Serving's: the name is a number.

    A folder without `saved_model.pb` counts as well: it may still be being copied.

    Args:
        model: The folder NAME; an empty result if it does not exist.
        report: Called with one line for each folder that is ignored although it is not hidden.
    """
    try:
        folders = sorted(path for path in model.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return {}
    found = {}
    for path in folders:
        if path.name.isascii() and path.name.isdigit() and int(path.name) <= _MAX_VERSION:
            found[int(path.name)] = path  # of "04" and "4" the later one, as in TF Serving
        else:
            report(f"{path}: not a version, since its name is not a number")
    return dict(sorted(found.items()))


def read_signatures(version: Path) -> messages.Message:
    """A SignatureDefMap with exactly the signatures in a version's `saved_model.pb`.

    Raises:
        OSError: The file cannot be read.
        google.protobuf.message.DecodeError: The file is damaged.
    """
    found = saved_model_pb2.SavedModel()
    found.ParseFromString((version / SAVED_MODEL).read_bytes())
    signatures = messages.SignatureDefMap()
    for name, definition in found.meta_graphs[0].signature_def.items():
        signatures.signature_def[name].ParseFromString(definition.SerializeToString())
    return signatures


def read_warm_up_requests(version: Path) -> list[messages.Message]:
    """The PredictRequests that a version was exported with, an empty list if there are none.

    Raises:
        ArgumentError: A record is not what TF Serving takes.
        tf.errors.OpError: The file cannot be read.
    """
    file = version / WARM_UP
    if not file.exists():
        return []
    requests = []
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        log = messages.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") != "predict_log":
            raise ArgumentError(f"{WARM_UP}: a record is not a predict_log")
        requests.append(log.predict_log.request)
    return requests
