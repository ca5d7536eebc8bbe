"""The devices, seeds, options and photographs that tests share."""

import functools
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Files that take longest begin first, so that no process is left alone with one of them at the end.
LONGEST = (
    "test_systems",
    "test_train",
    "test_robustness",
    "test_saved_model",
    "test_workers",
    "test_warm_start",
    "test_datasets",
    "test_optimizers",
    "test_data_service",
)

# Read when TensorFlow is imported. On the CPU the tests give the same numbers everywhere.
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
# Below 3, TensorFlow prints that it found no GPU; an error raises in any case.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# `colorzoo train` sets it otherwise, and all processes of a test have to round alike.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_configure(config: pytest.Config) -> None:
    import tensorflow as tf
    from keras.src.saving import saving_lib

    # The distribution tests need two devices, and TensorFlow fixes their number with its first operation.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    # Keras 3.15.1 keeps this under another name than it looks for, and finds it out anew for every layer that it saves.
    saving_lib.get_attr_skipset = functools.cache(saving_lib.get_attr_skipset)
    # What the imports made stays. Looking through it again and again took a sixth of the time of the tests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(LONGEST)))
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Every test starts from the same seeds, whichever ran before it."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def photos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds "train" and "val", each with as many easy fields as the module's PHOTOS has for it."""
    from tests.photographs import write_fields

    folder = tmp_path_factory.mktemp("photos")
    for seed, (name, count) in enumerate(request.module.PHOTOS.items()):
        write_fields(folder / name, count, seed=seed)
    return folder


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Without tracing."""
    from tests.two_layers import without_tracing

    with without_tracing():
        yield
