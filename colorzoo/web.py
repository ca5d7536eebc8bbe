"""`colorzoo web`: the web page and its HTTP interface."""

from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo import quiet
from colorzoo.options import positive

if TYPE_CHECKING:
    from serving.web.engine import Engine

commands = typer.Typer()


@commands.command(epilog="Example:  colorzoo web")
def web(
    server: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="gRPC address of TF Serving or `colorzoo serve`, which then runs the networks; several are used in "
            "turn. By default they run here.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --server: models on it; the first is the default. Repeat for several."),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 0.0.0.0 lets everybody on your network use it, unencrypted."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 chooses a free one.")] = 8000,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Host name that the page is opened under, such as colors.example.org; repeat for several. Requests "
            "for other names are refused. By default localhost if the server listens on it, and any name otherwise.",
        ),
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, max=2047, help="Maximum size of a photograph's file, in MiB.")] = 64,
    max_pixels: Annotated[int, typer.Option(min=1, help="Maximum width x height of a photograph.")] = 100_000_000,
    upload_seconds: Annotated[
        float, typer.Option(callback=positive, help="Seconds within which a request has to arrive.")
    ] = 120,
    rate: Annotated[
        int, typer.Option(min=1, help="Maximum number of requests of one client in a minute; a fifth of it at once.")
    ] = 600,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Maximum number of photographs that are worked on at the same time.")
    ] = 2,
    queue: Annotated[
        int, typer.Option(min=1, help="Maximum number of requests that wait for their turn; further ones are refused.")
    ] = 64,
    memory: Annotated[
        int, typer.Option(min=1, help="Maximum size of the photographs that are kept between clicks, in MiB.")
    ] = 1024,
    photographs: Annotated[
        int, typer.Option(min=1, help="Maximum number of photographs that are kept between clicks.")
    ] = 200,
    minutes: Annotated[
        float, typer.Option(callback=positive, help="Minutes after which a photograph that nobody uses is forgotten.")
    ] = 30,
    max_film: Annotated[int, typer.Option(min=1, help="Maximum size of a film's file, in MiB.")] = 256,
    film_seconds: Annotated[float, typer.Option(callback=positive, help="Maximum length of a film.")] = 120,
) -> None:
    """Serve a web page that colorizes photographs and short films, and its HTTP interface.

    Everything happens on this machine: nothing is sent elsewhere. Photographs are kept in memory while they are worked
    on, and never written to the disk. The log on stderr has sizes and times, and neither names nor addresses.

    With --server, small frames of photographs and films are sent to it, and colors come back; the rest is done here.

    The interface is described at /api/openapi.json, and /metrics is for Prometheus.
    """
    quiet.import_tensorflow()
    from serving.web import log
    from serving.web.limits import MB, Limits
    from serving.web.server import serve
    from serving.web.service import Service
    from serving.web.warm_up import warm_up

    limits = Limits(
        upload_bytes=max_upload * MB,
        pixels=max_pixels,
        upload_seconds=upload_seconds,
        requests_per_minute=rate,
        workers=concurrency,
        waiting=queue,
        memory_bytes=memory * MB,
        photographs=photographs,
        photograph_seconds=60 * minutes,
        film_bytes=max_film * MB,
        film_seconds=film_seconds,
    )
    log.start()
    service = Service(_engine(server, model), limits)
    warm_up(service.renderer)
    serve(
        service,
        host,
        port,
        lambda address: typer.echo(f"the page is {address} ; Ctrl+C ends it"),
        allowed_host or (),
    )


def _engine(servers: list[str] | None, models: list[str] | None) -> "Engine":
    if servers:
        from serving.web.remote import RemoteEngine
        from zoo import DEFAULT_PRESET

        return RemoteEngine(servers, models or [DEFAULT_PRESET])
    if models:
        raise typer.BadParameter("needs --server", param_hint="--model")
    from serving.web.engine import LocalEngine

    return LocalEngine()
