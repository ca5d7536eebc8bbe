"""Which versions of which models are served: found in folders, loaded, swapped and unloaded while requests run.

    START  ->  LOADING  ->  AVAILABLE  ->  UNLOADING  ->  END

The rules are TF Serving's. A new version is loaded and warmed up before the old one is unloaded, and that only when
its last request is done. A version that cannot be loaded is at END with the reason, the old one goes on, and it is
tried again only when its files change.

Unlike TF Serving, the server starts if at least one model can be served, and a failed load is not repeated by the
clock.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc
import tensorflow as tf
from google.protobuf import text_format

from serving.client import messages
from serving.server import logs
from serving.server.errors import RequestError, invalid, not_found, status, unmet
from serving.server.servable import SavedModel, warm_up
from zoo.errors import ArgumentError

STATES = messages.ENUMS["tensorflow.serving.ModelVersionStatus.State"]


def folder_config(folder: Path) -> messages.Message:
    """A ModelServerConfig of every NAME/ in `folder` that holds a folder whose name is a number.

    Versions and labels are those that the folder's models.config gives to NAME, or else the latest version.

    Raises:
        ArgumentError: the folder or its models.config cannot be read.
    """
    config = messages.ModelServerConfig()
    config.model_config_list.SetInParent()
    file = folder / "models.config"
    listed = read_config(file, folder).model_config_list.config if file.is_file() else []
    known = {model.name: model for model in listed}
    try:
        for base in sorted(folder.iterdir()):
            if base.is_dir() and not base.name.startswith(".") and any(_numbered(base)):
                added = config.model_config_list.config.add()
                if base.name in known:
                    added.CopyFrom(known[base.name])
                added.name, added.base_path = base.name, str(base.absolute())
    except OSError as error:
        raise ArgumentError(f"{folder}: the folder of models cannot be read: {error.strerror or error}") from error
    return config


def read_config(file: Path, root: Path | None = None) -> messages.Message:
    """A models.config, as TF Serving reads it, with the paths of this machine.

    A `base_path` that is relative begins at `root`, or beside the file. One that is not there, such as those of a
    container, is looked for there by its last name.

    Raises:
        ArgumentError: the file cannot be read, or is no ModelServerConfig.
    """
    config = messages.ModelServerConfig()
    try:
        text_format.Parse(file.read_text(encoding="utf-8"), config, descriptor_pool=messages.POOL)
        _refuse_unusable(config)
    except OSError as error:
        raise ArgumentError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, text_format.ParseError, RequestError) as error:
        raise ArgumentError(f"{file}: is no list of models as TF Serving takes it: {error}") from error
    for model in config.model_config_list.config:
        here = root or file.parent
        base, beside = here / model.base_path, here / Path(model.base_path).name
        model.base_path = str((beside if beside.is_dir() and not base.exists() else base).absolute())
    return config


class Observer(Protocol):
    """What `serving.server.metrics.Metrics` offers to this module."""

    def loaded(self, path: Path, error: RequestError | None) -> None:
        """A version was loaded, or could not be."""

    def warmed_up(self, path: Path, seconds: float) -> None:
        """The requests that were exported with a version were run."""


@dataclass(eq=False)
class Version:
    """One version of a model, and what is known of it.

    Attributes:
        state: A name of STATES.
        error: Why it could not be loaded, or None.
        model: The loaded SavedModel, or None.
        uses: Requests that hold it.
    """

    name: str
    number: int
    folder: Path
    state: str = "START"
    error: RequestError | None = None
    model: SavedModel | None = None
    uses: int = 0
    files: object = None


class Models:
    """The models that are served now. All methods may be called from several threads.

    Args:
        source: What is to be served: called at every look at the folders, until `reload` replaces it.
        observer: Told of every load.
    """

    def __init__(self, source: Callable[[], messages.Message], observer: Observer) -> None:
        self._source = source
        self._observer = observer
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._versions: dict[str, dict[int, Version]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._told: set[str] = set()
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self, poll_seconds: float) -> None:
        """Load everything, then look for changes every `poll_seconds` in a thread of its own.

        Raises:
            ArgumentError: there is no model, or none that can be served.
        """
        config = self._source()
        with self._refreshing:
            self._refresh(config)
        available = [version for version in self.all_versions() if version.state == "AVAILABLE"]
        if not available:
            raise ArgumentError(self._why_nothing(config))
        self._watcher = threading.Thread(target=self._watch, args=(poll_seconds,), name="models", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Look for changes no longer."""
        self._closed.set()
        if self._watcher is not None:
            self._watcher.join()

    def reload(self, config: messages.Message) -> None:
        """Serve what a ModelServerConfig says and nothing else; returns when its versions are loaded.

        Raises:
            RequestError: INVALID_ARGUMENT: no list of models; FAILED_PRECONDITION: a label of a version that is not
                available now; or a model of which no version could be loaded, the others being as the list says.
        """
        _refuse_unusable(config)
        with self._refreshing:
            for model in config.model_config_list.config:
                for number in model.version_labels.values():
                    if not self._is_available(model.name, number):
                        raise unmet(
                            f"Request to assign label to version {number} of model {model.name}, "
                            "which is not currently available for inference"
                        )
            kept = messages.ModelServerConfig.FromString(config.SerializeToString())
            self._source = lambda: kept
            self._refresh(kept)
        names = {model.name for model in kept.model_config_list.config}
        served = {version.name for version in self.all_versions() if version.state == "AVAILABLE"}
        if names - served:
            raise unmet(self._why_nothing(kept))
        logs.event("reloaded", models=sorted(names))

    def all_versions(self) -> list[Version]:
        """Every version that was ever loaded or tried, sorted by model and number."""
        with self._lock:
            return [self._versions[name][number] for name in sorted(self._versions) for number in self._numbers(name)]

    def knows(self, name: str) -> bool:
        """Whether a version of this model was ever loaded or tried."""
        return name in self._versions

    def find(self, spec: messages.Message) -> list[Version]:
        """The versions that a ModelSpec asks for, whatever their state: one, or all of a model.

        Raises:
            RequestError: INVALID_ARGUMENT: no name, or no such label; NOT_FOUND: no such model or version.
        """
        number = self._chosen(spec)
        found = [version for version in self.all_versions() if version.name == spec.name]
        if not found:
            raise not_found(f"Could not find any versions of model {spec.name}")
        if number is None:
            return found
        found = [version for version in found if version.number == number]
        if not found:
            raise not_found(f"Could not find version {number} of model {spec.name}")
        return found

    @contextmanager
    def using(self, spec: messages.Message) -> Iterator[tuple[Version, SavedModel]]:
        """The version that a ModelSpec asks for, by default the highest; it stays loaded inside the `with` block.

        Raises:
            RequestError: as `find`, and NOT_FOUND if the version is not available.
        """
        number = self._chosen(spec)
        with self._lock:
            mine = self._versions.get(spec.name, {}).values()
            ready = [each for each in mine if each.state == "AVAILABLE" and number in (None, each.number)]
            if not ready:
                wanted = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
                raise not_found(f"Servable not found for request: {wanted}")
            version = max(ready, key=lambda each: each.number)
            version.uses += 1
            model = version.model
        assert model is not None
        try:
            yield version, model
        finally:
            with self._lock:
                version.uses -= 1

    def _chosen(self, spec: messages.Message) -> int | None:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        if spec.HasField("version"):
            return int(spec.version.value)
        if not spec.version_label:
            return None
        labels = self._labels.get(spec.name, {})
        if spec.version_label not in labels:
            raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        return labels[spec.version_label]

    def _watch(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            with self._refreshing:
                try:
                    self._refresh(self._source())
                except Exception as error:  # of a folder that is gone for now, for example; what is loaded stays
                    self._tell_once(f"the models could not be looked for: {error}")

    def _refresh(self, config: messages.Message) -> None:
        """Load what is wanted and not there, then unload what is there and not wanted."""
        wanted = {model.name: self._wanted(model) for model in config.model_config_list.config}
        for name, folders in wanted.items():
            for number, folder in sorted(folders.items()):
                if self._is_to_load(name, number, folder):
                    self._load(name, number, folder)
        self._assign_labels(config)  # before the versions go that they were on
        for version in self.all_versions():
            folders = wanted.get(version.name, {})
            # Without any version that replaces it, an old one is better than none.
            replaced = not folders or any(self._is_available(version.name, number) for number in folders)
            if version.state == "AVAILABLE" and version.number not in folders and replaced:
                with self._lock:
                    version.state = "UNLOADING"
            if version.state == "UNLOADING":
                self._unload(version)

    def _assign_labels(self, config: messages.Message) -> None:
        """A label moves when its new version is served, and stays where it was until then."""
        labels: dict[str, dict[str, int]] = {}
        for model in config.model_config_list.config:
            before = self._labels.get(model.name, {})
            labels[model.name] = own = dict(model.version_labels)
            for label, number in model.version_labels.items():
                if not self._is_available(model.name, number):
                    self._tell_once(f"label {label} of {model.name}: version {number} is not served")
                    own[label] = before.get(label, number)
        self._labels = labels

    def _wanted(self, model: messages.Message) -> dict[int, Path]:
        """Number -> folder of the versions that the policy of a ModelConfig picks among those that are there."""
        base = Path(model.base_path)
        folders = dict(_numbered(base, self._tell_once))
        if not folders:
            self._tell_once(f"No versions of servable {model.name} found under base path {base}")
        policy = model.model_version_policy
        match policy.WhichOneof("policy_choice"):
            case "all":
                return folders
            case "specific":
                for number in set(policy.specific.versions) - folders.keys():
                    self._tell_once(f"version {number} of {model.name} is not under base path {base}")
                return {number: folders[number] for number in policy.specific.versions if number in folders}
            case _:
                count = max(1, policy.latest.num_versions)
                return {number: folders[number] for number in sorted(folders)[-count:]}

    def _is_to_load(self, name: str, number: int, folder: Path) -> bool:
        known = self._versions.get(name, {}).get(number)
        if known is None:
            return True
        if known.state != "END":
            return False
        return known.error is None or known.files != _files(folder)

    def _load(self, name: str, number: int, folder: Path) -> None:
        version = Version(name, number, folder, "LOADING", files=_files(folder))
        with self._lock:
            self._versions.setdefault(name, {})[number] = version
        try:
            model = SavedModel(folder)
            warmed_up = warm_up(model, folder)
        except Exception as error:  # whatever a damaged folder leads to; it must not end the server
            version.error = _load_error(error, folder)
            version.state = "END"
            logs.failure("load failed", model=name, version=number, reason=str(version.error))
        else:
            with self._lock:
                version.model = model
                version.state = "AVAILABLE"
            if warmed_up is not None:
                self._observer.warmed_up(folder, warmed_up)
            logs.event("loaded", model=name, version=number, warm_up_seconds=round(warmed_up or 0.0, 3))
        self._observer.loaded(folder, version.error)

    def _unload(self, version: Version) -> None:
        with self._lock:
            if version.uses:
                return
            version.model = None
            version.state = "END"
        # What TensorFlow loads refers to itself, and would stay in memory for a long time otherwise.
        gc.collect()
        logs.event("unloaded", model=version.name, version=version.number)

    def _is_available(self, name: str, number: int) -> bool:
        version = self._versions.get(name, {}).get(number)
        return version is not None and version.state == "AVAILABLE"

    def _numbers(self, name: str) -> list[int]:
        return sorted(self._versions[name])

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            logs.failure(text)

    def _why_nothing(self, config: messages.Message) -> str:
        paths = {model.name: model.base_path for model in config.model_config_list.config}
        failed = [each for each in self.all_versions() if each.name in paths and each.error is not None]
        if failed:
            return "; ".join(f"{each.folder}: cannot be served: {each.error}" for each in failed)
        if paths:
            return f"{', '.join(paths.values())}: no version found, which is a folder whose name is a number"
        return "no model found: a folder of models holds NAME/VERSION/saved_model.pb, as `colorzoo export` writes it"


def _numbered(base: Path, tell: Callable[[str], None] = lambda _: None) -> Iterator[tuple[int, Path]]:
    """The folders of a model whose names are version numbers; of others, hidden ones apart, `tell` is told."""
    try:
        folders = [path for path in base.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return
    for path in folders:
        if path.name.isascii() and path.name.isdigit() and int(path.name) < 2**63:
            yield int(path.name), path
        else:
            tell(f"{path}: is no version, since its name is no number")


def _files(folder: Path) -> object:
    """What changes when a file of the folder does."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append((str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino))
    return found


def _load_error(error: Exception, folder: Path) -> RequestError:
    """TensorFlow raises whatever comes up when files are damaged; a status is to say which it was."""
    if isinstance(error, RequestError | tf.errors.OpError | MemoryError):
        return status(error)
    missing = isinstance(error, FileNotFoundError) or not (folder / "saved_model.pb").exists()
    code = grpc.StatusCode.NOT_FOUND if missing else grpc.StatusCode.DATA_LOSS
    return RequestError(code, str(error))


def _refuse_unusable(config: messages.Message) -> None:
    if config.WhichOneof("config") != "model_config_list":
        raise invalid("ServerModelConfig type not supported. Only ModelConfigList is currently supported")
    names = [model.name for model in config.model_config_list.config]
    if not all(names) or len(set(names)) < len(names):
        raise invalid("every model has to have a name of its own")
    for model in config.model_config_list.config:
        if not model.base_path:
            raise invalid(f"model {model.name!r} has no base_path")
        if model.model_platform not in ("", "tensorflow"):
            raise invalid(f"model {model.name!r}: the platform {model.model_platform!r} is not served, only tensorflow")
