"""training.evaluation.protocol with stub colorizers: the protocol, the baselines, the files and the errors."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage.color import rgb2lab

import zoo
from media.photograph import gray_of
from media.reader import read_rgb
from media.sheets import contact_sheet
from tests.archives import pack_folder
from training.data.folder import image_files
from training.evaluation import metrics, tables
from training.evaluation.protocol import evaluate, main, squeeze
from zoo.errors import ArgumentError, DataError, PhotographError, PresetError


def photographs(n: int = 5, size: int = 16, seed: int = 0) -> np.ndarray:
    """Smooth color pictures of various casts, uint8 (n, size, size, 3)."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, size)
    corners = rng.uniform(20, 235, (n, 4, 3))
    weights = np.stack(
        [np.outer(u, v) for u in (ramp, 1 - ramp) for v in (ramp, 1 - ramp)],
        axis=-1,
    )
    return np.rint(np.einsum("hwk,nkc->nhwc", weights, corners)).astype(np.uint8)


def tint(rgb: np.ndarray) -> np.ndarray:
    """A colorizer: warm gray, by lightness only."""
    return np.clip(gray_of(rgb).astype(int) + (12, 0, -12), 0, 255).astype(np.uint8)


def read_picture(path: Path, size: int) -> np.ndarray:
    return squeeze(read_rgb(path), size)


def save(folder: Path, pictures: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i:02}.png")


@pytest.fixture
def stub_zoo(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A zoo whose presets are the colorizers below, so that no network is loaded."""
    calls = SimpleNamespace(loaded=[], batches=[], colorize=tint, sheet=None)

    def load(name: str, *, look: str | None = None, temperature: float | None = None) -> SimpleNamespace:
        calls.loaded.append((name, temperature))

        def predict_on_batch(rgb: np.ndarray) -> np.ndarray:
            calls.batches.append(rgb.shape)
            return calls.colorize(rgb)

        return SimpleNamespace(predict_on_batch=predict_on_batch)

    def kept_sheet(rows: list[list[np.ndarray]], *, titles: tuple[str, ...], cell: int) -> np.ndarray:
        calls.sheet = rows
        return contact_sheet(rows, titles=titles, cell=cell)

    monkeypatch.setattr(zoo, "load", load)
    monkeypatch.setattr(tables, "contact_sheet", kept_sheet)
    return calls


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_perfect_colorizer_has_no_error() -> None:
    report = evaluate(lambda rgb: rgb, photographs(), batch=2)
    assert report.n == 5
    assert np.all(report.colorized.rmse == 0)
    assert np.all(report.colorized.psnr == np.inf)
    assert report.colorized.ssim == pytest.approx(1)
    assert report.gain == 1
    assert report.colorfulness_ratio == 1


def test_a_gray_result_is_the_gray_baseline() -> None:
    report = evaluate(gray_of, photographs())
    # The Lab of 8-bit gray has |ab| of some thousandths in scikit-image.
    assert report.colorized.rmse == pytest.approx(report.gray.rmse, abs=0.01)
    assert report.gain == pytest.approx(0, abs=1e-3)
    assert np.all(report.colorfulness == 0)


def test_gray_photographs_have_no_error_in_gray() -> None:
    pictures = photographs()
    pictures[0] = gray_of(pictures[0])
    report = evaluate(gray_of, pictures)
    assert report.gray.rmse[0] < 0.01 < report.gray.rmse[1:].min()
    assert report.colorized.rmse[0] == 0


def test_figures_are_those_of_metrics_on_scikit_images_ab() -> None:
    pictures = photographs(7)
    report = evaluate(tint, iter(pictures), batch=3)
    ab_true, ab = rgb2lab(pictures)[..., 1:], rgb2lab(tint(pictures))[..., 1:]
    np.testing.assert_allclose(report.colorized.rmse, metrics.rmse(ab_true, ab))
    np.testing.assert_allclose(report.colorized.psnr, metrics.psnr(ab_true, ab))
    np.testing.assert_allclose(report.colorized.ssim, metrics.ssim(ab_true, ab))
    np.testing.assert_allclose(report.gray.ssim, metrics.ssim(ab_true, 0 * ab))
    np.testing.assert_allclose(report.mean_ab, ab_true.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(report.colorfulness, metrics.colorfulness(tint(pictures)))
    np.testing.assert_allclose(report.truth_colorfulness, metrics.colorfulness(pictures))


def test_the_mean_color_is_the_best_constant() -> None:
    pictures = photographs(7)
    report = evaluate(tint, pictures, batch=3)
    ab_true = rgb2lab(pictures)[..., 1:]
    best = np.mean(report.mean_color.rmse**2)
    assert best < np.mean(report.gray.rmse**2)
    for step in [(0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)]:
        other = np.broadcast_to(np.add(report.mean_ab, step), ab_true.shape)
        assert np.mean(metrics.mse(ab_true, other)) == pytest.approx(best + 0.125)


def test_evaluate_refuses_nothing_gray_and_wrong_results() -> None:
    with pytest.raises(DataError, match="no picture"):
        evaluate(tint, [])
    with pytest.raises(DataError, match="gray"):
        evaluate(tint, gray_of(photographs()))
    with pytest.raises(ArgumentError, match="float64"):
        evaluate(lambda rgb: rgb / 255, photographs())  # type: ignore[arg-type, return-value]
    with pytest.raises(ArgumentError, match=r"\(5, 8, 16, 3\)"):
        evaluate(lambda rgb: rgb[:, ::2], photographs())


def test_gray_of_keeps_lightness() -> None:
    pictures = photographs()
    gray = gray_of(pictures)
    assert gray.dtype == np.uint8
    assert np.all(gray == gray[..., :1])
    # Half a gray level is at most 0.23 of L in this range.
    assert np.abs(rgb2lab(gray)[..., 0] - rgb2lab(pictures)[..., 0]).max() < 0.25


def test_pictures_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.webp", "b/notes.txt", "b/.hidden.jpg", "folder.png/c.tiff"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in image_files([tmp_path])]
    assert names == ["a.webp", "b/1.png", "b/2.JPG", "folder.png/c.tiff"]


def test_pictures_are_turned_upright_and_squeezed(tmp_path: Path) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :20] = (200, 30, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise: the left half comes to the top
    Image.fromarray(picture).save(tmp_path / "turned.png", exif=exif)
    upright = read_picture(tmp_path / "turned.png", 16)
    assert upright.shape == (16, 16, 3)
    assert upright.dtype == np.uint8
    assert np.all(upright[:5] == (200, 30, 30))
    assert np.all(upright[11:] == 0)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.tif"
    Image.fromarray(photographs(1)[0]).convert(mode).save(path)
    assert read_picture(path, 8).shape == (8, 8, 3)


def test_a_color_profile_is_applied(tmp_path: Path) -> None:
    picture = Image.fromarray(photographs(1, 32)[0])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(tmp_path / "srgb.png", icc_profile=profile)
    picture.save(tmp_path / "plain.png")
    picture.save(tmp_path / "damaged.png", icc_profile=b"not a profile")
    plain = read_picture(tmp_path / "plain.png", 32).astype(int)
    assert np.abs(read_picture(tmp_path / "srgb.png", 32) - plain).max() <= 1
    assert np.abs(read_picture(tmp_path / "damaged.png", 32) - plain).max() == 0


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    save(tmp_path, photographs(1, 64))
    whole = (tmp_path / "00.png").read_bytes()
    for name, content in {
        "empty.jpg": b"",
        "page.jpg": b"<html>",
        "cut.png": whole[: len(whole) // 2],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PhotographError, match=name):
            read_picture(tmp_path / name, 16)


def test_main_writes_all_files(tmp_path: Path, stub_zoo: SimpleNamespace) -> None:
    data, out = tmp_path / "photos", tmp_path / "new" / "out"
    save(data / "coast", photographs(9, 20))
    save(data / "forest", photographs(11, 20, seed=1))
    (data / "coast" / "broken.jpg").write_bytes(b"<html>")
    steps: list[tuple[int, int | None]] = []
    found = main("stub", data, size=16, out=out, temperature=0.4, progress=lambda *step: steps.append(step))
    assert steps == [(i, 21) for i in range(21)]

    assert stub_zoo.loaded == [("stub", 0.4)]
    assert stub_zoo.batches[:2] == [(16, 16, 16, 3), (4, 16, 16, 3)]
    assert sorted(path.name for path in out.iterdir()) == [
        *("per_class.csv", "per_image.csv", "results.csv", "sheet.jpg")
    ]
    expected = evaluate(tint, [read_picture(p, 16) for p in image_files([data]) if p.name != "broken.jpg"])
    (row,) = rows_of(out / "results.csv")
    assert (row["preset"], row["data"], row["n"], row["size"]) == ("stub", "photos", "20", "16")
    assert row["temperature"] == "0.4"
    assert float(row["rmse"]) == pytest.approx(expected.colorized.rmse.mean(), abs=1e-4)
    assert float(row["gray_rmse"]) == pytest.approx(expected.gray.rmse.mean(), abs=1e-4)
    assert float(row["mean_color_ssim"]) == pytest.approx(expected.mean_color.ssim.mean(), abs=1e-4)
    assert float(row["gain"]) == pytest.approx(expected.gain, abs=1e-4)
    assert float(row["mean_b"]) == pytest.approx(expected.mean_ab[1], abs=1e-4)

    images = rows_of(out / "per_image.csv")
    assert [images[0]["picture"], images[9]["picture"]] == ["coast/00.png", "forest/00.png"]
    assert [float(image["rmse"]) for image in images] == pytest.approx(expected.colorized.rmse, abs=1e-4)
    classes = rows_of(out / "per_class.csv")
    assert [(c["class"], c["n"]) for c in classes] == [("coast", "9"), ("forest", "11")]
    assert float(classes[0]["rmse"]) == pytest.approx(expected.colorized.rmse[:9].mean(), abs=1e-4)
    assert float(classes[1]["colorfulness_ratio"]) == pytest.approx(
        expected.colorfulness[9:].mean() / expected.truth_colorfulness[9:].mean(), abs=1e-4
    )
    # Gray, colorized and original of three pictures in a row.
    assert [len(row) for row in stub_zoo.sheet] == [9, 9, 9, 9, 9, 9, 6]
    gray, colorized, original = stub_zoo.sheet[0][:3]
    np.testing.assert_array_equal(gray, gray_of(original))
    np.testing.assert_array_equal(colorized, tint(original))
    with Image.open(out / "sheet.jpg") as sheet:
        assert (sheet.format, sheet.mode) == ("JPEG", "RGB")

    (left_out,) = found.left_out
    assert "broken.jpg" in str(left_out)
    np.testing.assert_array_equal(found.report.colorized.rmse, expected.colorized.rmse)


@pytest.mark.parametrize("limit", [None, 5])
def test_main_on_an_archive(tmp_path: Path, stub_zoo: SimpleNamespace, limit: int | None) -> None:
    """The figures are those of the folder that was packed, also where pictures cannot be read."""
    data = tmp_path / "photos"
    save(data / "set" / "coast", photographs(4, 20))
    save(data / "set" / "forest", photographs(7, 20, seed=1))
    (data / "set" / "coast" / "broken.jpg").write_bytes(b"<html>")
    archive = pack_folder(data, tmp_path / "photos.tar.gz")
    outs = {data: tmp_path / "loose", archive: tmp_path / "packed"}
    found = [main("stub", path, size=16, out=out, limit=limit) for path, out in outs.items()]
    for name in ("per_image.csv", "per_class.csv", "sheet.jpg"):
        assert (tmp_path / "packed" / name).read_bytes() == (tmp_path / "loose" / name).read_bytes()
    (row,) = rows_of(tmp_path / "packed" / "results.csv")
    assert (row["data"], row["n"]) == ("photos.tar.gz", str(len(found[0].report.colorized.rmse)))
    if limit is None:
        assert [str(error) for error in found[1].left_out] == [
            f"{archive}/set/coast/broken.jpg: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF"
        ]


def test_main_appends_one_row_a_run(tmp_path: Path, stub_zoo: SimpleNamespace) -> None:
    data, out = tmp_path / "photos", tmp_path / "out"
    save(data, photographs(3))
    main("first", data, size=8, out=out)
    main("second", data, size=16, out=out, limit=2)
    rows = rows_of(out / "results.csv")
    assert [(row["preset"], row["n"], row["size"], row["temperature"]) for row in rows] == [
        ("first", "3", "8", ""),
        ("second", "2", "16", ""),
    ]
    assert tuple(rows[0]) == tables.RESULT_COLUMNS
    assert not (out / "per_class.csv").exists()


def test_degraded_input_is_old_and_the_same_every_time(tmp_path: Path, stub_zoo: SimpleNamespace) -> None:
    data, out = tmp_path / "photos", tmp_path / "out"
    save(data, photographs(20))
    first, again = (main("stub", data, size=16, out=out, degraded=True).report for _ in range(2))
    np.testing.assert_array_equal(first.colorized.rmse, again.colorized.rmse)
    clean = main("stub", data, size=16, out=out).report
    assert [row["degraded"] for row in rows_of(out / "results.csv")] == ["yes", "yes", "no"]
    np.testing.assert_array_equal(first.gray.rmse, clean.gray.rmse)  # the truth is as it was
    np.testing.assert_array_equal(first.truth_colorfulness, clean.truth_colorfulness)

    main("stub", data, size=16, out=out, degraded=True)
    cells = [cell for row in stub_zoo.sheet for cell in row]
    old, colorized, original = (np.stack(cells[i::3]) for i in range(3))
    assert (old[..., :1] == old).all()
    assert np.abs(old.astype(int) - gray_of(original)).mean((1, 2, 3)).min() > 0
    np.testing.assert_array_equal(colorized, tint(old))
    # The figures are of what the sheet shows, in batches of whatever size.
    shown: list[np.ndarray] = []

    def keep(rgb: np.ndarray) -> np.ndarray:
        shown.append(rgb)
        return rgb

    evaluate(keep, original, batch=3, degraded=True)
    # A coefficient of JPEG on the border between two steps may fall to either side.
    assert np.mean(np.abs(np.concatenate(shown).astype(int) - old) <= 1) > 0.99


@pytest.mark.parametrize("inside", [".", "results"])
def test_main_never_measures_its_own_sheets(tmp_path: Path, stub_zoo: SimpleNamespace, inside: str) -> None:
    data = tmp_path / "photos"
    save(data, photographs(3))
    Image.fromarray(photographs(1)[0]).save(data / "00-compare.jpg")  # as colorize --compare writes beside 00.png
    for _ in range(2):
        main("stub", data, size=8, out=data / inside)
    assert (data / inside / "sheet.jpg").is_file()
    assert [row["n"] for row in rows_of(data / inside / "results.csv")] == ["3", "3"]


def test_main_without_out_writes_nothing(tmp_path: Path, stub_zoo: SimpleNamespace) -> None:
    save(tmp_path / "photos", photographs(2))
    main("stub", tmp_path / "photos", size=16)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["00.png", "01.png"]


def test_main_refuses_a_preset_that_sees_color(tmp_path: Path, stub_zoo: SimpleNamespace) -> None:
    save(tmp_path / "photos", photographs(4))
    stub_zoo.colorize = lambda rgb: rgb
    with pytest.raises(PresetError, match="lightness only"):
        main("leaky", tmp_path / "photos", size=16, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_main_refuses_bad_folders_before_loading(tmp_path: Path, stub_zoo: SimpleNamespace) -> None:
    data = tmp_path / "photos"
    with pytest.raises(DataError, match="not a folder"):
        main("stub", data)
    data.mkdir()
    with pytest.raises(DataError, match="holds nothing"):
        main("stub", data)
    (tmp_path / "file").touch()
    save(data, photographs(1))
    with pytest.raises(ArgumentError, match="file"):
        main("stub", data, out=tmp_path / "file")
    (tmp_path / "results.csv").write_text("date,preset\n")
    with pytest.raises(ArgumentError, match="other columns"):
        main("stub", data, out=tmp_path)
    assert (tmp_path / "results.csv").read_text() == "date,preset\n"
    with pytest.raises(ArgumentError, match="size 4"):
        main("stub", data, size=4)
    with pytest.raises(ArgumentError, match="limit 0"):
        main("stub", data, limit=0)
    assert stub_zoo.loaded == []


def test_main_refuses_a_folder_of_damaged_images(tmp_path: Path, stub_zoo: SimpleNamespace) -> None:
    (tmp_path / "a.jpg").write_bytes(b"<html>")
    with pytest.raises(DataError, match="none of 1 images"):
        main("stub", tmp_path)


@pytest.mark.parametrize("inside", [".", "evaluation"])
def test_results_beside_the_photographs_are_not_read(tmp_path: Path, stub_zoo: SimpleNamespace, inside: str) -> None:
    """The sheet of one evaluation is not a photograph of the next."""
    save(tmp_path, photographs(3, 16))
    for _ in range(2):
        main("stub", tmp_path, size=16, out=tmp_path / inside)
    assert [row["n"] for row in rows_of(tmp_path / inside / "results.csv")] == ["3", "3"]
