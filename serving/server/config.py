"""Which models a server on this machine serves: those of a folder, or those that a models.config lists."""

from pathlib import Path

from serving.client import messages
from serving.model_folder import version_folders
from serving.models_config import NAME, check_models_config, read_models_config
from zoo.errors import ArgumentError


def folder_config(folder: Path) -> messages.Message:
    """A ModelServerConfig of every NAME/ in `folder` that holds at least one version.

    Its versions and labels are those that the folder's models.config gives to NAME; without an entry, only the latest
    version is served.

    Raises:
        ArgumentError: The folder or its models.config cannot be read.
    """
    config = messages.ModelServerConfig()
    config.model_config_list.SetInParent()
    file = folder / NAME
    listed = local_config(file, folder).model_config_list.config if file.is_file() else []
    known = {model.name: model for model in listed}
    try:
        for base in sorted(folder.iterdir()):
            if base.is_dir() and not base.name.startswith(".") and version_folders(base):
                added = config.model_config_list.config.add()
                if base.name in known:
                    added.CopyFrom(known[base.name])
                added.name, added.base_path = base.name, str(base.absolute())
    except OSError as error:
        raise ArgumentError(f"{folder}: the folder of models cannot be read: {error.strerror or error}") from error
    return config


def local_config(file: Path, root: Path | None = None) -> messages.Message:
    """The ModelServerConfig in a file, its base paths being those of this machine.

    A relative `base_path` begins at `root`, by default the folder of the file. One that does not exist, such as that of
    a container, is looked for there by its last name.

    Raises:
        ArgumentError: The file cannot be read, or TF Serving would refuse it.
    """
    config = read_models_config(file)
    try:
        check_models_config(config)
    except ArgumentError as error:
        raise ArgumentError(f"{file}: {error}") from error
    here = root or file.parent
    for model in config.model_config_list.config:
        base, beside = here / model.base_path, here / Path(model.base_path).name
        model.base_path = str((beside if beside.is_dir() and not base.exists() else base).absolute())
    return config
