"""`colorzoo web`: the web page and its HTTP interface."""

from typing import Annotated

import typer

from colorzoo import quiet

commands = typer.Typer()


@commands.command(epilog="Example:  colorzoo web")
def web(
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 0.0.0.0 lets everybody on your network use it, unencrypted."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 chooses a free one.")] = 8000,
) -> None:
    """Serve a web page that colorizes photographs and short films, and its HTTP interface.

    Everything happens on this machine, and nothing is sent elsewhere. Photographs are kept in memory while they are
    worked on, and never written to the disk.
    """
    quiet.import_tensorflow()
    from serving.web.engine import LocalEngine
    from serving.web.limits import Limits
    from serving.web.server import serve
    from serving.web.service import Service

    serve(Service(LocalEngine(), Limits()), host, port, lambda address: typer.echo(f"the page is {address}"))
