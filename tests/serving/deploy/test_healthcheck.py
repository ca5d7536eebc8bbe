"""healthcheck.sh, by which Docker tells whether every model of TF Serving is available."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serving.models_config import write_models_config
from tests.paths import ROOT
from tests.serving.test_models_config import export

SERVING = ROOT / "serving" / "deploy"


@contextmanager
def models(states: dict[str, str]) -> Iterator[int]:
    """The port of a REST server that answers as TF Serving does: 200 for all models that it knows."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state = states.get(self.path.removeprefix("/v1/models/"))
            self.send_response(200 if state else 404)
            self.end_headers()
            answer = {"model_version_status": [{"version": "1", "state": state}]}
            self.wfile.write(json.dumps(answer, indent=1).encode())
            self.close_connection = state != "AVAILABLE"  # a server may also leave it open

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def healthcheck(file: Path, port: int) -> subprocess.CompletedProcess[str]:
    script = SERVING / "tensorflow_serving" / "healthcheck.sh"
    return subprocess.run([script, file, str(port)], capture_output=True, text=True, timeout=10)


@pytest.mark.parametrize(
    "states, healthy",
    [
        ({"unet": "AVAILABLE", "gan": "AVAILABLE"}, True),
        ({"unet": "AVAILABLE", "gan": "LOADING"}, False),
        ({"unet": "UNAVAILABLE", "gan": "AVAILABLE"}, False),
        ({"unet": "AVAILABLE"}, False),
    ],
)
def test_healthcheck_looks_at_every_model(tmp_path: Path, states: dict[str, str], healthy: bool) -> None:
    for name in ("unet", "gan"):
        export(tmp_path, name, 1)
    with models(states) as port:
        done = healthcheck(write_models_config(tmp_path), port)
    assert (done.returncode == 0) == healthy, done.stderr


def test_healthcheck_without_a_server_or_models(tmp_path: Path) -> None:
    export(tmp_path, "unet", 1)
    file = write_models_config(tmp_path)
    with models({}) as port:
        pass
    assert healthcheck(file, port).returncode != 0
    file.write_text("model_config_list { }\n")
    assert "names no model" in healthcheck(file, port).stderr
