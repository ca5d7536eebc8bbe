"""color_unet on nature scenes, as in the paper: two stages, every picture seven times."""

from dataclasses import dataclass

from training.systems.color_unet import ColorUNetRecipe


@dataclass(frozen=True, kw_only=True)
class ColorUNetNature(ColorUNetRecipe):
    """142,016 parameters; not trained by this project.

        colorzoo train color_unet_nature --data nature/train --val nature/val

    The paper: 13,469 photographs of 8 classes of ImageNet and 14 of SUN, fitted into 256 x 256 pixels, each as it is,
    mirrored, with three strengths of noise and as two crops; Adam, two stages of 20 epochs with a lower rate in the
    second. The paper does not say lambda or the lower rate: 0.2 is the authors' code, a tenth is ours.
    """

    epochs: int = 40
    schedule: str = "step"
    lr_milestones: tuple[float, ...] = (20.0,)
    augmentation: str = "sevenfold"
    noise: tuple[float, ...] = (0.01, 0.02, 0.03)  # 1e-4 to 3e-4 of a luma in [0, 1]
    rebalance_lambda: float = 0.2
