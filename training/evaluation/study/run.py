"""A whole study, from a folder of photographs to its tables, figures and page; the body of `colorzoo study`.

OUT/report.html     all of it on one page
OUT/results.csv     a row for each system: figures with their intervals
OUT/per_image.csv   a row for each system and photograph
OUT/tests.csv       paired tests of all pairs
OUT/figures/        every figure as PNG and SVG
OUT/parts/          what is finished; it can be deleted when the study is
"""

import os
from collections.abc import Sequence
from pathlib import Path

from training.data.folder import PictureFiles
from training.evaluation import backbones
from training.evaluation.learned_distance import load_lpips
from training.evaluation.study import report, systems
from training.evaluation.study import results as tables
from training.evaluation.study.drawings import draw, read_runs
from training.evaluation.study.figures import drawing
from training.evaluation.study.measuring import Networks, count_batches, measure
from training.evaluation.study.parts import Parts
from training.evaluation.study.results import Results
from training.evaluation.study.truth import Progress, check_settings, choose, read_truth, settings_of
from training.pretrained import efficientnet_lite0
from zoo.errors import ArgumentError
from zoo.presets.metadata import list_presets

SMALLEST = 16  # side in pixels: SSIM of RGB needs 11
PARTS, FIGURES = "parts", "figures"


def main(
    presets: Sequence[str],
    data: Path,
    out: Path,
    *,
    size: int = 128,
    limit: int | None = None,
    vgg19: Path | None = None,
    lpips: bool = False,
    runs: Sequence[Path] = (),
    jobs: int | None = None,
    progress: Progress = lambda done, total, label: None,
) -> Results:
    """Compare presets on the photographs of a folder or an archive.

    A study that was interrupted goes on where it was; presets may be added to a finished one. What is measured of each
    photograph, and how, is in `training.evaluation.study.measures`.

    Args:
        presets: what `zoo.load` takes, in the order of the tables; none stands for all that ship with the package.
        data: the folder or archive.
        out: the folder to write to, made if need be.
        size: side of the pictures in pixels.
        limit: how many photographs at most, evenly over the class folders; None takes 250 of each class folder.
        vgg19: weights of VGG19 for the perceptual and Fréchet distances; None takes EfficientNet-Lite0 if its package
            is installed, and leaves these figures out if it is not.
        lpips: whether to measure LPIPS.
        runs: training runs whose learning curves are drawn as well, each a folder or its log.csv.
        jobs: threads that measure; None takes one for each core.
        progress: called with how many pictures are done, of all of them, and what they are.

    Raises:
        DataError: `data` is neither a folder nor an archive, or has no image, none that can be read, or only gray ones.
        ArgumentError: an argument outside its range, or `out` holds another study.
        UnknownNameError: a preset that does not exist.
        PresetError: a preset that does not load or uses the color of its input, or weights that cannot be read.
    """
    if size < SMALLEST:
        raise ArgumentError(f"size {size} is too small: at least {SMALLEST} is needed")
    if limit is not None and limit < 1:
        raise ArgumentError(f"limit {limit} is too small: at least 1 is needed")
    compared = [*systems.presets(presets or list_presets()), *systems.references()]
    logs = read_runs(runs)
    files = PictureFiles(data)
    chosen = choose(files, limit)
    backbone = None
    if vgg19 is not None or efficientnet_lite0.is_installed():
        backbone = backbones.load(vgg19)
    networks = Networks(backbone, load_lpips() if lpips else None)
    name = backbone.name if backbone else None
    settings = settings_of(files, chosen, data, size, name, lpips)
    folder = out / PARTS
    check_settings(folder, settings)

    jobs = jobs or os.cpu_count() or 1
    folder.mkdir(parents=True, exist_ok=True)
    truth = read_truth(files, chosen, folder, settings, jobs, progress)
    parts = Parts(folder)
    measure(compared, truth, parts, networks, jobs, progress)
    count = count_batches(truth)
    found = {system.name: parts.read(system.key, count) for system in compared}
    results = tables.summarize(data.resolve().name, size, truth, compared, found, name, lpips)
    tables.write(out, results)
    with drawing.style():
        drawings = [(each, drawing.save(each, out / FIGURES)) for each in draw(results, logs, progress)]
    report.write(out, results, drawings)
    return results
