"""Blinded comparisons: sheets of pairs on random sides, and the share of the answers that chose the first of the two.

    PYTHONPATH=. .venv/bin/python scripts/pairs.py make FIRST SECOND --data DIR -o OUT [--pairs 60] [--seed 0]
    PYTHONPATH=. .venv/bin/python scripts/pairs.py score OUT

FIRST and SECOND are presets, PRESET:LOOK, or "original" for the photographs themselves. Who answers sees the sheets
OUT/pairs-*.png alone, not OUT/key.json, and writes l or r behind the number of each pair in OUT/answers.csv.
"""

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import binomtest

import zoo
from media.photograph import gray_of
from media.sheets import contact_sheet
from training.data.folder import PictureFiles
from training.data.sampling import choose_evenly
from zoo.errors import DataError

CELL = 256  # longer side of a picture on a sheet, in pixels
PAIRS_ON_A_SHEET, PAIRS_IN_A_ROW = 8, 2
COLUMNS = ("pair", "answer")
SIDES = ("l", "r")

Colorize = Callable[[np.ndarray], np.ndarray]


def make(first: str, second: str, data: list[Path], out: Path, pairs: int, seed: int) -> None:
    """Writes sheets, an empty list of answers, and the key of which side is which."""
    generator = np.random.default_rng(seed)
    chosen = [picture for source in data for picture in _choose(source, -(-pairs // len(data)))]
    order = generator.permutation(len(chosen))[:pairs]
    colorize = [_colorizer(name) for name in (first, second)]
    out.mkdir(parents=True)
    key, rows = [], []
    for number, i in enumerate(order.tolist(), 1):
        name, pixels = chosen[i]
        swapped = bool(generator.integers(2))
        shown = [make_picture(pixels) for make_picture in colorize]
        rows.append((number, shown[::-1] if swapped else shown))
        key.append({"pair": number, "photograph": name, "first": SIDES[swapped]})
    for start in range(0, len(rows), PAIRS_ON_A_SHEET):
        part = rows[start : start + PAIRS_ON_A_SHEET]
        Image.fromarray(_sheet(part)).save(out / f"pairs-{part[0][0]:03}.png")
    (out / "key.json").write_text(json.dumps({"first": first, "second": second, "pairs": key}, indent=1))
    with (out / "answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *((number, "") for number, _ in rows)])


def _sheet(pairs: list[tuple[int, list[np.ndarray]]]) -> np.ndarray:
    strips = []
    for start in range(0, len(pairs), PAIRS_IN_A_ROW):
        row = pairs[start : start + PAIRS_IN_A_ROW]
        titles = [f"{number} {side}" for number, _ in row for side in SIDES]
        titles += [""] * (2 * PAIRS_IN_A_ROW - len(titles))  # sheets can be stacked if they are equally wide
        strips.append(contact_sheet([[picture for _, shown in row for picture in shown]], titles=titles, cell=CELL))
    return np.concatenate(strips)


def _choose(source: Path, count: int) -> list[tuple[str, np.ndarray]]:
    """Names and pixels of photographs, evenly over the folders of a source."""
    files = PictureFiles(source)
    positions = choose_evenly([path.parent.as_posix() for path in files.paths], count)
    pictures = zip(positions, files.read(positions), strict=True)
    return [
        (f"{source.name}/{files.paths[i].as_posix()}", np.asarray(shrink(picture)))
        for i, picture in pictures
        if isinstance(picture, Image.Image)
    ]


def shrink(picture: Image.Image) -> Image.Image:
    """A picture whose longer side has the length of a cell."""
    scale = CELL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _colorizer(name: str) -> Colorize:
    if name == "original":
        return lambda pixels: pixels
    preset, _, look = name.partition(":")
    model = zoo.load(preset, look=look or None)
    model.jit_compile = False
    return lambda pixels: np.asarray(model.predict_on_batch(gray_of(pixels)[None])[0])


def score(out: Path) -> None:
    """Prints how often the first was chosen, with the 95 % interval of Wilson."""
    key = json.loads((out / "key.json").read_text())
    with (out / "answers.csv").open(newline="") as file:
        answers = {int(row["pair"]): row["answer"].strip().lower() for row in csv.DictReader(file)}
    missing = [pair["pair"] for pair in key["pairs"] if answers.get(pair["pair"]) not in SIDES]
    if missing:
        raise DataError(f"{out / 'answers.csv'} has no l or r for the pairs {', '.join(map(str, missing))}")
    count = sum(answers[pair["pair"]] == pair["first"] for pair in key["pairs"])
    total = len(key["pairs"])
    low, high = binomtest(count, total).proportion_ci(method="wilson")
    print(f"{key['first']} was chosen over {key['second']} in {count} of {total} pairs: ", end="")
    print(f"{count / total:.0%} ({low:.0%} to {high:.0%})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("first")
    making.add_argument("second")
    making.add_argument("--data", type=Path, action="append", required=True)
    making.add_argument("-o", "--out", type=Path, required=True)
    making.add_argument("--pairs", type=int, default=60)
    making.add_argument("--seed", type=int, default=0)
    commands.add_parser("score").add_argument("out", type=Path)
    given = parser.parse_args()
    if given.command == "make":
        make(given.first, given.second, given.data, given.out, given.pairs, given.seed)
    else:
        score(given.out)


if __name__ == "__main__":
    main()
