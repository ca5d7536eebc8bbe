"""What the fields of recipes were called in the run folders of earlier versions."""

from collections.abc import Mapping
from typing import Any

# Name in recipe.json as it was -> name now.
FIELDS = {
    "framing": "resize_mode",
    "working_size": "frame_size",
    "micro_batches": "gradient_accumulation_steps",
    "average": "ema_momentum",
    "clip_norm": "global_clipnorm",
    "drop_epochs": "lr_milestones",
    "drop_factor": "lr_gamma",
    "lowest_learning_rate": "min_learning_rate",
    "lam": "rebalance_lambda",
}
# Of fields whose values were renamed: value as it was -> value now.
VALUES = {"resize_mode": {"fit": "pad", "fill": "center_crop", "window": "random_crop"}}
# Fields that are gone, with nothing in their place. test_noise of pix2pix changed no colorizer.
REMOVED = {"test_noise"}
# Fields that came later, with what runs did before.
ADDED: dict[str, Any] = {
    "drop_gray": True,
    "enlarge": True,
    "degraded": 0.0,
    "plateau_monitor": "loss",
    "float32_layers": (),
}
# The same, of single architectures.
ADDED_TO: dict[str, dict[str, Any]] = {"color_unet": {"body": "unet"}}


def with_current_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe.json, of whatever version, under the names and with the values of this one."""
    renamed = {FIELDS.get(field, field): value for field, value in settings.items() if field not in REMOVED}
    for field, values in VALUES.items():
        if field in renamed:
            renamed[field] = values.get(renamed[field], renamed[field])
    return ADDED | ADDED_TO.get(settings.get("architecture", ""), {}) | renamed
