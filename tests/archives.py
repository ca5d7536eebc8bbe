"""Archives of small files."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def write_archive(path: Path, members: Mapping[str, bytes]) -> Path:
    """Writes a .zip, .tar or .tar.gz with these members, by its name; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def pack_folder(folder: Path, path: Path, prefix: str = "") -> Path:
    """Writes an archive of all files of a folder, sorted; returns its path."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return write_archive(path, {f"{prefix}{file.relative_to(folder).as_posix()}": file.read_bytes() for file in files})
