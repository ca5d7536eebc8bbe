"""The training steps of zhang2016 and color_unet in plain PyTorch, to time the project's beside.

Networks, losses and optimizers are those of the recipes, and the weights are copied from Keras, so that the losses of
the first steps can be compared. Written as one would for PyTorch: run eagerly, maps in channels-last order, Adam in its
fused form, bfloat16 by autocast, the targets of the soft encoding as five indices with weights.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from training.systems.color_unet import ColorUNetRecipe
from training.systems.recipe import Recipe
from training.systems.system import Statistics
from training.systems.zhang2016 import Zhang2016Recipe
from zoo import bins
from zoo.architectures.zhang2016 import BLOCKS, STRIDE, UP_FILTERS
from zoo.blocks import scale_filters
from zoo.color import GRAY_LIMIT
from zoo.errors import ArgumentError

Tensors = Mapping[str, torch.Tensor]
Loss = Callable[[torch.Tensor, Tensors], torch.Tensor]
Step = Callable[[], float]
Parts = list[nn.Module]


class Scorer(nn.Module):
    """Lightness (B, 1, H, W) in [0, 100] -> scores (B, n, H', W'), float32."""

    def __init__(self, features: nn.Module, scores: nn.Conv2d) -> None:
        super().__init__()
        self.features, self.scores = features, scores

    def forward(self, lightness: torch.Tensor, half: bool) -> torch.Tensor:
        """With `half` all convolutions but the last are computed in bfloat16."""
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            x = self.features(lightness / 50 - 1)
        scores: torch.Tensor = self.scores(x.float())
        return scores


def norm(filters: int) -> nn.BatchNorm2d:
    """Batch normalization with the constants of Keras."""
    return nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)


def zhang2016(recipe: Zhang2016Recipe) -> Scorer:
    """The network of `zoo.architectures.zhang2016`."""
    parts: Parts = []
    before = 1
    for filters, count, stride, dilation in BLOCKS:
        filters = scale_filters(filters, recipe.width)
        for i in range(1, count + 1):
            step = stride if i == count else 1
            parts += [nn.Conv2d(before, filters, 3, step, dilation, dilation), nn.ReLU(inplace=True)]
            before = filters
        parts.append(norm(filters))
    filters = scale_filters(UP_FILTERS, recipe.width)
    parts += [nn.ConvTranspose2d(before, filters, 4, 2, 1), nn.ReLU(inplace=True)]
    for _ in range(2):
        parts += [nn.Conv2d(filters, filters, 3, padding=1), nn.ReLU(inplace=True)]
    return Scorer(nn.Sequential(*parts), nn.Conv2d(filters, len(bins.ab_grid()), 1))


class UNet(nn.Module):
    """The cells of ColorUNet in the order in which `zoo.architectures.color_unet` makes them."""

    def __init__(self, down: list[int]) -> None:
        super().__init__()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = 1
        for f in down:
            self.down.append(nn.Sequential(*convs(before, f), nn.MaxPool2d(2), norm(f)))
            before = f
        for level in range(len(down) - 1, 0, -1):
            f = down[max(level - 1, 1)]
            self.up.append(nn.Sequential(*upconv(before, down[level - 1]), *convs(down[level - 1], f), norm(f)))
            before = f + down[level - 1]
        self.out = nn.Sequential(*upconv(before, down[0]), *convs(down[0], down[0], 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, 1, H, W) -> features (B, C, H, W)."""
        skips = []
        for cell in self.down:
            x = cell(x)
            skips.append(x)
        for cell, skip in zip(self.up, skips[-2::-1], strict=True):
            x = torch.cat([cell(x), skip], 1)
        features: torch.Tensor = self.out(x)
        return features


def convs(before: int, filters: int, count: int = 2) -> Parts:
    """Convolutions with rectifiers."""
    parts: Parts = []
    for i in range(count):
        parts += [nn.Conv2d(before if i == 0 else filters, filters, 3, padding=1), nn.ReLU(inplace=True)]
    return parts


def upconv(before: int, filters: int) -> Parts:
    """An enlarging convolution with a rectifier.

    Keras's "same" leaves out the last row and column, this one the first. Cutting off the last would cost a copy of the
    map; so the pictures, and all kernels, are turned by half a turn, which is the same network.
    """
    return [nn.ConvTranspose2d(before, filters, 3, 2, 1, output_padding=1), nn.ReLU(inplace=True)]


def color_unet(recipe: ColorUNetRecipe) -> Scorer:
    """The network of `zoo.architectures.color_unet`, for mirrored pictures."""
    return Scorer(UNet(list(recipe.filters)), nn.Conv2d(recipe.filters[0], recipe.bins, 1))


def zhang2016_loss(recipe: Zhang2016Recipe, statistics: Statistics) -> Loss:
    """Rebalanced cross-entropy over softly encoded bins."""
    centers = torch.from_numpy(statistics["centers"])
    class_weights = torch.from_numpy(bins.rebalancing_weights(statistics["prior"], recipe.rebalance_lambda))

    def loss(scores: torch.Tensor, truth: Tensors) -> torch.Tensor:
        wanted = truth["ab"][:, :, ::STRIDE, ::STRIDE].permute(0, 2, 3, 1)
        height, width = wanted.shape[1:3]
        distance, nearest = torch.cdist(wanted.reshape(-1, 2), centers).topk(recipe.neighbors, largest=False)
        shares = F.softmax(distance.square() / (-2 * recipe.sigma**2), -1)
        logits = scores[:, :, :height, :width].permute(0, 2, 3, 1).reshape(-1, len(centers))
        surprise = -(shares * F.log_softmax(logits, -1).gather(1, nearest)).sum(-1)
        colored = (truth["ab"].abs() > GRAY_LIMIT).flatten(1).any(1)
        mask = truth["mask"][:, ::STRIDE, ::STRIDE] * colored[:, None, None]
        return (class_weights[nearest[:, 0]] * surprise * mask.reshape(-1)).mean()

    return loss


def color_unet_loss(recipe: ColorUNetRecipe, statistics: Statistics) -> Loss:
    """Weighted cross-entropy over UV cells."""
    weights = torch.from_numpy(bins.rebalancing_weights(statistics["prior"], recipe.rebalance_lambda))
    classes_of = torch.from_numpy(statistics["cell_classes"]).long()
    limits = torch.from_numpy(bins.UV_LIMITS)

    def loss(scores: torch.Tensor, truth: Tensors) -> torch.Tensor:
        r, g, b = truth["rgb"].unbind(1)
        y = r * 0.299 + g * 0.587 + b * 0.114
        uv = torch.stack([(b - y) * (0.436 / 0.886), (r - y) * (0.615 / 0.701)], -1)
        cells = ((uv + limits) * (bins.UV_CELLS / 2 / limits)).floor().clamp(0, bins.UV_CELLS - 1).long()
        classes = classes_of[cells[..., 0] * bins.UV_CELLS + cells[..., 1]]
        mask = truth["mask"]
        height, width = mask.shape[1:]
        surprise = F.cross_entropy(scores[:, :, :height, :width], classes, weights, reduction="none")
        return ((surprise * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)).mean()

    return loss


def make_step(recipe: Recipe, statistics: Statistics, network: keras.Model, lightness: Any, truth: Any) -> Step:
    """A training step on one kept batch, from the weights of the Keras network: -> the loss.

    Args:
        recipe: of zhang2016 or color_unet, with Adam; the learning rate stays as it is at the beginning.
        statistics: see `Recipe.statistics`.
        network: the same network in Keras.
        lightness, truth: the batch; see `training.data.batches.batches`.

    Raises:
        ArgumentError: a recipe that has no step here.
    """
    match recipe:
        case Zhang2016Recipe():
            net, loss_of, mirrored = zhang2016(recipe), zhang2016_loss(recipe, statistics), False
        case ColorUNetRecipe():
            net, loss_of, mirrored = color_unet(recipe), color_unet_loss(recipe, statistics), True
        case _:
            raise ArgumentError(f"recipe is of {recipe.architecture}: zhang2016 or color_unet is needed")
    if recipe.optimizer != "adam" or recipe.weight_decay:
        raise ArgumentError(f"optimizer is {recipe.optimizer}: adam without weight_decay is needed")
    copy_weights(network, net, mirrored)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(
        net.parameters(), recipe.learning_rate, (recipe.beta_1, recipe.beta_2), eps=1e-7, fused=True
    )
    picture = tensor(lightness, mirrored)
    goal = {name: tensor(truth[name], mirrored) for name in ("rgb", "ab", "mask")}
    half = recipe.precision == "mixed_bfloat16"

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(net(picture, half), goal)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def tensor(batch: Any, mirrored: bool) -> torch.Tensor:
    """Batch (B, H, W, C) or (B, H, W) of TensorFlow -> (B, C, H, W) in channels-last order, or (B, H, W)."""
    array = np.asarray(batch)
    found = torch.from_numpy(array[:, ::-1, ::-1].copy() if mirrored else array.copy())
    return found.permute(0, 3, 1, 2) if found.ndim == 4 else found


def copy_weights(network: keras.Model, net: nn.Module, mirrored: bool) -> None:
    """Copies all weights of a Keras network, layer by layer in their order.

    Args:
        network: the source.
        net: the same network in PyTorch.
        mirrored: turn all kernels by half a turn, for pictures that are turned so.

    Raises:
        ArgumentError: the networks differ in their layers or in their sizes.
    """
    sources = [layer for layer in network.layers if layer.weights]
    targets = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d)]
    parameters = sum(p.numel() for p in net.parameters())
    if len(sources) != len(targets) or parameters != sum(int(np.prod(v.shape)) for v in network.trainable_variables):
        raise ArgumentError(f"the networks differ: {len(sources)} and {len(targets)} layers, {parameters} parameters")
    with torch.no_grad():
        for source, target in zip(sources, targets, strict=True):
            first, *others = (torch.from_numpy(np.array(weight)) for weight in source.get_weights())
            if first.ndim == 4:
                first = (first.flip(0, 1) if mirrored else first).permute(3, 2, 0, 1)
            places = [target.weight, target.bias]
            if isinstance(target, nn.BatchNorm2d):
                places += [target.running_mean, target.running_var]
            for place, value in zip(places, [first, *others], strict=True):
                if place.shape != value.shape:
                    raise ArgumentError(f"{source.name} has weights {tuple(value.shape)}, not {tuple(place.shape)}")
                place.copy_(value)
