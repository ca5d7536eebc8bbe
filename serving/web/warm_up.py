"""What is done before the page is opened, so that the first photograph does not pay for it."""

from dataclasses import replace

import numpy as np

from media.photograph import Photograph
from media.writer import encode
from serving.web.photographs import keep
from serving.web.rendering import Renderer
from serving.web.settings import HintModel, How, Look

_SIDE = 1600  # pixels: more than a strip of `serving.local.tiled`


def warm_up(renderer: Renderer) -> None:
    """Load the default preset, and trace and compile all that a photograph may need of it.

    Raises:
        ColorzooError: the engine cannot work.
    """
    engine = renderer.engine
    (row,) = [row for row in engine.describe() if row["name"] == engine.default]
    looks: list[Look | None] = [None, *row["looks"]]
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3 * _SIDE // 4, _SIDE, 3), np.uint8)
    data, _ = encode(Photograph(pixels, None, None, None, "JPEG"), "jpeg")
    kept = keep(data, renderer.read(data, None), None)
    for look in looks:
        renderer.preview(kept, How(look=look, format="jpeg"), _SIDE)
    adjusted = How(saturation=0.5)
    for look in looks:
        renderer.preview(kept, replace(adjusted, look=look), 512)
    renderer.result(data, How())
    if row["hints"]:
        renderer.preview(kept, How(hints=(HintModel(x=0.5, y=0.5, color="#8a5a2b"),)), _SIDE)
    if row["palette"]:
        renderer.palette(kept, How(), 0.5, 0.5)
    if row["confidence"]:
        renderer.confidence(kept, engine.default, 512, overlay=True)
