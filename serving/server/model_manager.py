"""Which versions of which models are served: found in folders, loaded, swapped and unloaded while requests run.

    START  ->  LOADING  ->  AVAILABLE  ->  UNLOADING  ->  END

The rules are TF Serving's. A new version is loaded and warmed up before the old one is unloaded, and the old one is
unloaded when its last request is done. A version that cannot be loaded is at END with the reason, and the old one is
still served; the load is tried again only when its files change.

Unlike TF Serving, the server starts if at least one model can be served, and a failed load is not retried at
intervals.
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

from serving.client import messages
from serving.model_folder import SAVED_MODEL, version_folders
from serving.models_config import check_models_config
from serving.server import logs
from serving.server.errors import RequestError, invalid, not_found, status, unmet
from serving.server.servable import SavedModel, warm_up
from zoo.errors import ArgumentError

STATES = messages.STATES


class LoadObserver(Protocol):
    """What `serving.server.metrics.Metrics` offers to this module."""

    def record_load(self, path: Path, error: RequestError | None) -> None:
        """A version was loaded, or could not be."""

    def record_warm_up(self, path: Path, seconds: float) -> None:
        """The requests that were exported with a version were run."""


@dataclass(eq=False)
class Version:
    """One version of a model, and what is known of it.

    Attributes:
        state: A name of STATES.
        error: Why it could not be loaded, or None.
        model: The loaded SavedModel, or None.
        uses: Number of requests that hold it.
        files: What `_files` found when it was loaded.
    """

    name: str
    number: int
    folder: Path
    state: str = "START"
    error: RequestError | None = None
    model: SavedModel | None = None
    uses: int = 0
    files: object = None


class ModelManager:
    """The models that are served now. All methods may be called from several threads.

    Args:
        source: Returns the ModelServerConfig to serve; called at every poll, until `reload` replaces it.
        observer: Notified of every load.
    """

    def __init__(self, source: Callable[[], messages.Message], observer: LoadObserver) -> None:
        self._source = source
        self._observer = observer
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._versions: dict[str, dict[int, Version]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._logged: set[str] = set()
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self, poll_seconds: float) -> None:
        """Load everything, then look for changes every `poll_seconds` in a separate thread.

        Raises:
            ArgumentError: No model was found, or none can be served.
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
        """Stop looking for changes."""
        self._closed.set()
        if self._watcher is not None:
            self._watcher.join()

    def reload(self, config: messages.Message) -> None:
        """Serve what a ModelServerConfig lists and nothing else; returns when its versions are loaded.

        Raises:
            RequestError: INVALID_ARGUMENT: it is not a list of models; FAILED_PRECONDITION: a label of a version that
                is not available now, and nothing changes; or a model of which no version could be loaded, the others
                being served as listed.
        """
        try:
            check_models_config(config)
        except ArgumentError as error:
            raise invalid(str(error)) from error
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
            return [version for _, own in sorted(self._versions.items()) for _, version in sorted(own.items())]

    def knows(self, name: str) -> bool:
        """Whether a version of this model was ever loaded or tried."""
        return name in self._versions

    def find(self, spec: messages.Message) -> list[Version]:
        """The versions that a ModelSpec asks for, whatever their state: one, or all of a model.

        Raises:
            RequestError: INVALID_ARGUMENT: no name, or no such label; NOT_FOUND: no such model or version.
        """
        number = self._wanted_number(spec)
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
            RequestError: As `find`, and NOT_FOUND if the version is not available.
        """
        with self._lock:  # a label and its version are looked up together: either may change
            number = self._wanted_number(spec)
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

    def _wanted_number(self, spec: messages.Message) -> int | None:
        """The version that a ModelSpec names or labels, or None."""
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
                except Exception as error:  # such as a folder that is gone for a moment; what is loaded stays
                    self._log_once(f"the models could not be looked for: {error}")

    def _refresh(self, config: messages.Message) -> None:
        """Load what is wanted and not loaded, then unload what is loaded and not wanted."""
        wanted = {model.name: self._wanted_folders(model) for model in config.model_config_list.config}
        for name, folders in wanted.items():
            for number, folder in sorted(folders.items()):
                if self._is_to_load(name, number, folder):
                    self._load(name, number, folder)
        self._assign_labels(config)  # before the versions that they were on are unloaded
        for version in self.all_versions():
            folders = wanted.get(version.name, {})
            # An old version is better than none, until one that replaces it is loaded.
            replaced = not folders or any(self._is_available(version.name, number) for number in folders)
            if version.state == "AVAILABLE" and version.number not in folders and replaced:
                with self._lock:
                    version.state = "UNLOADING"
            if version.state == "UNLOADING":
                self._unload(version)

    def _assign_labels(self, config: messages.Message) -> None:
        """Move the labels whose new version is served; the others stay where they were until theirs is."""
        labels: dict[str, dict[str, int]] = {}
        for model in config.model_config_list.config:
            before = self._labels.get(model.name, {})
            labels[model.name] = own = dict(model.version_labels)
            for label, number in model.version_labels.items():
                if not self._is_available(model.name, number):
                    self._log_once(f"label {label} of {model.name}: version {number} is not served")
                    own[label] = before.get(label, number)
        self._labels = labels

    def _wanted_folders(self, model: messages.Message) -> dict[int, Path]:
        """The versions that the policy of a ModelConfig selects from its folder: number -> folder."""
        base = Path(model.base_path)
        folders = version_folders(base, self._log_once)
        if not folders:
            self._log_once(f"No versions of servable {model.name} found under base path {base}")
        policy = model.model_version_policy
        match policy.WhichOneof("policy_choice"):
            case "all":
                return folders
            case "specific":
                for number in set(policy.specific.versions) - folders.keys():
                    self._log_once(f"version {number} of {model.name} is not under base path {base}")
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
        except Exception as error:  # a damaged folder, however it fails, must not end the server
            version.error = _load_error(error, folder)
            version.state = "END"
            logs.failure("load failed", model=name, version=number, reason=str(version.error))
        else:
            with self._lock:
                version.model = model
                version.state = "AVAILABLE"
            if warmed_up is not None:
                self._observer.record_warm_up(folder, warmed_up)
            logs.event("loaded", model=name, version=number, warm_up_seconds=round(warmed_up or 0.0, 3))
        self._observer.record_load(folder, version.error)

    def _unload(self, version: Version) -> None:
        with self._lock:
            if version.uses:
                return
            version.model = None
            version.state = "END"
        # A loaded SavedModel holds reference cycles, and would stay in memory for a long time otherwise.
        gc.collect()
        logs.event("unloaded", model=version.name, version=version.number)

    def _is_available(self, name: str, number: int) -> bool:
        version = self._versions.get(name, {}).get(number)
        return version is not None and version.state == "AVAILABLE"

    def _log_once(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            logs.failure(text)

    def _why_nothing(self, config: messages.Message) -> str:
        paths = {model.name: model.base_path for model in config.model_config_list.config}
        failed = [each for each in self.all_versions() if each.name in paths and each.error is not None]
        if failed:
            return "; ".join(f"{each.folder}: cannot be served: {each.error}" for each in failed)
        if paths:
            return f"{', '.join(paths.values())}: no version found, which is a folder whose name is a number"
        return "no model found: a folder of models holds NAME/VERSION/saved_model.pb, as `colorzoo export` writes it"


def _files(folder: Path) -> object:
    """A value that differs when any file of the folder has changed."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append((str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino))
    return found


def _load_error(error: Exception, folder: Path) -> RequestError:
    """The status of a failed load: NOT_FOUND for missing files, DATA_LOSS for damaged ones."""
    # On damaged files, TensorFlow raises errors of many types.
    if isinstance(error, RequestError | ArgumentError | tf.errors.OpError | MemoryError):
        return status(error)
    missing = isinstance(error, FileNotFoundError) or not (folder / SAVED_MODEL).exists()
    code = grpc.StatusCode.NOT_FOUND if missing else grpc.StatusCode.DATA_LOSS
    return RequestError(code, str(error))
