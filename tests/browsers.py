"""A headless Chromium, where there is one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

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


def open_page(browser: Browser, address: str, **options: object) -> tuple[Page, list[str]]:
    """A page in a new session, and the list of what must not happen there."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(120_000)  # milliseconds; machines may be busy
    wrong: list[str] = []

    def look(url: str) -> None:
        if not url.removeprefix("blob:").startswith(address):
            wrong.append(url)

    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: look(request.url))
    page.goto(address)
    return page, wrong


def fits(page: Page) -> bool:
    """Whether nothing is beyond the right side of the window."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")
