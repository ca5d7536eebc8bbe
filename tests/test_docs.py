"""The documentation: its links, and the files, modules, commands and options that it names, exist."""

import importlib.util
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
import typer

from colorzoo.app import app
from tests.paths import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
EXAMPLES = {"my_network", "ARCHITECTURE_DATA_vN"}  # what CONTRIBUTING.md calls what its reader adds
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def shell_lines(text: str) -> list[str]:
    """The lines of all shell examples, continued ones joined."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return re.sub(r"\\\n", " ", "\n".join(blocks)).splitlines()


@page
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@page
def test_files_exist(path: Path) -> None:
    folders = "|".join(folder.name for folder in ROOT.iterdir() if folder.is_dir() and (folder.name[0].isalpha()))
    named = set(
        re.findall(rf"(?<![\w/.-])(?:{folders})/[\w/.-]*\.(?:py|yaml|json|md|sh|svg|jpg|csv)\b", path.read_text())
    )
    assert not [name for name in named if not any(word in name for word in EXAMPLES) and not (ROOT / name).exists()]


@page
def test_modules_and_names_exist(path: Path) -> None:
    text = path.read_text()
    for name in set(re.findall(r"python -m ([\w.]+)", text)) - {"pytest"}:
        assert importlib.util.find_spec(name), name
    for name in set(re.findall(r"`((?:zoo|media|training|serving)(?:\.(?!py\b)[A-Za-z]\w*)+)", text)):
        pkgutil.resolve_name(name)  # raises ImportError or AttributeError


@page
def test_commands_have_these_options(path: Path) -> None:
    for line in shell_lines(path.read_text()):
        words = shlex.split(line, comments=True)
        if words and words[0].removeprefix(".venv/bin/") == "colorzoo":
            known = {option for each in COMMANDS[words[1]].params for option in (*each.opts, *each.secondary_opts)}
            assert {word.split("=")[0] for word in words[2:] if word.startswith("-")} <= known | {"--help"}, line


def test_every_command_is_documented() -> None:
    text = "\n".join(path.read_text() for path in PAGES)
    assert not [name for name in COMMANDS if f"colorzoo {name}" not in text]
