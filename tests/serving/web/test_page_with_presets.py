"""The page with the presets that ship, from the photograph to the file that is saved; needs a Chromium."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browsers import open_page
from tests.films import pan, write_film
from tests.paths import ROOT
from tests.serving.web.pages import (
    DESKTOP,
    EXAMPLES,
    changing,
    choose,
    colored,
    pixels,
    serving,
    tab,
    violations,
)

pytestmark = pytest.mark.slow

CAT = EXAMPLES / "chelsea.jpg"
OTHER_PRESET = "color_unet_wide_scenes_v2"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    found, wrong = open_page(browser, address, **DESKTOP)
    yield found
    assert not wrong
    found.context.close()


def test_picture_looks_presets_and_adjustments(page: Page) -> None:
    assert not violations(page)
    choose(page, CAT)
    original, natural = pixels(page.locator("#before")), pixels(page.locator("#after"))
    assert original.shape == natural.shape == (300, 451, 3)
    assert colored(original) < 0.01
    assert colored(natural) > 0.3

    # Three candidates at once; one of them is chosen.
    page.locator("#looks img").nth(2).wait_for()
    candidates = [pixels(image) for image in page.locator("#looks img").all()]
    assert all(colored(candidate) > 0.1 for candidate in candidates)
    assert not np.array_equal(candidates[0], candidates[2])
    assert not violations(page)
    with changing(page):
        page.get_by_role("radio", name="Vivid").check(force=True)
    vivid = pixels(page.locator("#after"))
    assert np.ptp(vivid, axis=-1).mean() > 1.1 * np.ptp(natural, axis=-1).mean()
    with changing(page):
        page.get_by_label("Model").select_option(OTHER_PRESET)
    assert np.abs(pixels(page.locator("#after")) - vivid).mean() > 2

    tab(page, "Adjust")
    assert not violations(page)
    with changing(page):
        page.get_by_label("Saturation").fill("0")
    assert colored(pixels(page.locator("#after"))) < 0.01
    with changing(page):
        page.get_by_role("button", name="Reset").click()
    with changing(page):
        page.get_by_text("Invert").click()
    assert np.corrcoef(pixels(page.locator("#after")).ravel(), original.ravel())[0, 1] < -0.5


def test_saved_file_equals_that_of_the_command_line(page: Page, tmp_path: Path) -> None:
    choose(page, CAT)
    with changing(page):
        page.get_by_role("radio", name="Calm").check(force=True)
    tab(page, "Save")
    assert not violations(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download in full resolution").click()
    assert saved.value.suggested_filename == "chelsea-colorized.jpg"
    command = [sys.executable, "-m", "colorzoo", "colorize", str(CAT), "-o", str(tmp_path), "--look", "calm"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    assert Path(saved.value.path()).read_bytes() == (tmp_path / "chelsea.jpg").read_bytes()


def test_reference_photograph(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    Image.fromarray(
        np.dstack([np.tile(np.arange(64, dtype=np.uint8) * 2, (64, 1)) + shift for shift in (0, 30, 120)])
    ).save(path)
    choose(page, CAT)
    own = pixels(page.locator("#after")).mean((0, 1))
    with changing(page), page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose").click()
        chooser.value.set_files(path)
    referred = pixels(page.locator("#after")).mean((0, 1))
    assert referred[2] - referred[0] > own[2] - own[0] + 10
    with changing(page):
        page.get_by_role("button", name="Remove", exact=True).click()
    assert np.abs(pixels(page.locator("#after")).mean((0, 1)) - own).max() < 1


def test_film(page: Page, tmp_path: Path) -> None:
    film = write_film(tmp_path / "walk.mp4", pan(1, 12, 2, 96, 128), codec="libx264", pix_fmt="yuv420p")
    page.locator("#files").set_input_files(film)
    assert not violations(page)
    page.get_by_role("button", name="Colorize this film").click()
    page.locator("#film[src^='/api/jobs/'], #film[src^='api/jobs/']").wait_for(timeout=120_000)
    tab(page, "Save")
    assert not violations(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download the film").click()
    with av.open(str(saved.value.path())) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in container.decode(video=0)]
    assert len(frames) == 12
    assert colored(np.stack(frames)) > 0.1


def test_server_that_is_gone_is_said(browser: Browser) -> None:
    with serving() as address:
        page, _ = open_page(browser, address, **DESKTOP)
        choose(page, CAT)
    page.get_by_role("radio", name="Vivid").check(force=True)
    page.get_by_role("alert").get_by_text("the server does not answer").wait_for()
    page.context.close()
