"""`colorzoo presets` and `colorzoo models`: what there is to colorize with and to train."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo import output, quiet

if TYPE_CHECKING:
    import keras

commands = typer.Typer()


@commands.command(epilog="Example:  colorzoo presets")
def presets() -> None:
    """List the trained networks that ship with the package, with their measured quality."""
    import zoo

    rows = []
    for preset in map(zoo.preset, zoo.list_presets()):
        rows.append(
            (
                preset.name,
                preset.architecture,
                f"{preset.parameters:,}",
                str(preset.size),
                preset.training_data,
                preset.license,
                ", ".join(f"{name} {value:g}" for name, value in preset.metrics.items()),
                str(preset.recipe),
            )
        )
    output.table(
        ("preset", "architecture", "parameters", "size", "trained on", "license", "metrics", "recipe"),
        rows,
    )


@commands.command(epilog="Example:  colorzoo models --counts")
def models(
    counts: Annotated[
        bool,
        typer.Option("--counts", help="Count the trainable parameters of each part: generator, discriminators, ..."),
    ] = False,
) -> None:
    """List the networks that can be trained: paper, year, parameters, picture size, output and loss."""
    quiet.import_tensorflow()
    import keras

    import zoo
    from zoo.registry import architecture, parameters

    rows: list[tuple[str, ...]] = []
    for name in zoo.list_models():
        row = architecture(name)
        network = zoo.create_model(name)
        if counts:
            rows += [(name, part, f"{count:,}") for part, count in _count_parts(network, row.parts(network)).items()]
        else:
            size = f"{row.paper_size} x {row.paper_size}"
            facts = (row.output, row.loss, str(row.year or "undated"), row.title, row.paper)
            rows.append((name, f"{parameters(network):,}", size, *facts))
        keras.utils.clear_session()
    if counts:
        output.table(("model", "part", "trainable parameters"), rows)
    else:
        output.table(("model", "parameters", "size", "output", "loss", "year", "title", "paper"), rows)


def _count_parts(network: "keras.Model", parts: "dict[str, keras.Model]") -> dict[str, int]:
    """Trainable parameters of the network, of its parts, and of both together where a part shares some."""
    from zoo.registry import parameters

    counted = {"network": parameters(network)} | {name: parameters(part) for name, part in parts.items()}
    own = {id(v): v for v in network.trainable_variables}
    for name, part in parts.items():
        beyond = sum(math.prod(v.shape) for v in part.trainable_variables if id(v) not in own)
        if 0 < beyond < counted[name]:
            counted[name] = beyond
            counted[f"network and {name}"] = counted["network"] + beyond
    return counted
