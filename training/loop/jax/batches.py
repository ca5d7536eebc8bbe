"""Batches that are made where the network is: photographs in the accelerator's memory, cut and changed there.

A batch is a function of the seed, the epoch and the step alone, as on TensorFlow, but with random numbers of its own.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from training.data import degradation, windows
from training.data.augmentation import SEVENFOLD, choose_params, crop_and_flip
from training.data.memory import MemoryPhotographs
from training.loop.augmentation import augmentation_of
from training.systems.recipe import Recipe
from zoo import color

Batch = tuple[jax.Array, dict[str, jax.Array]]  # lightness and truth: see training.data.batches.batches


class Photographs(NamedTuple):
    """Photographs on the accelerator; for extents and upright see `training.data.memory.MemoryPhotographs`.

    words: the pixels of each picture, four bytes in a word, (N, W) uint32: counted in bytes, a large set would have
        more elements than an index of 32 bits reaches. labels: (N,) int32.
    """

    words: jax.Array
    extents: jax.Array
    upright: jax.Array
    labels: jax.Array


def put(photographs: MemoryPhotographs, labels: np.ndarray) -> Photographs:
    """Photographs onto the accelerator."""
    flat = photographs.pixels.reshape(len(photographs), -1)
    spare = -flat.shape[1] % 4
    words = (np.pad(flat, ((0, 0), (0, spare))) if spare else flat).view(np.uint32)
    return Photographs(*map(jnp.asarray, (words, photographs.extents, photographs.upright, labels)))


@dataclass(frozen=True)
class Batches:
    """How the batches of a recipe are made.

    shape: height and width of the pixels that are kept of a picture.
    draws: how many uniform numbers the system needs for each picture.
    """

    recipe: Recipe
    shape: tuple[int, int]
    draws: int

    def train(self, photographs: Photographs, chosen: jax.Array, key: jax.Array) -> Batch:
        """The pictures at positions (B,), changed at random."""
        recipe, count, keys = self.recipe, len(chosen), jax.random.split(key, 8)
        augmentation = augmentation_of(recipe)
        rgb, extents, upright = self._read(photographs, chosen)
        if recipe.resize_mode == "random_crop":
            draws = jax.random.uniform(keys[0], (count, windows.DRAWS))
            rgb = windows.cut_windows(rgb, extents, upright, draws, size=recipe.size, shortest=recipe.shortest)
            extents = jnp.full_like(extents, recipe.size)
        variant = jax.random.randint(keys[1], (count,), 0, SEVENFOLD if augmentation.sevenfold else 1)
        which = jax.random.randint(keys[2], (count,), 0, len(augmentation.noise))
        params = choose_params(augmentation, variant, jax.random.uniform(keys[3], (4, count)), which)
        rgb = crop_and_flip(rgb, extents, params)
        lab = color.rgb_to_lab(rgb)
        light = lab[..., :1]
        if augmentation.degraded:
            uniform = jax.random.uniform(keys[4], (count, degradation.DRAWS))
            grain = jax.random.normal(keys[5], light.shape)
            light = degradation.degraded_lightness(rgb, uniform, grain, augmentation.degraded)
        light = light + params.strength[:, None, None, None] * jax.random.normal(keys[6], light.shape)
        return light, self._truth(photographs, chosen, rgb, lab, extents, keys[7])

    def validate(self, photographs: Photographs, chosen: jax.Array) -> Batch:
        """The pictures at positions (B,), as they are."""
        rgb, extents, _ = self._read(photographs, chosen)
        lab = color.rgb_to_lab(rgb)
        return lab[..., :1], self._truth(photographs, chosen, rgb, lab, extents, jax.random.key(0))

    def _read(self, photographs: Photographs, chosen: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """RGB (B, H, W, 3) in [0, 1], extents and upright."""
        height, width = self.shape
        words = jnp.take(photographs.words, chosen, axis=0)
        flat = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(len(chosen), -1)
        pixels = flat[:, : height * width * 3].reshape(-1, height, width, 3)
        extents, upright = (jnp.take(rows, chosen, axis=0) for rows in (photographs.extents, photographs.upright))
        return pixels.astype(jnp.float32) / 255, extents, upright

    def _truth(
        self,
        photographs: Photographs,
        chosen: jax.Array,
        rgb: jax.Array,
        lab: jax.Array,
        extents: jax.Array,
        key: jax.Array,
    ) -> dict[str, jax.Array]:
        inside = jnp.arange(rgb.shape[1])[None, None] < extents[:, :, None]
        return {
            "rgb": rgb,
            "ab": lab[..., 1:],
            "mask": (inside[:, 0, :, None] & inside[:, 1, None, :]).astype(jnp.float32),
            "labels": jnp.take(photographs.labels, chosen, axis=0),
            "draws": jax.random.uniform(key, (len(chosen), self.draws)),
        }


def draw_order(count: int, batch: int, seed: int, epoch: int) -> np.ndarray:
    """The positions of an epoch's pictures, (steps, batch) int32, in random order; an incomplete batch is left out."""
    order = np.random.default_rng([seed, epoch]).permutation(count).astype(np.int32)
    return order[: count // batch * batch].reshape(-1, batch)
