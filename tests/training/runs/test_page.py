"""training.runs.page: what is text is escaped, tables can be sorted, and nothing else runs."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from tests.browsers import chromium
from training.runs import page
from training.runs.page import Cell


def test_text_is_escaped_everywhere(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    body = [
        page.paragraph(evil),
        page.table([evil], [[evil]]),
        page.sortable([evil], [[Cell(evil, evil, evil)]]),
        page.fold(evil, ""),
        *page.section(evil),
        page.image(b"", "png", evil),
    ]
    page.write(tmp_path / "page.html", evil, body)
    content = (tmp_path / "page.html").read_text()
    assert content.count("<script") == 1 and "alert('x')" not in content


def test_only_the_script_that_sorts_may_run(tmp_path: Path) -> None:
    page.write(tmp_path / "page.html", "x", ["<p>nothing to sort</p>"])
    assert "script" not in (tmp_path / "page.html").read_text()
    page.write(tmp_path / "page.html", "x", [page.sortable(["a"], [])])
    content = (tmp_path / "page.html").read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", content, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in content


def test_cells_are_sorted_by_their_values() -> None:
    table = page.sortable(["a", "b"], [[Cell("10.00", 10.0, "9 - 11"), Cell("x", "x")]])
    assert table.count('<button type="button">') == 2
    assert '<td data-value="10.0">10.00<small>9 - 11</small></td><td data-value="x">x</td>' in table


@pytest.mark.slow
def test_headings_sort_in_a_browser(tmp_path: Path) -> None:
    rows = [[Cell(name, name), Cell("", value)] for name, value in (("b", 10.0), ("a", 9.0), ("c", 1e300))]
    page.write(tmp_path / "page.html", "x", [page.sortable(["name", "value"], rows)])
    with chromium() as browser:
        opened = browser.new_page()
        opened.goto((tmp_path / "page.html").as_uri())
        found = []
        for heading in ("name", "value", "value"):
            opened.get_by_role("button", name=heading).click()
            found.append("".join(opened.locator("tbody td:first-child").all_inner_texts()))
        browser.close()
    assert found == ["abc", "abc", "cba"]
