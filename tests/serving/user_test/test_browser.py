"""The user test in a real browser, from the welcome to the report; needs a Chromium."""

import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browsers import chromium, fits, open_page
from tests.paths import ROOT
from tests.photographs import write_fields

pytestmark = pytest.mark.slow

PRESETS = ("color_unet_scenes_v1", "color_unet_wide_scenes_v1")
PRACTICE, TRIALS = 5, 4


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@contextmanager
def serving(data: Path, folder: Path, port: int) -> Iterator[str]:
    """`colorzoo turing` in a process of its own; gives the address, and ends it as Ctrl+C does."""
    command = [*(sys.executable, "-m", "colorzoo", "turing", "--presets", *PRESETS, "--data", str(data)),
               *("-o", str(folder), "--size", "96", "--trials", str(TRIALS), "--port", str(port))]  # fmt: skip
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            yield re.search(r"http://\S+", line)[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def consent(page: Page) -> None:
    page.get_by_role("button", name="Begin").click()
    assert page.get_by_role("heading", name="Which picture").is_visible()  # not without consent
    page.get_by_label("my own free will").check()
    page.get_by_label("Age").select_option("30-39")
    assert fits(page)
    page.get_by_role("button", name="Begin").dblclick()


def see(page: Page, reveal: Callable[[], object]) -> None:
    """The pictures of a trial: gray until `reveal`, then one after the other, then none."""
    stage = page.locator("#stage")
    page.get_by_role("img", name="A photograph in gray").wait_for()
    page.get_by_role("button", name="Show both versions").wait_for()
    page.locator("body:not([data-busy])").wait_for()
    assert fits(page)
    top = stage.bounding_box()
    reveal()
    page.get_by_role("img", name="The first version").wait_for()
    assert page.locator("#stage img:visible").evaluate_all(
        "images => images.map(each => [each.id, getComputedStyle(each).opacity])"
    ) == [["gray", "0"], ["first", "1"], ["second", "0"]]
    page.get_by_role("img", name="The second version").wait_for()
    page.get_by_role("img", name="No picture").wait_for()
    assert stage.bounding_box() == top


def test_from_the_first_picture_to_the_report(browser: Browser, tmp_path: Path) -> None:
    data, folder = write_fields(tmp_path / "data", 12, size=(120, 150)), tmp_path / "test"
    with serving(data, folder, 0) as address:
        page, wrong = open_page(browser, address, viewport={"width": 1280, "height": 800})
        consent(page)
        for number in range(1, PRACTICE + 1):
            see(page, lambda number=number: page.keyboard.press("Enter" if number % 2 else "g"))
            page.keyboard.press("1")
            page.get_by_text(re.compile("^(Right|No): the (first|second) was artificial")).wait_for()
            page.locator("body:not([data-busy])").wait_for()
            page.keyboard.press("Enter")
        page.get_by_role("heading", name="That was the practice").wait_for()
        page.keyboard.press("Enter")
        see(page, lambda: page.keyboard.press(" "))
        page.reload()
        page.get_by_text(f"You were at photograph 1 of {TRIALS}.").wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Second").dblclick()
        page.get_by_text(f"2 of {TRIALS}").wait_for()
    # The server is started again, and the page goes on where it was.
    with serving(data, folder, int(address.rstrip("/").rpartition(":")[2])) as again:
        assert again == address
        page.reload()
        page.get_by_role("button", name="Go on").click()
        for _ in range(2, TRIALS + 1):
            see(page, lambda: page.keyboard.press("ArrowDown"))
            page.keyboard.press("ArrowRight")
        page.get_by_role("heading", name="Thank you").wait_for()
        assert re.search(f"[0-{TRIALS}] of {TRIALS} photographs", page.locator("#score").inner_text())
        assert not wrong

        # Somebody else, on a telephone, who does not come to the end.
        screen = {"width": 390, "height": 844}
        telephone, wrong = open_page(
            browser,
            address,
            viewport=screen,
            has_touch=True,
            is_mobile=True,
            color_scheme="dark",
        )
        consent(telephone)
        see(telephone, lambda: telephone.locator("#stage").tap())
        telephone.get_by_role("button", name="First").tap()
        telephone.get_by_role("button", name="Next photograph").tap()
        see(telephone, lambda: telephone.get_by_role("button", name="Show both versions").tap())
        assert not wrong

    done = subprocess.run(
        [sys.executable, "-m", "colorzoo", "turing", "report", str(folder)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 2 participants completed" in done.stdout
    rows = list(csv.DictReader((folder / "report" / "trials.csv").read_text().splitlines()))
    own = [row for row in rows if row["participant"] == "1"]
    assert [row["preset"] == "" for row in own] == [True] * PRACTICE + [False] * TRIALS
    assert len({row["photograph"] for row in own}) == PRACTICE + TRIALS
    # The one that was answered after a reload has no times. A picture is never shown for less than whole frames allow.
    times = [float(row[name]) for row in own for name in ("first_ms", "second_ms") if row[name]]
    assert len(times) == 2 * (PRACTICE + TRIALS - 1)
    assert min(times) > 975
    print(f"pictures were shown for {min(times):.1f} to {max(times):.1f} ms")


def test_interrupted_showing_is_replaced(browser: Browser, tmp_path: Path) -> None:
    data, folder = write_fields(tmp_path / "data", 12, size=(120, 150)), tmp_path / "test"
    with serving(data, folder, 0) as address:
        page, wrong = open_page(browser, address)
        consent(page)
        page.locator("body:not([data-busy]) #reveal:visible").wait_for()
        page.keyboard.press("x")
        page.get_by_role("img", name="The first version").wait_for()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.get_by_text("The page was out of sight").wait_for()
        see(page, lambda: page.keyboard.press("x"))
        assert not wrong
    # The server is gone.
    page.keyboard.press("1")
    page.get_by_role("alert").get_by_role("button", name="Try again").wait_for()
