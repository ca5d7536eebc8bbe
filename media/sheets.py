"""Contact sheets: rows of pictures side by side, to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from media.photograph import eight_bits

_MARGIN = 8
_TITLE = 28
_BACKGROUND = (255, 255, 255)
_INK = (32, 32, 32)


def contact_sheet(rows: Sequence[Sequence[np.ndarray]], *, titles: Sequence[str], cell: int = 256) -> np.ndarray:
    """Lay out rows of pictures under column titles, as uint8 (H, W, 3).

    Every picture is fitted into its cell, its aspect kept and never enlarged, and centered. A row with fewer
    pictures than the others leaves its last cells empty.

    Args:
        rows: Pictures (h, w), (h, w, 1) or (h, w, 3), uint8 or uint16.
        titles: One title per column, drawn above it; empty for a sheet without titles.
        cell: Side of a cell in pixels.

    Returns:
        A white sheet with margins of 8 pixels, and 28 more for the titles.
    """
    columns = max([len(titles), *(len(row) for row in rows)], default=0)
    top = _MARGIN + (_TITLE if titles else 0)
    step = cell + _MARGIN
    sheet = Image.new("RGB", (_MARGIN + columns * step, top + len(rows) * step), _BACKGROUND)
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            picture = fit_cell(pixels, cell)
            left = _MARGIN + x * step + (cell - picture.width) // 2
            sheet.paste(picture, (left, top + y * step + (cell - picture.height) // 2))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for x, title in enumerate(titles):
        draw.text((_MARGIN + x * step + cell // 2, top // 2), title, fill=_INK, font=font, anchor="mm")
    return np.asarray(sheet)


def fit_cell(pixels: np.ndarray, cell: int) -> Image.Image:
    """A picture as `contact_sheet` takes it, as it is shown in a cell."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    picture = Image.fromarray(eight_bits(pixels)).convert("RGB")
    picture.thumbnail((cell, cell), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture
