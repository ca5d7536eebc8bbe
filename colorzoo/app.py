"""The command line as a whole: the families of commands, and the one handler of errors.

Nothing heavy is imported before a command needs it, so that `--help` and `--version` answer at once.
"""

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from colorzoo import catalog, colorize, data, export, serve, study, train, turing, video, web
from zoo.errors import ColorzooError, FilmError, PhotographError

# Extra of the distribution -> the commands that need it.
EXTRAS = {
    "serve": {"remote", "serve"},
    "train": {
        "shards",
        "frames",
        "prior",
        "data-service",
        "train",
        "evaluate",
        "study",
        "confidence",
        "calibrate",
        "pack",
    },
    "turing": {"turing"},
    "video": {"video"},
    "hints": {"colorize"},
    "web": {"web"},
}


class _Group(TyperGroup):
    """Turns errors into one line and an exit code: 1 if inputs or a server failed, 2 if the command was wrong."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ColorzooError as error:
            raise _exit(" ".join(str(error).split()), _exit_code(error)) from None
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            extra = next((name for name, commands in EXTRAS.items() if ctx.invoked_subcommand in commands), None)
            if extra is None or package in ("colorzoo", "media", "serving", "training", "zoo", ""):
                raise
            raise _exit(f"{package} is not installed: pip install 'colorzoo[{extra}]'", 2) from None
        except OSError as error:
            # The one error that the mere name of a file causes, wherever it is first looked for.
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise _exit(f"{error.filename}: {error.strerror}", 2) from None
        except KeyboardInterrupt:
            raise _exit("interrupted; what is finished is kept", 130) from None


def _exit(line: str, code: int) -> typer.Exit:
    typer.echo(f"colorzoo: {line}", err=True)
    return typer.Exit(code)


def _exit_code(error: ColorzooError) -> int:
    if isinstance(error, PhotographError | FilmError):
        return 1
    # Not imported unless it has raised the error, since the client needs gRPC.
    if type(error).__module__ == "serving.client.errors":
        from serving.client.errors import InvalidRequestError, ModelNotFoundError

        return 2 if isinstance(error, InvalidRequestError | ModelNotFoundError) else 1
    return 2


app = typer.Typer(
    name="colorzoo",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Colorize gray photographs with published networks, and train and evaluate these networks.",
)
for _family in (colorize, video, catalog, data, train, study, turing, export, serve, web):
    app.add_typer(_family.commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        import zoo

        typer.echo(f"colorzoo {zoo.__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass
