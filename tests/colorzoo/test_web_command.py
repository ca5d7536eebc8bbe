"""`colorzoo web`: its options, without networks and without a socket."""

import pytest

from colorzoo import quiet
from serving.web import remote, server, warm_up
from serving.web.engine import LocalEngine
from serving.web.limits import Limits


@pytest.fixture
def served(monkeypatch):
    """What the server was started with."""
    calls = []

    def serve(service, host, port, announce, hosts):
        calls.append((service, host, port, tuple(hosts)))
        announce("http://here/")

    monkeypatch.setattr(quiet, "import_tensorflow", lambda: None)
    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(warm_up, "warm_up", lambda renderer: calls.append(renderer))
    return calls


def test_by_default_everything_is_here_and_for_this_machine_only(run, served):
    done = run("web")
    assert done.exit_code == 0
    assert done.stdout == "the page is http://here/ ; Ctrl+C ends it\n"
    renderer, (service, host, port, hosts) = served
    assert renderer is service.renderer, "it is warm before the page is announced"
    assert (host, port, hosts) == ("127.0.0.1", 8000, ())
    assert isinstance(service.engine, LocalEngine)
    assert service.limits == Limits()


def test_every_limit_is_an_option(run, served):
    options = "--max-upload 1 --max-pixels 2 --upload-seconds 3 --rate 4 --concurrency 5 --queue 6 --memory 7 "
    options += "--photographs 8 --minutes 9 --max-film 10 --film-seconds 11"
    assert run("web", *options.split()).exit_code == 0
    assert served[1][0].limits == Limits(
        upload_bytes=1 << 20,
        pixels=2,
        upload_seconds=3,
        requests_per_minute=4,
        workers=5,
        waiting=6,
        memory_bytes=7 << 20,
        photographs=8,
        photograph_seconds=540,
        film_bytes=10 << 20,
        film_seconds=11,
    )


def test_a_server_of_models_and_names_of_the_page(run, served, monkeypatch):
    monkeypatch.setattr(remote, "RemoteEngine", lambda servers, models: ("remote", servers, models))
    monkeypatch.setattr("serving.web.service.Service", lambda engine, limits: Stub(engine))
    options = "--server a:1 --server b:2 --model x --host 0.0.0.0 --port 80 --allowed-host c.example --allowed-host d"
    assert run("web", *options.split()).exit_code == 0
    service, *rest = served[1]
    assert service.engine == ("remote", ["a:1", "b:2"], ["x"])
    assert rest == ["0.0.0.0", 80, ("c.example", "d")]


class Stub:
    renderer = None

    def __init__(self, engine):
        self.engine = engine


@pytest.mark.parametrize("options", ["--model x", "--port 70000", "--rate 0", "--minutes 0", "--upload-seconds nan"])
def test_options_that_are_refused(run, served, options):
    assert run("web", *options.split()).exit_code == 2
    assert not served
