"""The page of `colorzoo web` in a browser: its server, what is done, and what is seen."""

import base64
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Locator, Page

from serving.web.application import application
from serving.web.service import Service
from tests.paths import ROOT

EXAMPLES = ROOT / "serving" / "web" / "page" / "examples"
READ = """async (image) => {
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}"""
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}


@contextmanager
def in_thread(service: Service) -> Iterator[str]:
    """The application on a free port, in a thread of this process; gives the address."""
    server = uvicorn.Server(uvicorn.Config(application(service), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, name="web", daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(60)


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """`colorzoo web` in a process of its own; gives the address, and ends it as Ctrl+C does."""
    command = [sys.executable, "-m", "colorzoo", "web", "--port", "0", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            yield next(found[0] for found in (re.search(r"http://\S+", line) for line in lines) if found)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def choose(page: Page, *files: Path) -> None:
    """Adds files with the file dialog, and waits until the first of them is colorized."""
    name = "Choose photographs" if page.locator("#empty").is_visible() else "Add pictures"
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=name).click()
    chooser.value.set_files(files)
    settle(page)


def tab(page: Page, name: str) -> None:
    """Opens a tab of the panel."""
    page.get_by_role("tab", name=name).click()


def settle(page: Page) -> None:
    """Waits until the picture is colorized."""
    page.locator("#stage:not([data-empty])").wait_for()


@contextmanager
def changing(page: Page) -> Iterator[None]:
    """Waits until the colorized picture has been replaced."""
    before = page.locator("#after").get_attribute("src")
    yield
    page.wait_for_function("before => document.querySelector('#after').getAttribute('src') !== before", arg=before)


def pixels(image: Locator) -> np.ndarray:
    """An img element -> (H, W, 3) int16, as the browser has decoded it."""
    return as_array(base64.b64decode(image.evaluate(READ)))


def as_array(picture: bytes) -> np.ndarray:
    """A picture file -> (H, W, 3) int16."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(np.int16)


def colored(pixels: np.ndarray) -> float:
    """The share of pixels that are not gray."""
    return float((np.ptp(pixels, axis=-1) > 12).mean())


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is now."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found]
