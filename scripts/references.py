"""The table of what references do to films in color, as docs/film.md shows it.

    PYTHONPATH=. .venv/bin/python scripts/references.py FILM... [--frames 40] [--preset NAME] [--strips FOLDER]

The true first and last frame are the references. Colors are measured as in `scripts/flicker.py`. A strip shows
frames of a film from its first to its last one: gray, without references, with them, true.
"""

from pathlib import Path
from tempfile import gettempdir

import numpy as np
from PIL import Image

from media.photograph import gray_of
from scripts.flicker import BATCH, clips, measure, paint, parser
from serving.local.film_references import ReferenceSmoother, to_frame_colors
from serving.local.flow_smoothing import FlowSmoother
from serving.local.look_ahead import Ahead, Reference
from serving.local.tiled import TiledColorizer
from zoo.presets.loading import load_parts

SHOWN = 4  # frames on a strip


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--strips", type=Path)
    arguments = made.parse_args()
    colorizer = TiledColorizer(load_parts(arguments.preset))
    print("| film | none | the first | first and last | against none | middle frame | warping error: none | both |")
    print("|---|---|---|---|---|---|---|---|")
    for path, true, frames in clips(arguments, colorizer):
        last = len(frames) - 1
        none, first, both = (carry(colorizer, frames, true, places) for places in ([], [0], [0, last]))
        one, two, three = (measure(true, colors) for colors in (none, first, both))
        middle = measure(true[last // 2 :][:1], both[last // 2 :][:1]).rmse
        print(
            f"| {path.stem} | {one.rmse:.2f} | {two.rmse:.2f} | {three.rmse:.2f} | "
            f"{three.rmse / one.rmse:.2f} | {middle:.2f} | {one.warping:.3f} | {three.warping:.3f} |",
            flush=True,
        )
        if arguments.strips:
            arguments.strips.mkdir(parents=True, exist_ok=True)
            Image.fromarray(strip(true, none, both)).save(arguments.strips / f"{path.stem}.jpg", quality=88)


def carry(colorizer: TiledColorizer, frames: np.ndarray, true: list[np.ndarray], places: list[int]) -> np.ndarray:
    """The colors of frames, of which those at `places` are given as references in their true colors."""
    ahead = (Ahead(float(i), lambda frame=frame: frame[..., 0]) for i, frame in enumerate(frames))
    stills = [Reference(float(i), lambda size, i=i: to_frame_colors(true[i], size)) for i in places]
    smoother = ReferenceSmoother(FlowSmoother(colorizer), stills, ahead, 0.0, Path(gettempdir()))
    return np.concatenate([smoother.colors(frames[i : i + BATCH]) for i in range(0, len(frames), BATCH)])


def strip(true: list[np.ndarray], none: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Frames from the first to the last one, below each other: gray, without references, with both, true."""
    columns = []
    for i in np.linspace(0, len(true) - 1, SHOWN).round().astype(int):
        colored = [paint(true[i], colors[i])[2] for colors in (none, both)]
        columns.append(np.concatenate([gray_of(true[i]), *colored, true[i]]))
    return np.concatenate(columns, axis=1)


if __name__ == "__main__":
    main()
