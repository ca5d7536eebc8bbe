"""colorzoo.many_values: several values after one name of an option."""

import pytest
import typer
from typer.testing import CliRunner

from colorzoo.many_values import ManyValuesCommand, ManyValuesGroup, repeat_names

NAMES = {"--presets", "-p"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("--presets A B --data d", "--presets A --presets B --data d"),
        ("--presets A --presets B", "--presets A --presets B"),
        ("--presets=A B", "--presets=A --presets B"),
        ("file -p A B", "file -p A -p B"),
        ("report folder", "report folder"),
        ("--data --presets", "--data --presets"),
        ("--presets --data d", "--data d"),
        ("", ""),
    ],
)
def test_values_get_the_name_of_their_option(given, wanted):
    assert repeat_names(given.split(), NAMES) == wanted.split()


@pytest.mark.parametrize("group", [False, True], ids=["command", "group"])
def test_commands_take_many_values(group):
    app = typer.Typer()

    def show(presets: list[str] = typer.Option(...), data: str = typer.Option(...)) -> None:  # noqa: B008
        typer.echo(f"{presets} {data}")

    if group:
        app.callback(cls=ManyValuesGroup, invoke_without_command=True)(show)
    else:
        app.command(cls=ManyValuesCommand)(show)
    done = CliRunner().invoke(app, ["--presets", "A", "B", "--data", "d"])
    assert (done.exit_code, done.stdout) == (0, "['A', 'B'] d\n")
    alone = CliRunner().invoke(app, ["--data", "d", "--presets"])
    assert alone.exit_code == 2 and "--presets" in alone.stderr
