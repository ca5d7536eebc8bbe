"""Making the pictures of an experiment: each photograph as a square, in gray, by each preset, and in foreign colors.

Pictures that exist are kept, so that an interrupted preparation goes on where it was. The square is the middle of the
photograph, resized by Lanczos's filter, so that all pictures have one size.
"""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from keras import ops
from PIL import Image, ImageOps

from media import atomic
from media.photograph import gray_of
from media.reader import read_rgb
from serving.local.pipeline import Colorizer
from serving.user_test.experiment import Experiment, picture, usable
from zoo import color, pipeline
from zoo.errors import PhotographError

BATCH = 16

Progress = Callable[[str, int, int], object]
"""Called with what is being made, how many pictures of it there are, and how many there will be."""


def prepare(
    folder: Path, experiment: Experiment, data: Path, load: Callable[[str], Colorizer], progress: Progress
) -> list[PhotographError]:
    """Make all pictures that the folder of an experiment lacks.

    Args:
        folder: As `serving.user_test.experiment.begin` leaves it.
        data: Folder in which the photographs of the experiment lie.
        load: From the name of a preset to its colorizer. Called only for presets that lack pictures.

    Returns:
        Why photographs were left out, one error for each that cannot be read.

    Raises:
        DataError: too few photographs can be read.
    """
    errors = _write_originals(folder, experiment, data, progress)
    numbers = usable(folder, experiment)
    foreign = partial(_in_foreign_colors, folder, numbers)
    _write_batches(folder, numbers, "gray", lambda: _in_gray, partial(progress, "gray pictures"))
    _write_batches(folder, numbers, "practice", lambda: foreign, partial(progress, "practice pictures"))
    for i, preset in enumerate(experiment.presets):
        _write_batches(folder, numbers, str(i), partial(_painter, load, preset), partial(progress, preset))
    return errors


Paint = Callable[[np.ndarray, Sequence[int]], np.ndarray]
"""From originals (B, S, S, 3) and the numbers of their photographs to pictures (B, S, S, 3), all uint8."""


def _write_originals(folder: Path, experiment: Experiment, data: Path, progress: Progress) -> list[PhotographError]:
    names = experiment.photographs

    def write(number: int) -> PhotographError | None:
        path = picture(folder, number, "original")
        if path.exists():
            return None
        try:
            photograph = read_rgb(data / names[number])
        except PhotographError as error:
            return error
        square = ImageOps.fit(photograph, (experiment.size, experiment.size), Image.Resampling.LANCZOS)
        _write(path, np.asarray(square))
        return None

    errors = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, error in enumerate(pool.map(write, range(len(names))), 1):
            if error is not None:
                errors.append(error)
            progress("photographs", done, len(names))
    return errors


def _write_batches(
    folder: Path, numbers: Sequence[int], name: str, make: Callable[[], Paint], progress: Callable[[int, int], object]
) -> None:
    """Write the picture of one name for all photographs that lack it; `make` is called if any does."""
    missing = [number for number in numbers if not picture(folder, number, name).exists()]
    if not missing:
        return
    paint = make()
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        painted = paint(np.stack([_original(folder, number) for number in batch]), batch)
        for number, pixels in zip(batch, painted, strict=True):
            _write(picture(folder, number, name), pixels)
        progress(len(numbers) - len(missing) + start + len(batch), len(numbers))


def _in_gray(own: np.ndarray, _: Sequence[int]) -> np.ndarray:
    return gray_of(own)


def _painter(load: Callable[[str], Colorizer], preset: str) -> Paint:
    colorizer = load(preset)

    def paint(own: np.ndarray, _: Sequence[int]) -> np.ndarray:
        prepared = [colorizer.prepare(pixels) for pixels in own]
        colors = colorizer.predict(np.stack([each.frame for each in prepared]))
        return np.stack([colorizer.paint(each, ab) for each, ab in zip(prepared, colors, strict=True)])

    return paint


def _in_foreign_colors(folder: Path, numbers: Sequence[int], own: np.ndarray, batch: Sequence[int]) -> np.ndarray:
    """The pictures with the ab of other photographs, drawn by their own number so that a second run draws the same."""
    others = [_other(number, numbers) for number in batch]
    lightness = color.rgb_to_lab(own.astype(np.float32) / 255)[..., :1]
    foreign = np.stack([_original(folder, number) for number in others])
    ab = color.rgb_to_lab(foreign.astype(np.float32) / 255)[..., 1:]
    return ops.convert_to_numpy(pipeline.to_levels(pipeline.recompose(lightness, ab), 255, "uint8"))


def _other(number: int, numbers: Sequence[int]) -> int:
    others = [each for each in numbers if each != number]
    return others[np.random.default_rng(number).integers(len(others))]


def _original(folder: Path, number: int) -> np.ndarray:
    return np.asarray(Image.open(picture(folder, number, "original")))


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    atomic.write_bytes(path, content.getvalue())
