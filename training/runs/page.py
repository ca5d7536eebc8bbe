"""Pages of HTML in one file that needs no other and fetches nothing.

What is text is escaped here, where it becomes HTML: names of files may hold markup.
"""

import base64
import hashlib
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from media import atomic

# Sorts a table by the column whose heading is pressed, and the other way when it is pressed again.
SORT = """
for (const heading of document.querySelectorAll("table.sortable th")) {
  const button = heading.querySelector("button");
  button.addEventListener("click", () => {
    const table = heading.closest("table");
    const column = [...heading.parentNode.children].indexOf(heading);
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const key = row => row.children[column].dataset.value;
    const rows = [...table.tBodies[0].rows].sort((one, other) => {
      const [x, y] = [key(one), key(other)];
      const order = x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y);
      return falling ? -order : order;
    });
    table.tBodies[0].append(...rows);
  });
}
"""
SORTABLE = '<table class="sortable">'
# Nothing is fetched, and no script runs but the one above where it is needed, whatever the page holds.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'{allowed}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.6rem }}
h2 {{ font-size: 1.2rem; margin-top: 2rem }}
table {{ border-collapse: collapse; margin: 0.5rem 0 }}
th, td {{ border-bottom: 1px solid #ddd; padding: 0.2rem 1.2rem 0.2rem 0 }}
th, td {{ text-align: left; vertical-align: top }}
td {{ overflow-wrap: break-word; max-width: 34rem; font-variant-numeric: tabular-nums }}
th button {{ font: inherit; text-align: left; border: 0; padding: 0; background: none; color: inherit }}
th button {{ cursor: pointer }}
th[aria-sort=ascending] button::after {{ content: " \\25B2" }}
th[aria-sort=descending] button::after {{ content: " \\25BC" }}
small {{ display: block; color: #666; white-space: nowrap }}
.wide {{ overflow-x: auto }}
.wide table {{ font-size: 0.85rem }}
.wide th:first-child, .wide td:first-child {{ position: sticky; left: 0; background: white }}
img {{ max-width: 100%; height: auto }}
summary {{ cursor: pointer }}
</style>
</head>
<body>
{body}
{script}</body>
</html>
"""


@dataclass(frozen=True)
class Cell:
    """A cell of a table that can be sorted.

    Attributes:
        shown: what is read.
        value: what rows are sorted by.
        note: smaller, below.
    """

    shown: str
    value: float | str
    note: str = ""


def write(path: Path, title: str, body: Sequence[str]) -> None:
    """Write a page of these pieces of HTML under a title that is text."""
    allowed = script = ""
    if any(SORTABLE in part for part in body):
        digest = base64.b64encode(hashlib.sha256(SORT.encode()).digest()).decode()
        allowed, script = f"; script-src 'sha256-{digest}'", f"<script>{SORT}</script>\n"
    content = PAGE.format(title=text(title), body="\n".join(body), allowed=allowed, script=script)
    # A browser needs UTF-8, and a name may be something else.
    atomic.write_text(path, content.encode(errors="backslashreplace").decode())


def text(content: Any) -> str:
    """Text as HTML."""
    return html.escape(str(content))


def paragraph(content: str) -> str:
    """A paragraph of text."""
    return f"<p>{text(content)}</p>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text."""
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    lines = ["".join(f"<td>{text(cell)}</td>" for cell in row) for row in rows]
    return "\n".join(["<table>", *(f"<tr>{line}</tr>" for line in (head, *lines)), "</table>"])


def sortable(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table that is sorted by a column when its heading is pressed; without scripts it stays as it is."""
    head = "".join(f'<th><button type="button">{text(column)}</button></th>' for column in columns)
    lines = ["".join(map(_cell, row)) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"""<div class="wide">{SORTABLE}
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody></table></div>"""


def _cell(cell: Cell) -> str:
    note = f"<small>{text(cell.note)}</small>" if cell.note else ""
    return f'<td data-value="{text(cell.value)}">{text(cell.shown)}{note}</td>'


def image(data: bytes, kind: str, what: str) -> str:
    """A picture of the media type image/KIND; `what` says in words what it shows."""
    return f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}" alt="{text(what)}">'


def jpeg(pixels: np.ndarray) -> bytes:
    """Pixels (H, W, 3) uint8 as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=90, subsampling=0)  # color is what it is about
    return file.getvalue()


def fold(summary: str, content: str) -> str:
    """HTML that is hidden until its summary is pressed."""
    return f"<details><summary>{text(summary)}</summary>\n{content}\n</details>"


def section(title: str, *parts: str) -> list[str]:
    """A heading and the HTML below it."""
    return [f"<h2>{text(title)}</h2>", *parts]
