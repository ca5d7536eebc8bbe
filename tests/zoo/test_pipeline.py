"""The steps of a colorizer, and that its three users take these very steps."""

import ast
import inspect
from types import ModuleType

import numpy as np
import pytest
from keras import ops

from serving.export import signatures, strips
from serving.local import tiled
from zoo import blocks, color, colorizer, pipeline

STEPS = {"from_frame", "recompose", "to_frame", "to_levels"}
STRIP_STEPS = STEPS | {"linear_table", "recompose_inside"}
# What the steps are made of: whoever calls it beside them computes one of them a second time.
ARITHMETIC = {"fit_gamut", "in_gamut", "lab_to_rgb", "linear_to_srgb", "round", "sampling_matrix", "srgb_to_linear"}


@pytest.mark.parametrize(
    ("module", "steps"),
    [(colorizer, STEPS), (tiled, STRIP_STEPS), (strips, STRIP_STEPS), (signatures, {"from_frame", "to_levels"})],
    ids=["graph", "tiled", "strips", "signatures"],
)
def test_every_user_takes_these_steps_and_computes_none_of_its_own(module: ModuleType, steps: set[str]) -> None:
    tree = ast.parse(inspect.getsource(module))
    imported = {
        alias.name: alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("zoo.pipeline", "zoo.blocks")
        for alias in node.names
    }
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pipeline"
    }
    assert steps == attributes | (imported.keys() & STRIP_STEPS)
    for name, own in imported.items():
        assert getattr(module, own) in (getattr(pipeline, name, None), getattr(blocks, name, None))
    # Strips are resampled by the two parts of it; how they are shrunk is compared in a test of their own.
    assert "resample" in imported or {"resample_columns", "resample_rows"} <= imported.keys()
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    of_python = {"round"} if module is colorizer else set()  # of the sides of views
    assert not names & (ARITHMETIC - of_python)


def test_the_table_is_the_curve_at_each_level() -> None:
    for white in (255, 65535):
        table = ops.convert_to_numpy(pipeline.linear_table(white))
        assert table.shape == (white + 1,) and table.dtype == np.float32
        encoded = np.arange(white + 1) / white
        expected = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
        np.testing.assert_allclose(table, expected, atol=1e-6)


@pytest.mark.parametrize(("count", "longest"), [(64, 64), (48, 64), (200, 300), (20, 30), (1, 1)])
def test_matrices_keep_what_is_even(count: int, longest: int) -> None:
    places = np.arange(count, dtype=np.float32)[:, None]
    there = ops.convert_to_numpy(pipeline.to_frame(places, 64, np.float32(longest)))
    back = ops.convert_to_numpy(pipeline.from_frame(places, 64, np.float32(longest)))
    assert there.shape == (64, count) and back.shape == (count, 64)
    np.testing.assert_allclose(there.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(back.sum(axis=1), 1, atol=1e-5)


def test_recomposing_inside_says_where_it_is_right() -> None:
    rng = np.random.default_rng(0)
    light = rng.uniform(0, 100, (500, 1)).astype(np.float32)
    ab = rng.uniform(-80, 80, (500, 2)).astype(np.float32)
    rgb, inside = map(ops.convert_to_numpy, pipeline.recompose_inside(np.concatenate([light, ab], axis=-1)))
    fitted = ops.convert_to_numpy(pipeline.recompose(light, ab))
    assert 0.1 < inside.mean() < 0.9
    np.testing.assert_array_equal(rgb[inside[:, 0]], fitted[inside[:, 0]])
    np.testing.assert_allclose(ops.convert_to_numpy(color.lightness(fitted)), light, atol=0.01)


def test_levels() -> None:
    found = pipeline.to_levels(np.array([0, 0.2499, 0.7501, 1], np.float32), 2.0, "uint8")
    assert ops.convert_to_numpy(found).tolist() == [0, 0, 2, 2]
    assert ops.convert_to_numpy(pipeline.to_levels(np.ones(1, np.float32), 65535.0, "uint16")).tolist() == [65535]
