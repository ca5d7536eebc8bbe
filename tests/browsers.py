"""A headless Chromium, where there is one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The one of the system, or else the one that Playwright has downloaded; without either the test is skipped."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=installed)
        except Error as error:
            needed = f"no Chromium ({' or '.join(NAMES)}, or `playwright install chromium`)"
            pytest.skip(f"{needed}: {error.message.splitlines()[0]}")  # pip cannot install a browser
        yield browser
        browser.close()
