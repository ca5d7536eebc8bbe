"""Draw docs/user-test.jpg: the page of `colorzoo turing` on the sample photographs, in a headless Chromium.

    PYTHONPATH=. .venv/bin/python scripts/user_test.py

The photographs are parts of those of the demo, which come inside scikit-image and scikit-learn. Chance draws which of
them is seen.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import zoo
from examples.demo import samples

RESULT = Path(__file__).resolve().parent.parent / "docs" / "user-test.jpg"
SCREEN = {"width": 390, "height": 844}
GAP = 12  # pixels between two screens


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        write_parts(folder / "data")
        command = [sys.executable, "-m", "colorzoo", "turing", "--presets", zoo.DEFAULT_PRESET, "--size", "256"]
        command += ["--data", str(folder / "data"), "-o", str(folder / "test"), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
            assert server.stdout is not None
            address = server.stdout.readline().split()[3]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            page = browser.new_page(viewport=SCREEN, device_scale_factor=1)
            page.goto(address)
            screens = take_part(page, folder)
            server.terminate()
    sheet = Image.new("RGB", (len(screens) * (SCREEN["width"] + GAP) - GAP, SCREEN["height"]), "white")
    for i, screen in enumerate(screens):
        sheet.paste(screen, (i * (SCREEN["width"] + GAP), 0))
    sheet.save(RESULT, quality=88, subsampling=0)


def write_parts(folder: Path) -> None:
    """Nine squares of each photograph, so that there are enough for a participant."""
    for name, pixels in samples().items():
        if pixels.ndim < 3:
            continue
        height, width = pixels.shape[:2]
        side = min(height, width) * 3 // 4
        for i in range(9):
            top, left = (height - side) * (i // 3) // 2, (width - side) * (i % 3) // 2
            Image.fromarray(pixels[top : top + side, left : left + side]).save(folder / f"{name}-{i}.png")


def take_part(page: Page, folder: Path) -> list[Image.Image]:
    """Goes through the practice to the one trial that counts -> what was seen."""

    def screen() -> Image.Image:
        page.screenshot(path=folder / "screen.png")
        return Image.open(folder / "screen.png").convert("RGB")

    page.wait_for_selector("#agree")
    screens = [screen()]
    page.check("#agree")
    page.keyboard.press("Enter")
    for _ in range(5):
        page.wait_for_selector("body:not([data-busy]) #reveal:visible")
        page.keyboard.press("x")
        page.wait_for_selector("#choose-first:visible")
        page.keyboard.press("1")
        page.wait_for_selector("body:not([data-busy]) #next:visible")
        page.keyboard.press("Enter")
    page.click("#start-trials")
    page.wait_for_selector("body:not([data-busy]) #reveal:visible")
    screens.append(screen())
    page.keyboard.press("x")
    for name in ("first", "second"):
        page.wait_for_selector(f"#stage[data-shown={name}]")
        screens.append(screen())
    page.wait_for_selector("#choose-first:visible")
    return [*screens, screen()]


if __name__ == "__main__":
    main()
