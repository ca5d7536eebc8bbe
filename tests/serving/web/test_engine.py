"""Presets are loaded when they are first used, once, and a few are kept."""

import threading
from dataclasses import replace

from serving.local.adjustable import AdjustableColorizer
from serving.web.engine import LOADED, LocalEngine
from tests.serving.web.conftest import DIRECT, parts, rows
from zoo.presets.metadata import Preset


def test_presets_are_loaded_once_and_a_few_are_kept() -> None:
    names = [f"direct_v{number}" for number in range(LOADED + 1)]
    presets = {name: replace(rows()[DIRECT], name=name) for name in names}
    loaded: list[str] = []

    def load(row: Preset) -> AdjustableColorizer:
        loaded.append(row.name)
        return AdjustableColorizer(parts(DIRECT), {})

    engine = LocalEngine(presets, load, names[0])
    for name in (*names[:LOADED], names[0], names[LOADED], names[0], names[1]):
        engine.loaded(name)
    assert loaded == [*names, names[1]]


def test_a_preset_that_is_there_does_not_wait_for_another() -> None:
    release = threading.Event()

    def load(row: Preset) -> AdjustableColorizer:
        assert row.name == DIRECT or release.wait(60)
        return AdjustableColorizer(parts(DIRECT), {})

    engine = LocalEngine(rows(), load, DIRECT)
    there = engine.loaded(DIRECT)
    threads = [threading.Thread(target=engine.loaded, args=("classes_v1",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert engine.loaded(DIRECT) is there
    release.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
