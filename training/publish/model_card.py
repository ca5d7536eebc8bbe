"""The page that goes with a trained network: what it is, how it is used, what it was trained on, how well it does."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from training.systems.recipe import Recipe
from zoo.presets.metadata import Preset
from zoo.registry import architecture

METRICS = {
    "pictures": "photographs measured",
    "evaluated_size": "side in pixels at which they were measured",
    "rmse": "RMSE of ab",
    "rmse_gray": "RMSE of ab of gray",
    "gain": "how much lower the RMSE is than that of gray",
    "ssim": "SSIM",
    "colorfulness_ratio": "colorfulness, as a share of the photographs'",
}


def model_card(preset: Preset, recipe: Recipe, start: Mapping[str, Any]) -> str:
    """A preset, the recipe of its run and the run's last start (`training.runs.run_folder.last_start`) -> Markdown."""
    model = architecture(preset.architecture)
    file = f"{preset.name}.keras"
    settings = "\n".join(f"| {name} | {value} |" for name, value in _changed_fields(recipe).items())
    figures = "\n".join(f"| {METRICS.get(name, name)} | {value:g} |" for name, value in preset.metrics.items())
    versions = ", ".join(f"{name} {version}" for name, version in start["versions"].items())
    return f"""# {preset.name}

Colorizes gray photographs. A {preset.architecture} ({model.title}, {model.paper}, {model.year or "undated"}) with
{preset.parameters:,} parameters, which sees a photograph in a frame of {preset.size} x {preset.size} pixels; the result
has the photograph's own resolution.

## Use

    colorzoo colorize old/*.jpg -o new/ --preset {file}

In Python, with nothing but Keras:

    model = keras.models.load_model("{file}")
    colorized = model(photographs)  # (B, H, W, 3), RGB in 0..255 -> the same shape, uint8

SHA-256 of the file: `{preset.sha256}`

## Training

Trained on: {preset.training_data}. License: {preset.license}.

| field of the recipe | value |
|---|---|
{settings}

Command: `{" ".join(map(str, start["command"])) or "not recorded"}`

Code: {start["commit"] or "commit not recorded"}; {versions or f"Keras {preset.keras_version}"}.

## Quality

{"| on held-out photographs | |" + chr(10) + "|---|---|" + chr(10) + figures if figures else "Not measured."}

## Limits

The colors are plausible guesses, not those that were there: of clothes, walls and other things that come in any color
most of all. They are not evidence of how something looked. What the training photographs do not show is colored
badly, and what they show too often (a kind of skin, of landscape, of light) everywhere.
"""


def _changed_fields(recipe: Recipe) -> dict[str, str]:
    """The fields that are not what recipes of this system have by default, and the architecture."""
    values = dataclasses.asdict(recipe)
    defaults = {field.name: field.default for field in dataclasses.fields(recipe)}
    return {
        name: json.dumps(value)
        for name, value in values.items()
        if name == "architecture" or json.dumps(value) != json.dumps(defaults[name], default=str)
    }
