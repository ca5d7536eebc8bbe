"""`colorzoo serve`: a server for SavedModels."""

import os
from pathlib import Path
from typing import Annotated

import typer

from colorzoo import quiet
from colorzoo.options import LogFormat, finite

commands = typer.Typer()


@commands.command(epilog="Example:  colorzoo serve models/")
def serve(
    models: Annotated[
        Path | None,
        typer.Argument(help="Folder of exported models, NAME/VERSION/; serves the highest version of each model."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A models.config of TF Serving, with models, versions and labels.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 listens on all addresses, without access control.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of gRPC; 0 chooses a free one.")] = 8500,
    rest_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of REST and of the Prometheus metrics; 0 turns both off.")
    ] = 8501,
    queue: Annotated[
        int, typer.Option(min=1, help="Maximum number of queued requests; further ones are refused at once.")
    ] = 64,
    max_batch: Annotated[
        int, typer.Option(min=1, help="Maximum number of pictures in a batch of several requests.")
    ] = 16,
    threads: Annotated[int, typer.Option(min=1, help="Maximum number of batches that are computed at a time.")] = 2,
    batch_timeout_ms: Annotated[
        float,
        typer.Option(
            min=0, callback=finite, help="Maximum number of milliseconds that a request waits for others in its batch."
        ),
    ] = 0,
    poll_seconds: Annotated[
        float, typer.Option(min=0.01, callback=finite, help="Seconds between two searches for new versions.")
    ] = 1,
    grace: Annotated[
        float, typer.Option(min=0, callback=finite, help="Seconds to finish accepted requests when it is stopped.")
    ] = 30,
    max_message: Annotated[
        int, typer.Option(min=1, max=2047, help="Maximum size of a request and of an answer, in MiB.")
    ] = 64,
    ssl_key: Annotated[Path | None, typer.Option(help="TLS: private key, a PEM file; needs --ssl-cert.")] = None,
    ssl_cert: Annotated[Path | None, typer.Option(help="TLS: certificate, a PEM file.")] = None,
    ssl_ca: Annotated[
        Path | None,
        typer.Option(help="Mutual TLS: PEM file with the certificates that must have signed those of clients."),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="Format of the log on stderr.")] = LogFormat.json,
) -> None:
    """Serve exported models with the gRPC and REST interfaces of TF Serving, without Docker.

    New versions are picked up while it runs. It is meant for development and small deployments; TF Serving is the
    production server. A SavedModel is a program: serve only models that you exported, and grant access only to
    clients that you trust.
    """
    quiet.import_tensorflow(onednn=True)
    from serving.server import logs
    from serving.server.batching import Limits
    from serving.server.server import Settings, main

    logs.start(log_format.value)
    limits = Limits(queue=queue, batch=max_batch, threads=threads, timeout=batch_timeout_ms / 1000)
    answered = main(
        Settings(
            models=models,
            config=config,
            host=host,
            port=port,
            rest_port=rest_port or None,
            limits=limits,
            poll_seconds=poll_seconds,
            grace=grace,
            max_message=max_message << 20,
            ssl_key=ssl_key,
            ssl_cert=ssl_cert,
            ssl_ca=ssl_ca,
        ),
        typer.echo,
    )
    if not answered:
        typer.echo(f"colorzoo: stopped after {grace:g} s with requests unanswered", err=True)
        # Threads that are still in TensorFlow would take the interpreter down with them.
        os._exit(1)
