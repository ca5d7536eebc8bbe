"""The way through the page that most people take, in a real browser; needs a Chromium."""

from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

from tests.browsers import open_page
from tests.photographs import easy_field
from tests.serving.web.pages import DESKTOP, changing, choose, colored, pixels, tab


def test_from_a_gray_photograph_to_a_colored_one(browser: Browser, address: str, tmp_path: Path) -> None:
    photograph = tmp_path / "gray.png"
    easy_field(0, 36, 48).convert("L").save(photograph)
    page, wrong = open_page(browser, address, **DESKTOP)
    choose(page, photograph)
    assert colored(pixels(page.locator("#before"))) == 0
    natural = pixels(page.locator("#after"))
    assert natural.shape == (36, 48, 3)
    assert colored(natural) > 0.3
    with changing(page):
        page.get_by_role("radio", name="Vivid").check(force=True)
    vivid = pixels(page.locator("#after"))
    assert np.abs(vivid - natural).mean() > 1
    tab(page, "Fix")
    page.locator("#stage").focus()
    page.keyboard.press("Enter")
    page.locator(".swatch:focus").wait_for()
    page.keyboard.press("End")
    with changing(page):
        page.keyboard.press("Enter")
    assert not np.array_equal(pixels(page.locator("#after")), vivid)
    with changing(page):
        page.keyboard.press("Control+z")
    assert np.abs(pixels(page.locator("#after")) - vivid).max() <= 2
    tab(page, "Save")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download in full resolution").click()
    assert saved.value.suggested_filename == "gray-colorized.png"
    assert not wrong
    page.context.close()
