"""What a study measures: for each picture, and for the set; with names, order and digits of its tables.

Truth and result are 8-bit sRGB pictures of the study's size, as `training.evaluation.protocol` prepares them. Both
become Lab by skimage.color.rgb2lab (float64, D65). Nothing else is resized, clipped or rounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab

from training.evaluation import metrics, raw_accuracy, rgb_metrics
from training.evaluation.tables import Pixels, Values
from zoo.color_difference import ciede2000

WEIGHT = "auc_weight"  # the weights that auc_rebalanced is averaged with
PERCEPTUAL, FRECHET = "perceptual_", "frechet_"  # followed by the name of the backbone
LPIPS = "lpips_alexnet"


@dataclass(frozen=True)
class Measure:
    """One figure of the tables.

    Attributes:
        name: of its column in the CSV files.
        title: what people read.
        better: which way is better; "near" for what should be near the truth's.
        digits: after the point.
        source: paper and equation, figure or table.
        weight: the column of weights that its mean takes, if any.
    """

    name: str
    title: str
    better: Literal["low", "high", "near"]
    digits: int
    source: str
    weight: str = ""


RMSE = Measure("rmse", "RMSE on ab", "low", 2, "Araújo and Veloso, eq. 2")
COLORFULNESS = Measure("colorfulness", "colorfulness", "near", 1, "Hasler and Süsstrunk 2003")
_OF_PICTURES: tuple[Measure, ...] = (
    RMSE,
    Measure("psnr", "PSNR on ab (dB)", "high", 2, "Araújo and Veloso, eq. 3; Gorriz Blanch et al., Table I"),
    Measure("ssim", "SSIM on ab", "high", 3, "Araújo and Veloso, eq. 4"),
    Measure("l1", "L1 on ab", "low", 2, "Gorriz Blanch et al., Table I"),
    Measure("psnr_rgb", "PSNR of RGB (dB)", "high", 2, "8-bit sRGB, all three channels"),
    Measure("ssim_rgb", "SSIM of RGB", "high", 3, "Wang et al. 2004"),
    Measure("ciede2000", "CIEDE2000", "low", 2, "CIE 142-2001"),
    COLORFULNESS,
    Measure("colorfulness_difference", "colorfulness: mean difference", "low", 1, "mean of |result - truth|"),
    Measure("auc", "AuC", "high", 3, "Zhang et al., section 3.1"),
    Measure("auc_rebalanced", "AuC, rebalanced", "high", 3, "Zhang et al., section 3.1", WEIGHT),
    Measure("accuracy", "channel accuracy", "high", 3, "Rahman et al."),
    Measure("mse_rgb", "MSE of RGB", "low", 4, "Rahman et al., eq. 2"),
)
GAIN = Measure("gain", "below gray", "high", 3, "1 - RMSE / RMSE of gray")
RATIO = Measure("colorfulness_ratio", "colorfulness / truth's", "near", 2, "ratio of means")
GAP = Measure("colorfulness_gap", "colorfulness: difference of means", "low", 1, "|mean of results - mean of truth|")
INTERSECTIONS = tuple(
    Measure(f"intersection_{axis}", f"intersection of {axis}", "high", 3, "Gorriz Blanch et al., Fig. 4")
    for axis in "ab"
)


def of_pictures(backbone: str | None, lpips: bool) -> tuple[Measure, ...]:
    """What is measured of each picture."""
    found = _OF_PICTURES
    if backbone:
        found += (
            Measure(f"{PERCEPTUAL}{backbone}", f"perceptual, {backbone}", "low", 4, "Gorriz Blanch et al., eq. 7"),
        )
    if lpips:
        found += (Measure(LPIPS, "LPIPS, AlexNet", "low", 4, "Zhang et al., CVPR 2018"),)
    return found


def of_sets(backbone: str | None) -> tuple[Measure, ...]:
    """What is measured of all pictures together."""
    found: tuple[Measure, ...] = (GAIN, RATIO, GAP, *INTERSECTIONS)
    if backbone:
        found += (Measure(f"{FRECHET}{backbone}", f"Fréchet, {backbone}", "low", 2, "Heusel et al. 2017"),)
    return found


def to_lab(rgb: Pixels) -> Values:
    """SRGB uint8 (..., 3) -> Lab (..., 3) in float64."""
    return np.asarray(rgb2lab(rgb), np.float64)


def measure_picture(truth: Pixels, rgb: Pixels, lab_true: Values, lab: Values, weights: Values) -> Mapping[str, float]:
    """The figures of one picture by the names of the measures, and its weight; those of networks are left to them.

    Args:
        truth: sRGB uint8 (S, S, 3).
        rgb: the result, alike.
        lab_true: the same in Lab.
        lab: the same in Lab.
        weights: of the bins of the ab grid, (313,), for the rebalanced area.
    """
    ab_true, ab = lab_true[..., 1:], lab[..., 1:]
    colorfulness = metrics.colorfulness(rgb)
    area, weight = raw_accuracy.auc_rebalanced(ab_true, ab, weights)
    found: dict[str, NDArray[np.float64]] = {
        "rmse": metrics.rmse(ab_true, ab),
        "psnr": metrics.psnr(ab_true, ab),
        "ssim": metrics.ssim(ab_true, ab),
        "l1": metrics.l1(ab_true, ab),
        "psnr_rgb": rgb_metrics.psnr_rgb(truth, rgb),
        "ssim_rgb": rgb_metrics.ssim_rgb(truth, rgb),
        "ciede2000": ciede2000(lab_true, lab),
        "colorfulness": colorfulness,
        "colorfulness_difference": np.abs(colorfulness - metrics.colorfulness(truth)),
        "auc": raw_accuracy.auc(ab_true, ab),
        "auc_rebalanced": area,
        WEIGHT: weight,
        "accuracy": rgb_metrics.channel_accuracy(truth, rgb),
        "mse_rgb": rgb_metrics.mse_rgb(truth, rgb),
    }
    return {name: float(value) for name, value in found.items()}
