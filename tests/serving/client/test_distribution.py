"""colorzoo-client as an application installs it: alone, beside grpcio, protobuf and NumPy."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

import serving.client
from tests.paths import ROOT
from tests.stand_in import MODEL, decoded, encoded, standing_in, tinted

CLIENT = ROOT / "serving" / "client"
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, since setuptools builds in the folder itself.
    source = shutil.copytree(
        CLIENT, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    )
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    """A folder with the client and what it declares to need, and nothing else."""
    folder = wheel.parent / "site"
    pip("install", "--no-deps", "--no-index", "--target", folder, wheel)
    needed, names = set(), list(PROJECT["dependencies"])
    while names:
        name = Requirement(names.pop()).name
        if name not in needed:
            needed.add(name)
            required = map(Requirement, metadata.requires(name) or [])
            names += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    for name in needed:
        files = metadata.files(name) or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            (folder / top).symlink_to(metadata.distribution(name).locate_file(top))  # type: ignore[arg-type]
    return folder


def run(site: Path, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    # -I and -S: neither this environment's packages nor this folder are on the path.
    command = [sys.executable, "-I", "-S", "-c", f"import sys\nsys.path.append({str(site)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_what_the_wheel_holds(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        everything = archive.namelist()
    names = {name for name in everything if ".dist-info/" not in name}
    assert names == {f"colorzoo_client/{path.name}" for path in (*CLIENT.glob("*.py"), CLIENT / "py.typed")}
    assert any(name.endswith("/licenses/LICENSE") for name in everything)
    # A copy and not a link, because the image for applications copies this folder alone.
    assert (CLIENT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_what_it_needs() -> None:
    assert [Requirement(text).name for text in PROJECT["dependencies"]] == ["grpcio", "protobuf", "numpy"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(PROJECT[key] == project[key] for key in ("version", "license", "requires-python"))


def test_the_example_of_its_readme(site: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    rgb = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
    (tmp_path / "old.jpg").write_bytes(encoded(rgb))
    with standing_in() as server:
        code = code.replace("localhost:8500", server.address).replace("lite_unet_photos_v3", MODEL)
        done = run(site, code, tmp_path)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(decoded((tmp_path / "new.png").read_bytes()), tinted(rgb))


def test_asyncio_and_errors(site: Path, tmp_path: Path) -> None:
    code = """
import asyncio, colorzoo_client
from colorzoo_client import AsyncColorizeClient, ServingClientError, ServerUnavailableError
async def main():
    async with AsyncColorizeClient("127.0.0.1:1", "model", retries=0) as client:
        assert not await client.ready()
        await client.colorize(b"image")
assert ServingClientError.__bases__ == (Exception,)
try:
    asyncio.run(main())
except ServerUnavailableError as error:
    assert "127.0.0.1:1: model" in str(error)
    print(*colorzoo_client.__all__)
foreign = {"zoo", "serving", "media", "training", "tensorflow", "keras"} & set(sys.modules)
assert not foreign, foreign
"""
    done = run(site, code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == serving.client.__all__


@pytest.mark.parametrize("module", ["zoo", "serving", "tensorflow", "keras"])
def test_the_environment_is_empty(site: Path, tmp_path: Path, module: str) -> None:
    done = run(site, f"import {module}", tmp_path)
    assert f"No module named '{module}'" in done.stderr
