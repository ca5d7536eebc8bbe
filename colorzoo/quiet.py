"""Importing TensorFlow without its messages."""

import logging
import os
import sys


def import_tensorflow(*, onednn: bool = False) -> None:
    """Import TensorFlow and look for its devices, while nothing reaches the terminal.

    Args:
        onednn: Use oneDNN's convolutions. TensorFlow does so by itself only on CPUs with AVX-512, but they are faster
            with AVX2 as well.
    """
    if onednn:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # What TensorFlow's libraries write while they are loaded ignores all settings and goes to the descriptor itself.
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    # Keras imports JAX where it is installed, which its backend of TensorFlow does not need: a part of every start.
    hidden = "jax" not in sys.modules and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    if hidden:
        sys.modules["jax"] = None  # type: ignore[assignment]  # which is how Python is told that there is none
    try:
        import tensorflow

        tensorflow.config.list_physical_devices()
        import keras  # noqa: F401
    finally:
        if hidden:
            del sys.modules["jax"]
        os.dup2(kept, 2)
        os.close(kept)
