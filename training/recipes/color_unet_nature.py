"""color_unet on nature scenes, as in the paper: two stages, every picture seven times.

142,016 parameters; not trained by this project.

    colorzoo train color_unet_nature --data nature/train --val nature/val

The paper: 13,469 photographs of 8 classes of ImageNet and 14 of SUN, the larger ones scaled down to fit into 256 x 256
pixels, each as it is, mirrored, with three strengths of noise and as two crops; Adam, two stages of 20 epochs with a
lower rate in the second. The paper does not say lambda or the lower rate: 0.2 is the authors' code, a tenth is ours.
"""

from training.systems.color_unet import ColorUNetRecipe

RECIPE = ColorUNetRecipe(
    enlarge=False,
    epochs=40,
    schedule="step",
    lr_milestones=(20.0,),
    augmentation="sevenfold",
    noise=(0.01, 0.02, 0.03),  # 1e-4 to 3e-4 of a luma in [0, 1]
    rebalance_lambda=0.2,
)
