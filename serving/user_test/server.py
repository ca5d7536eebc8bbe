"""The server of a prepared experiment."""

import random
from collections.abc import Callable
from pathlib import Path

import uvicorn

from serving.listening import serve_page
from serving.user_test.application import application
from serving.user_test.experiment import RESULTS, read, usable
from serving.user_test.store import Store

_GRACE = 2  # seconds for the requests that are being answered when the server is stopped


def serve(folder: Path, host: str, port: int, announce: Callable[[str], object]) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        folder: Of an experiment that `serving.user_test.prepare` has prepared.
        port: 0 chooses a free one.
        announce: Called with the address of the page, once it can be opened.

    Raises:
        DataError: it is not such a folder.
        ServerStartError: the port is taken.
    """
    experiment = read(folder)
    # What participants see must not follow from what others saw.
    rng = random.SystemRandom()
    app = application(folder, experiment, usable(folder, experiment), Store(folder / RESULTS), rng)
    config = uvicorn.Config(
        app, lifespan="off", log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=_GRACE
    )
    serve_page(config, host, port, announce)
