"""Weights from one model to another of the same structure."""

from collections.abc import Iterator

import keras


def leaves(model: keras.Model) -> Iterator[tuple[str, keras.Layer]]:
    """The layers of a model and of the models inside it, by name."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            for name, leaf in leaves(layer):
                yield f"{layer.name}/{name}", leaf
        else:
            yield layer.name, layer


def copy_weights(source: keras.Model, target: keras.Model, exclude: set[int] | None = None) -> None:
    """Copy the weights of a model to another layer by layer: a loaded file keeps all weights but not their order.

    Args:
        source: the model to copy from.
        target: a model of the same structure.
        exclude: ids of the layers of the target whose weights stay as they are.
    """
    there = dict(leaves(source))
    for name, layer in leaves(target):
        if layer.weights and id(layer) not in (exclude or ()):
            layer.set_weights(there[name].get_weights())
