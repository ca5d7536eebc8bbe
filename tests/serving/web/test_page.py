"""The files of the page fit together, without a browser."""

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGE = ROOT / "serving" / "web" / "page"
DOCUMENT = (PAGE / "index.html").read_text()
MODULES = sorted(PAGE.glob("*.js"))
TEXTS = (PAGE / "texts.js").read_text()
KEYS = set(re.findall(r"^  (\w+):", TEXTS, re.MULTILINE))

# What scripts make: a slider each.
MADE = {"saturation", "temperature", "temperature-field"}


def found(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, text))


def test_every_text_of_the_document_exists() -> None:
    wanted = found(r'data-(?:text|label)="(\w+)"', DOCUMENT)
    assert wanted
    assert wanted <= KEYS


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_modules_use_what_exists(module: Path) -> None:
    source = module.read_text()
    assert found(r"\btexts\.(?!js\b)(\w+)", source) <= KEYS
    assert found(r'\bfind\("([\w-]+)"\)', source) <= found(r'\bid="([\w-]+)"', DOCUMENT) | MADE
    assert all((PAGE / name).is_file() for name in found(r'from "\./([\w.]+)"', source))
    assert len(source.splitlines()) < 400


def test_no_text_is_left_over() -> None:
    others = DOCUMENT + "".join(path.read_text() for path in MODULES if path.name != "texts.js")
    used = found(r"\btexts\.(?!js\b)(\w+)", others) | found(r'data-(?:text|label)="(\w+)"', DOCUMENT)
    # Labels of sliders are looked up by the name of their setting.
    assert KEYS - MADE == used - MADE


def test_nothing_is_inline_or_from_elsewhere() -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", DOCUMENT)
    for path in PAGE.rglob("*.*"):
        if path.suffix in {".html", ".css", ".js"}:
            assert not re.search(r"https?://|[\"'(]//", path.read_text()), path.name


def test_symbols_and_examples_exist() -> None:
    symbols = (PAGE / "symbols.svg").read_text()
    assert found(r"symbols\.svg#(\w+)", DOCUMENT) == found(r'<symbol id="(\w+)"', symbols)
    names = re.search(r"NAMES = \[(.*)\]", (PAGE / "examples.js").read_text())
    assert names
    shipped = {path.stem for path in (PAGE / "examples").glob("*.jpg")}
    assert shipped == found(r'"(\w+)"', names[1])
    assert all(f"{name}: " in TEXTS for name in shipped)
