"""The experiments of the papers, each with what it reports and claims.

Within an experiment all variants see the same photographs in the same number of steps. Figures of a paper are on other
photographs, at full size and after days of training: what can be compared is the order, not the figures.
"""

from collections.abc import Mapping

from training.evaluation.experiments.design import PERCEPTUAL, Claim, Experiment, Variant
from zoo.architectures.ibn_gan import VARIANTS as IBN_GAN_VARIANTS

# Table I of Gorriz Blanch et al.: L1, PSNR, perceptual distance by VGG19.
_TABLE_I = {
    "BN": (9.83, 26.77, 64.05),
    "IN": (9.92, 26.70, 63.85),
    "BN+SN": (10.76, 25.69, 58.58),
    "IN+SN": (9.89, 26.73, 60.36),
    "BN+SN+MD": (11.50, 25.11, 58.52),
    "IBN+SN+MD": (11.20, 25.32, 57.77),
}
_AUTOENCODER = (
    "MSE and accuracy are of 8-bit results with the lightness of the photograph, and are lower and higher for it"
)


def _ibn_gan_variants() -> tuple[Variant, ...]:
    found = []
    for name, (_, discriminators) in IBN_GAN_VARIANTS.items():
        settings = {field: str(value) for field, value in discriminators.items()}
        figures = dict(zip(("l1", "psnr", PERCEPTUAL), _TABLE_I[name], strict=True))
        found.append(Variant(name, settings, figures))
    return tuple(found)


EXPERIMENTS: Mapping[str, Experiment] = {
    "ibn_gan": Experiment(
        title="Six variants of a conditional GAN (Gorriz Blanch et al., Table I)",
        recipe="ibn_gan_scenes_v1",
        shared={"epochs": "6"},
        photographs=2000,
        size=128,
        variants=_ibn_gan_variants(),
        measures=("l1", "psnr", PERCEPTUAL, "colorfulness", "intersection_a", "intersection_b"),
        claims=(
            Claim("The baseline, BN, has the lowest L1 of all.", "l1", ("BN",), tuple(list(_TABLE_I)[1:])),
            Claim(
                "All of spectral normalization, both normalizations and several discriminators have the best "
                "perceptual distance.",
                PERCEPTUAL,
                ("IBN+SN+MD",),
                tuple(list(_TABLE_I)[:-1]),
            ),
            Claim("Spectral normalization makes BN more colorful.", "colorfulness", ("BN",), ("BN+SN",)),
            Claim("Several discriminators make BN+SN more colorful.", "colorfulness", ("BN+SN",), ("BN+SN+MD",)),
        ),
        note="a quarter of the filters, six levels, pictures of 64 pixels, 12,000 pictures in place of 10,000,000; the "
        "perceptual distance is by the backbone that the study has, the paper's by VGG19 on another scale",
    ),
    "autoencoder_regularization": Experiment(
        title="Three regularizations of an autoencoder (Rahman et al., observations)",
        recipe="autoencoder_cifar10_v1",
        shared={"epochs": "5"},
        photographs=None,
        size=32,
        variants=(
            Variant("none", reported={"accuracy": 0.51, "mse_rgb": 0.35}),
            Variant("dropout", {"regularization": "dropout"}),
            Variant("batch_norm", {"regularization": "batch_norm"}, {"accuracy": 0.54, "mse_rgb": 0.077}),
        ),
        measures=("mse_rgb", "accuracy", "rmse", "colorfulness"),
        claims=(
            Claim(
                "Batch normalization with dropout has the highest accuracy.",
                "accuracy",
                ("none", "dropout"),
                ("batch_norm",),
            ),
            Claim("Its loss is below that of no regularization.", "mse_rgb", ("batch_norm",), ("none",)),
            Claim(
                "It desaturates: without it, pictures are more colorful.",
                "colorfulness",
                ("batch_norm",),
                ("none", "dropout"),
            ),
        ),
        note=f"5 epochs of a fifth of CIFAR-10; {_AUTOENCODER}; the paper's 0.3 to 0.4 cannot be an MSE of such RGB",
    ),
    "autoencoder_loss": Experiment(
        title="Three losses of an autoencoder (Rahman et al., section V-B)",
        recipe="autoencoder_cifar10_v1",
        shared={"epochs": "5"},
        photographs=None,
        size=32,
        variants=(
            Variant("squared"),
            Variant("smooth_absolute", {"distance": "smooth_absolute"}),
            Variant("cross_entropy", {"distance": "cross_entropy"}),
        ),
        measures=("mse_rgb", "accuracy", "rmse", "colorfulness"),
        claims=(
            Claim(
                "The squared error captures finer details than the smooth absolute one.",
                "mse_rgb",
                ("squared",),
                ("smooth_absolute",),
            ),
            Claim("It is the best of the three.", "mse_rgb", ("squared",), ("smooth_absolute", "cross_entropy")),
        ),
        note=f"5 epochs of a fifth of CIFAR-10; {_AUTOENCODER}. For values in [0, 1] the smooth absolute error is half "
        "the squared one, so that only Adam's epsilon tells them apart",
    ),
    "autoencoder_optimizer": Experiment(
        title="Five optimizers of an autoencoder (Rahman et al., observations)",
        recipe="autoencoder_cifar10_v1",
        shared={"epochs": "5"},
        photographs=None,
        size=32,
        variants=(
            Variant("adam"),
            Variant("nadam", {"optimizer": "nadam"}),
            Variant("rmsprop", {"optimizer": "rmsprop"}),
            Variant("momentum", {"optimizer": "momentum", "learning_rate": "0.01"}),
            Variant("sgd", {"optimizer": "sgd", "learning_rate": "0.01"}),
        ),
        measures=("mse_rgb", "accuracy", "rmse", "colorfulness"),
        claims=(Claim("Adam has the least loss.", "mse_rgb", ("adam",), ("nadam", "rmsprop", "momentum", "sgd")),),
        note=f"5 epochs of a fifth of CIFAR-10; {_AUTOENCODER}; the paper gives no learning rates, these are Keras's",
    ),
    "color_unet_augmentation": Experiment(
        title="ColorUNet with and without augmentation, at equal steps (Billaut et al., section 4.2)",
        recipe="color_unet_scenes_v1",
        shared={"temperature": "0.38"},
        photographs=1024,
        size=128,
        variants=(
            Variant("augmented", {"augmentation": "sevenfold", "noise": "(0.5, 1.0, 2.0)", "epochs": "5"}),
            Variant("plain", {"flip": "False", "crop": "1.0", "noise": "(0.0,)", "epochs": "35"}),
        ),
        measures=("rmse", "psnr", "ssim", "ciede2000", "colorfulness"),
        claims=(
            Claim("With augmentation, predictions are closer to the true colors.", "rmse", ("augmented",), ("plain",)),
        ),
        note="1,024 photographs in place of 13,469, of 64 pixels, 2,240 steps of 16; seven variants for 5 epochs, "
        "or one for 35. The paper judges by eye, above all at low temperatures; here at 0.38",
    ),
    "color_unet_body": Experiment(
        title="ColorUNet and the two networks before it (Billaut et al., section 2.2)",
        recipe="color_unet_scenes_v1",
        shared={"epochs": "17"},
        photographs=2048,
        size=128,
        variants=(
            Variant("unet"),
            Variant("bottleneck", {"body": "bottleneck"}),
            Variant("flat", {"body": "flat"}),
        ),
        measures=("rmse", "psnr", "ssim", "ciede2000", "colorfulness"),
        claims=(
            Claim("The flat network of three layers is the worst.", "rmse", ("unet", "bottleneck"), ("flat",)),
            Claim("Connections across layers help.", "rmse", ("unet",), ("bottleneck",)),
        ),
        note="2,048 photographs of 64 pixels, 2,176 steps of 16; the paper gives neither filters nor figures of the "
        "two, so that they have the filters of the final network",
    ),
    "zhang2016_rebalancing": Experiment(
        title="Classes with and without rebalancing (Zhang et al., Table 1)",
        recipe="zhang2016_scenes_v1",
        shared={"epochs": "12"},
        photographs=2048,
        size=128,
        variants=(
            Variant("rebalanced", {"rebalance_lambda": "0.5"}, {"auc": 0.895, "auc_rebalanced": 0.673}),
            Variant("plain", {"rebalance_lambda": "1.0"}, {"auc": 0.916, "auc_rebalanced": 0.651}),
        ),
        measures=("auc", "auc_rebalanced", "rmse", "colorfulness"),
        claims=(
            Claim("Rebalancing lowers the raw accuracy.", "auc", ("rebalanced",), ("plain",)),
            Claim("It raises the rebalanced one.", "auc_rebalanced", ("plain",), ("rebalanced",)),
            Claim("It makes pictures more colorful.", "colorfulness", ("plain",), ("rebalanced",)),
        ),
        note="a quarter of the filters, 2,048 photographs of 64 pixels, 1,536 steps of 16",
    ),
    "larsson2016_heads": Experiment(
        title="Histograms of Lab and of hue and chroma (Larsson et al.)",
        recipe="larsson2016_scenes_v1",
        shared={"epochs": "10"},
        photographs=2048,
        size=128,
        variants=(
            Variant("lab", {"heads": "lab"}, {"psnr_rgb": 24.33}),
            Variant("lab_joint", {"heads": "lab_joint"}, {"psnr_rgb": 24.30}),
            Variant("hue_chroma", {"heads": "hue_chroma"}, {"psnr_rgb": 24.45}),
        ),
        measures=("psnr_rgb", "rmse", "ciede2000", "colorfulness"),
        claims=(
            Claim(
                "Hue and chroma, with chroma faded where the hue is unsure, have the best PSNR.",
                "psnr_rgb",
                ("lab", "lab_joint"),
                ("hue_chroma",),
            ),
        ),
        note="an eighth of the filters, from random weights in place of VGG-16's, 2,048 photographs of 64 pixels, "
        "1,280 steps of 16",
    ),
}
