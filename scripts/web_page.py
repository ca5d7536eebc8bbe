"""Draw docs/web.jpg: the page of `colorzoo web` on a desktop and on telephones, light and dark, with samples.

Needs a Chromium, and the samples of the extra `demo`. Run from the root: PYTHONPATH=. python scripts/web_page.py
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from examples.demo import samples
from tests.browsers import chromium, open_page
from tests.serving.web.pages import DESKTOP, PHONE, changing, choose, serving, tab

OUT = Path("docs/web.jpg")
GAP = 8
LARGE, SMALL = (576, 360), (284, 615)  # of the views of a desktop and of a telephone
LIGHT, DARK = {"color_scheme": "light"}, {"color_scheme": "dark"}


def open_with(browser: Browser, address: str, photographs: list[Path], **options: object) -> Page:
    page, _ = open_page(browser, address, **options)
    choose(page, *photographs)
    page.locator("#looks img").nth(2).wait_for()
    page.locator("#thumbnails [data-stage=ready]").nth(len(photographs) - 1).wait_for(state="attached")
    return page


def fix(page: Page, x: float, y: float, color: str) -> None:
    """Gives a place, as fractions of the view, the first plausible color of that name."""
    tab(page, "Fix")
    box = page.locator("#stage").bounding_box()
    assert box
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    with changing(page):
        page.locator(f".swatch[aria-label*='{color}']").first.click()


def views(browser: Browser, address: str, photographs: dict[str, Path]) -> list[bytes]:
    china, flower = [photographs["china"]], [photographs["flower"]]
    several = [photographs[name] for name in ("astronaut", "china", "flower", "chelsea", "coffee")]
    pages = [
        open_with(browser, address, china, **DESKTOP, **LIGHT),
        open_with(browser, address, flower, **DESKTOP, **DARK),
    ]
    fix(pages[1], 0.5, 0.5, "red")
    pages += [open_page(browser, address, **PHONE, **LIGHT)[0], open_with(browser, address, china, **PHONE, **DARK)]
    pages += [
        open_with(browser, address, flower, **PHONE, **LIGHT),
        open_with(browser, address, several, **PHONE, **DARK),
    ]
    fix(pages[4], 0.5, 0.5, "red")
    for page in pages:
        page.mouse.move(0, 0)
        page.locator("#notice").wait_for(state="hidden")
        page.wait_for_timeout(500)  # until the transitions have ended
    return [page.screenshot() for page in pages]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        photographs = {name: Path(folder) / f"{name}.png" for name in samples()}
        for name, pixels in samples().items():
            Image.fromarray(pixels).convert("L").save(photographs[name])
        with serving() as address, chromium() as browser:
            shots = [Image.open(io.BytesIO(shot)) for shot in views(browser, address, photographs)]
    sheet = Image.new("RGB", (2 * LARGE[0] + GAP, LARGE[1] + GAP + SMALL[1]), "#808080")
    for i, shot in enumerate(shots):
        size, row, column = (LARGE, 0, i) if i < 2 else (SMALL, LARGE[1] + GAP, i - 2)
        sheet.paste(shot.resize(size, Image.Resampling.LANCZOS), (column * (size[0] + GAP), row))
    sheet.save(OUT, quality=68, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
