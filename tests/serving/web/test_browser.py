"""The page in a real browser, in every way that it is used; needs a Chromium."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browsers import fits, open_page
from tests.films import pan, write_film
from tests.serving.web.pages import (
    DESKTOP,
    EXAMPLES,
    PHONE,
    as_array,
    changing,
    choose,
    colored,
    pixels,
    settle,
    tab,
    violations,
)

pytestmark = pytest.mark.slow

CAT = EXAMPLES / "chelsea.jpg"
# What a person does with the file manager, which a test cannot.
TRANSFER = """const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(content)], NAME, { type: "image/jpeg" }));"""
DROP = f"""(content) => {{ {TRANSFER.replace("NAME", "'dropped.jpg'")}
  document.body.dispatchEvent(new DragEvent("drop", {{ dataTransfer: transfer, bubbles: true }})); }}"""
PASTE = f"""(content) => {{ {TRANSFER.replace("NAME", "'pasted.jpg'")}
  document.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData: transfer }})); }}"""


@pytest.fixture(params=[DESKTOP, PHONE | {"color_scheme": "dark"}], ids=["1280", "390"])
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    found, wrong = open_page(browser, address, **request.param)
    yield found
    assert fits(found)
    assert not wrong
    found.context.close()


def seen(page: Page) -> np.ndarray:
    """What is on the screen of the picture's place."""
    return as_array(page.locator("#stage").screenshot())


def test_divider_side_by_side_and_zoom(page: Page) -> None:
    choose(page, CAT)
    reveal = page.get_by_role("slider", name="Divider")
    half = seen(page)
    middle = half.shape[1] // 2
    margin = 40  # around the divider, whose handle is white
    assert colored(half[:, : middle - margin]) < 0.01
    assert colored(half[:, middle + margin :]) > 0.2
    reveal.focus()
    page.keyboard.press("Home")
    assert colored(seen(page)[:, : middle - margin]) > 0.2
    page.keyboard.press("End")
    assert colored(seen(page)) < 0.01
    # The divider follows the pointer as well.
    box = page.locator("#stage").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert 15 < float(reveal.input_value()) < 35
    page.get_by_role("button", name="Side by side").click()
    assert reveal.is_disabled()
    assert not violations(page)
    both = seen(page)
    parts = np.array_split(both, 2, axis=0 if page.locator("#stage[data-stacked]").count() else 1)
    assert colored(parts[0]) < 0.01 < 0.1 < colored(parts[1])
    page.get_by_role("button", name="Side by side").click()
    before = page.get_by_role("button", name="Fit the picture").inner_text()
    page.get_by_role("button", name="Enlarge").click()
    assert page.get_by_role("button", name="Fit the picture").inner_text() != before
    page.locator("#stage").focus()
    page.keyboard.press("0")
    assert page.get_by_role("button", name="Fit the picture").inner_text() == before


def test_confidence(page: Page) -> None:
    choose(page, CAT)
    page.get_by_role("button", name="Where the network is unsure").click()
    page.locator("#confidence:not([hidden])").wait_for()
    assert "%" in page.locator("#legend").inner_text()
    assert not violations(page)


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """A gray photograph of two regions, dark on the left and light on the right."""
    rng = np.random.default_rng(0)
    gray = np.where(np.arange(320) < 160, 90, 190) + rng.integers(-4, 5, (240, 320))
    path = tmp_path / "halves.png"
    Image.fromarray(gray.astype(np.uint8)).save(path)
    return path


def test_a_fix_colors_its_area_and_only_it(page: Page, halves: Path) -> None:
    choose(page, halves)
    before = pixels(page.locator("#after"))
    tab(page, "Fix")
    box = page.locator("#stage").bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.locator(".swatch").first.wait_for()
    assert page.locator(".swatch").count() > 2
    assert not violations(page)
    # The one that is the least like what is there.
    colors = [swatch.get_attribute("data-color") for swatch in page.locator(".swatch").all()]
    rgb = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in colors if color])
    here = before[:, 20:130].mean((0, 1))
    chosen = int(np.abs(rgb - here).sum(-1).argmax())
    with changing(page):
        page.locator(".swatch").nth(chosen).click()
    after = pixels(page.locator("#after"))
    hue = rgb[chosen] - rgb[chosen].mean()
    left, right = (np.s_[:, 20:130], np.s_[:, 190:300])
    assert np.abs((after[left] - after[left].mean(-1, keepdims=True)).mean((0, 1)) - hue).max() < 12
    assert np.abs(after[left].mean((0, 1)) - here).max() > 8
    assert np.abs(after[right] - before[right]).max() < 8
    with changing(page):
        page.get_by_role("button", name="Undo").click()
    assert np.abs(pixels(page.locator("#after")) - before).max() <= 2
    with changing(page):
        page.keyboard.press("Control+y")
    assert np.abs(pixels(page.locator("#after")) - after).max() <= 4  # the solver begins where it was


def test_several_pictures_a_broken_one_and_a_zip_file(browser: Browser, address: str, tmp_path: Path) -> None:
    page, _ = open_page(browser, address, **DESKTOP)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    choose(page, CAT, broken, EXAMPLES / "coffee.jpg")
    mark = page.get_by_role("button", name="broken.jpg, ")
    page.locator("#thumbnails [data-stage=failed]").wait_for()
    page.locator("#thumbnails [data-stage=ready]").nth(1).wait_for()
    assert not violations(page)
    mark.click()
    page.get_by_role("button", name="Close this picture").wait_for()
    reason = page.locator("#notice-text").inner_text()
    assert reason.startswith("broken.jpg: ")
    assert len(reason) > 25
    assert not violations(page)
    page.get_by_role("button", name="coffee.jpg").click()
    settle(page)
    tab(page, "Save")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download all 2 as a ZIP file").click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["chelsea-colorized.jpg", "coffee-colorized.jpg"]
        for name in archive.namelist():
            assert colored(as_array(archive.read(name))) > 0.1
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download side by side").click()
    sheet = as_array(Path(saved.value.path()).read_bytes())
    assert colored(sheet[:, : sheet.shape[1] // 2 - 20]) < 0.05 < colored(sheet[:, sheet.shape[1] // 2 :])
    page.context.close()


def test_by_keyboard_alone(page: Page) -> None:
    def reach(name: str) -> None:
        """Presses Tab until the control has the focus."""
        for _ in range(60):
            page.keyboard.press("Tab")
            if (
                page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")
                == name
            ):
                return
        pytest.fail(f"{name} cannot be reached")

    with page.expect_file_chooser() as chooser:
        reach("Choose photographs")
        page.keyboard.press("Enter")
    chooser.value.set_files(CAT)
    settle(page)
    before = pixels(page.locator("#after"))
    page.get_by_role("tab", name="Look").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Fix").get_attribute("aria-selected") == "true"
    page.locator("#stage").focus()
    for key in ("Shift+ArrowLeft", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.locator(".swatch:focus").wait_for()
    assert "likely" in (page.locator(".swatch:focus").get_attribute("aria-label") or "")
    page.keyboard.press("End")
    with changing(page):
        page.keyboard.press("Enter")
    assert not np.array_equal(pixels(page.locator("#after")), before)
    page.keyboard.press("Escape")
    assert page.locator("#stage:focus").count() == 1
    with changing(page):
        page.keyboard.press("Control+z")
    page.get_by_role("tab", name="Fix").focus()
    page.keyboard.press("ArrowRight")
    with page.expect_download() as saved:
        reach("Download in full resolution")
        page.keyboard.press("Enter")
    assert colored(as_array(Path(saved.value.path()).read_bytes())) > 0.3
    # Help opens, has the focus, and closes.
    page.get_by_role("button", name="Help").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("heading", name="What is honest to expect").is_visible()
    assert not violations(page)
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_dropped_pasted_and_example_pictures(browser: Browser, address: str) -> None:
    page, wrong = open_page(browser, address, **DESKTOP)
    page.get_by_role("button", name="Try the example: a cat").click()
    settle(page)
    content = list((EXAMPLES / "coffee.jpg").read_bytes())
    page.evaluate(DROP, content)
    page.get_by_role("button", name="dropped.jpg").wait_for()
    page.evaluate(PASTE, content)
    page.get_by_role("button", name="pasted.jpg").wait_for()
    settle(page)
    assert page.locator("#thumbnails button").count() == 3
    assert not wrong
    page.context.close()


def test_folder_leaves_out_what_is_no_picture(browser: Browser, address: str, tmp_path: Path) -> None:
    inner = tmp_path / "album" / "inner"
    inner.mkdir(parents=True)
    for path in (inner / "a2.png", inner / "a10.png", tmp_path / "album" / ".hidden.png"):
        Image.new("L", (40, 30), 128).save(path)
    (inner / "notes.txt").write_text("no picture")
    page, wrong = open_page(browser, address, **DESKTOP)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(tmp_path / "album")
    settle(page)
    labels = [each.get_attribute("title") for each in page.locator("#thumbnails button").all()]
    assert labels == ["a2.png", "a10.png"]
    assert not wrong
    page.context.close()


def test_film_while_a_photograph_is_being_colorized(browser: Browser, address: str, tmp_path: Path) -> None:
    page, wrong = open_page(browser, address, **DESKTOP)
    page.locator("#files").set_input_files(CAT)
    page.locator("#files").set_input_files(
        write_film(tmp_path / "walk.mp4", pan(1, 3, 2), codec="mpeg4", pix_fmt="yuv420p")
    )
    page.locator("#thumbnails [data-stage=ready]").wait_for()
    assert page.get_by_role("button", name="Colorize this film").is_visible()
    assert page.get_by_role("tab").filter(visible=True).all_inner_texts() == ["Look", "Save"]
    assert not wrong
    page.context.close()


def test_candidates_follow_as_soon_as_they_can_be_seen(page: Page) -> None:
    choose(page, CAT)
    page.locator("#looks img").nth(2).wait_for()
    colorful = pixels(page.locator("#looks img").nth(2))
    tab(page, "Adjust")
    with changing(page):
        page.get_by_label("Saturation").fill("0.2")
    shown = page.locator("#looks img").nth(2).get_attribute("src")
    tab(page, "Look")
    page.wait_for_function("src => document.querySelectorAll('#looks img')[2].getAttribute('src') !== src", arg=shown)
    assert np.ptp(pixels(page.locator("#looks img").nth(2)), axis=-1).mean() < np.ptp(colorful, axis=-1).mean() / 2
