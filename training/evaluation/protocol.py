"""How close a preset's colors are to those of a folder or an archive of photographs.

The protocol, which is to be published with every figure (docs/evaluation.md says what the figures mean):

1. All images of the folder and its sub-folders, sorted by path; those of an archive in its order. Those that
   cannot be read are left out, counted and listed. With a limit, an even choice of all class folders.
2. Each is turned upright (EXIF), converted to sRGB by its color profile if it has one, and resized to size x
   size by Pillow's Lanczos filter. The aspect is not kept, as in the comparison paper. This 8-bit picture is
   the truth.
3. The colorizer gets the truth in color, of which by its contract it sees the lightness only; so that
   lightness is exact rather than rounded to 8 bits. That it sees no more is checked: a sample is colorized
   again from 8-bit gray of the same lightness, and a preset that gains by the color is refused.
4. The 8-bit result and the truth are converted to Lab by skimage.color.rgb2lab (D65) and compared on ab:
   RMSE, PSNR and SSIM of `training.evaluation.metrics` for each picture, then the mean over pictures.
5. The same for two constants that any colorizer must beat: gray (ab = 0), and the mean ab of all pixels of
   the set, which has the lowest MSE of all constants.
6. Colorfulness of the 8-bit result and of the truth, and the ratio of their means.

Asked for degraded input, step 3 shows the colorizer what `training.data.degradation` makes of every picture, in 8-bit
gray: the same each time, by the picture's place among those that were read. The truth stays what it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import ops
from PIL import Image
from skimage.color import rgb2lab

import zoo
from media.files import PER_IMAGE, SHEET
from media.photograph import gray_of
from training.data.degradation import DRAWS, degraded_lightness
from training.data.folder import PictureFiles
from training.data.sampling import choose_evenly
from training.evaluation import metrics
from training.evaluation.tables import (
    Figures,
    Pixels,
    Report,
    Values,
    append_result,
    check_folder,
    write_classes,
    write_images,
    write_sheet,
)
from zoo import color
from zoo.errors import ArgumentError, DataError, PhotographError, PresetError

SMALLEST = 8  # the side that every network of the zoo accepts
BATCH = 16
SAMPLE = 24  # pictures on the contact sheet, and in the check that color is ignored
DEGRADATION_SEED = 1  # with each picture's place, decides how it is degraded
LEAK = 1.0  # Lab units of RMSE that 8-bit gray may cost; its rounding costs some hundredths
Colorize = Callable[[Pixels], Pixels]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Evaluation:
    """The figures of the photographs of a folder, and why the others could not be read."""

    report: Report
    left_out: list[PhotographError]


def evaluate(colorize: Colorize, pictures: Iterable[Pixels], *, batch: int = BATCH, degraded: bool = False) -> Report:
    """Compare what `colorize` makes of the pictures uint8 (S, S, 3) with the pictures, by steps 3 to 6 above.

    The pictures are iterated once and kept as uint8 (3 bytes a pixel); all else is done batch by batch.

    Args:
        colorize: sRGB uint8 (B, S, S, 3) -> uint8 of the same shape, by the lightness of its input only.
        pictures: the truth, sRGB, all of one size, S >= 5.
        batch: B; the last one may be smaller.
        degraded: whether `colorize` gets the pictures as old photographs, by `as_old_photographs`.

    Raises:
        DataError: there are no pictures, or all of them are gray.
        ArgumentError: `colorize` returns another shape or type.
    """
    truths: list[Pixels] = []
    colorized: list[Figures] = []
    gray: list[Figures] = []
    colorfulness: list[Values] = []
    truth_colorfulness: list[Values] = []
    means: list[Values] = []
    count = 0
    for truth in _batches(pictures, batch):
        places = range(count, count + len(truth))
        count += len(truth)
        result = np.asarray(colorize(as_old_photographs(truth, places) if degraded else truth))
        if result.shape != truth.shape or result.dtype != np.uint8:
            raise ArgumentError(
                f"the colorizer returned {result.dtype} {result.shape}, where uint8 {truth.shape} is needed"
            )
        ab_true = _ab(truth)
        truths.append(truth)
        means.append(ab_true.mean(axis=(1, 2)))
        colorized.append(_compare(ab_true, _ab(result)))
        gray.append(_compare(ab_true, np.zeros_like(ab_true)))
        colorfulness.append(metrics.colorfulness(result))
        truth_colorfulness.append(metrics.colorfulness(truth))
    if not truths:
        raise DataError("there are no pictures to evaluate on: at least one is needed")
    if not any(np.any(values) for values in truth_colorfulness):
        raise DataError("all pictures are gray: color photographs are needed, to compare the result with")

    mean_ab = np.concatenate(means).mean(axis=0)
    mean_color = []
    for truth in truths:
        ab_true = _ab(truth)
        mean_color.append(_compare(ab_true, np.broadcast_to(mean_ab, ab_true.shape)))
    return Report(
        colorized=_join(colorized),
        gray=_join(gray),
        mean_color=_join(mean_color),
        mean_ab=(float(mean_ab[0]), float(mean_ab[1])),
        colorfulness=np.concatenate(colorfulness),
        truth_colorfulness=np.concatenate(truth_colorfulness),
    )


def _batches(pictures: Iterable[Pixels], batch: int) -> Iterator[Pixels]:
    waiting: list[Pixels] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) == batch:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def _ab(rgb: Pixels) -> Values:
    return np.asarray(rgb2lab(rgb)[..., 1:], np.float64)


def _compare(ab_true: Values, ab: Values) -> Figures:
    return Figures(metrics.rmse(ab_true, ab), metrics.psnr(ab_true, ab), metrics.ssim(ab_true, ab))


def _join(parts: Sequence[Figures]) -> Figures:
    return Figures(
        rmse=np.concatenate([part.rmse for part in parts]),
        psnr=np.concatenate([part.psnr for part in parts]),
        ssim=np.concatenate([part.ssim for part in parts]),
    )


def as_old_photographs(rgb: Pixels, places: Sequence[int]) -> Pixels:
    """Pictures uint8 (B, S, S, 3) -> the same as old photographs, gray uint8 (B, S, S, 3).

    Args:
        rgb: the pictures.
        places: a seed for each of them.
    """
    random = [np.random.default_rng([DEGRADATION_SEED, place]) for place in places]
    draws = np.stack([each.random(DRAWS, np.float32) for each in random])
    grain = np.stack([each.standard_normal((*rgb.shape[1:3], 1), np.float32) for each in random])
    light = degraded_lightness(rgb.astype(np.float32) / 255, draws, grain, 1.0)
    gray = np.rint(ops.convert_to_numpy(color.gray_of_lightness(light)) * 255)
    return np.repeat(gray.clip(0, 255).astype(np.uint8), 3, axis=-1)


def squeeze(picture: Image.Image, size: int) -> Pixels:
    """A picture of mode RGB as sRGB uint8 (size, size, 3), by step 2 above."""
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def read_pictures(files: PictureFiles, chosen: Sequence[int], size: int) -> Iterator[Pixels]:
    """The photographs at ascending positions, each as `squeeze` makes it.

    Raises:
        PhotographError: a file is not an image, is damaged, or is larger than the limit of `media.reader`.
        DataError: a damaged archive.
    """
    for picture in files.read(chosen):
        if isinstance(picture, PhotographError):
            raise picture
        yield squeeze(picture, size)


def main(
    preset: str,
    data: Path,
    size: int = 128,
    out: Path | None = None,
    limit: int | None = None,
    temperature: float | None = None,
    progress: Progress = lambda done, total: None,
    degraded: bool = False,
    look: str | None = None,
) -> Evaluation:
    """Evaluate a preset on a folder or an archive of photographs; the body of `colorzoo evaluate`.

    In `out`, `results.csv` gets one row more; `per_image.csv`, `per_class.csv` (if the photographs lie in sub-folders,
    each of which is a class) and `sheet.jpg` (gray, colorized, original) are those of this run.

    Args:
        preset: what `zoo.load` takes.
        data: the folder or archive.
        size: side of the pictures in pixels, at least 8.
        out: the folder to write to, made if need be; None writes nothing.
        limit: how many photographs at most, evenly over the classes; None takes all.
        temperature: for presets that classify, passed to `zoo.load`; None takes the preset's own.
        progress: called with the number of photographs that are done, and of all of them.
        degraded: whether the preset is shown the photographs as old ones, and the sheet too.
        look: of a preset that has looks, passed to `zoo.load`; None takes "natural".

    Raises:
        DataError: `data` is neither a folder nor an archive, or has no image, none that can be read, or only gray
            ones.
        ArgumentError: size or limit is too small, or `out` is a file or holds results with other columns.
        PresetError: the preset makes use of the color of its input.
    """
    if size < SMALLEST:
        raise ArgumentError(f"size {size} is too small: at least {SMALLEST} is needed")
    if limit is not None and limit < 1:
        raise ArgumentError(f"limit {limit} is too small: at least 1 is needed")
    files = PictureFiles(data)
    folders = [path.parent.as_posix() for path in files.paths]
    chosen = range(len(files)) if limit is None else choose_evenly(folders, limit)
    if out is not None:
        check_folder(out)  # before the work, not after it

    colorize = load_colorizer(preset, look, temperature)
    kept: list[int] = []
    left_out: list[PhotographError] = []
    report = evaluate(colorize, _read_all(files, chosen, size, kept, left_out, progress), degraded=degraded)
    classes = [folders[i] for i in kept]
    sample = choose_evenly(classes, SAMPLE)
    truth = np.stack(list(read_pictures(files, [kept[i] for i in sample], size)))
    gray = gray_of(truth)
    colorized = np.concatenate([colorize(part) for part in _batches(truth, BATCH)])
    from_gray = np.concatenate([colorize(part) for part in _batches(gray, BATCH)])
    check_color_ignored(preset, truth, colorized, from_gray)
    if degraded:
        gray = as_old_photographs(truth, sample)
        colorized = np.concatenate([colorize(part) for part in _batches(gray, BATCH)])

    if out is None:
        return Evaluation(report, left_out)
    out.mkdir(parents=True, exist_ok=True)
    write_images(out / PER_IMAGE, report, [files.paths[i].as_posix() for i in kept])
    if set(classes) == {"."}:
        (out / "per_class.csv").unlink(missing_ok=True)  # that of an earlier run would be taken for this one's
    else:
        write_classes(out / "per_class.csv", report, classes)
    write_sheet(out / SHEET, gray, colorized, truth)
    append_result(out / "results.csv", preset, data, size, look, temperature, degraded, report)
    return Evaluation(report, left_out)


def load_colorizer(preset: str, look: str | None = None, temperature: float | None = None) -> Colorize:
    """A preset as a function: sRGB uint8 (B, S, S, 3) -> uint8 of the same shape. Arguments and errors: `zoo.load`."""
    model = zoo.load(preset, look=look, temperature=temperature)
    model.jit_compile = False  # XLA compiles anew for every shape, and is slower on CPUs

    def colorize(rgb: Pixels) -> Pixels:
        return np.asarray(model.predict_on_batch(rgb))

    return colorize


def _read_all(
    files: PictureFiles,
    chosen: Sequence[int],
    size: int,
    kept: list[int],
    left_out: list[PhotographError],
    progress: Progress,
) -> Iterator[Pixels]:
    pictures = files.read(chosen)
    for done, position in enumerate(chosen):
        progress(done, len(chosen))
        picture = next(pictures)
        if isinstance(picture, PhotographError):
            left_out.append(picture)
            continue
        kept.append(position)
        yield squeeze(picture, size)
    if not kept:
        raise DataError(f"none of {len(chosen)} images can be read; the first: {left_out[0]}")


def check_color_ignored(preset: str, truth: Pixels, colorized: Pixels, from_gray: Pixels) -> None:
    """Raises PresetError if results (B, S, S, 3) from the truth are closer to it than those from its gray allow."""
    ab_true = _ab(truth)
    from_color_rmse = metrics.rmse(ab_true, _ab(colorized)).mean()
    from_gray_rmse = metrics.rmse(ab_true, _ab(from_gray)).mean()
    if from_gray_rmse > from_color_rmse + LEAK:
        raise PresetError(
            f"{preset} makes use of the color of its input (RMSE {from_color_rmse:.2f} from color "
            f"photographs, {from_gray_rmse:.2f} from the same in gray): it must use their lightness only"
        )
