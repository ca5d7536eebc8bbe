#!/bin/sh
# Makes build/backends, an environment with Keras, JAX and PyTorch and without TensorFlow, for `make test-backends`.
# TORCH=... names PyTorch as pip takes it. PyTorch's own index has builds for CPUs alone, which are a tenth as large:
# its address goes into the environment variable of pip that adds an index.
set -eu

ENVIRONMENT=build/backends
UNFINISHED=$ENVIRONMENT/.unfinished

if [ -e "$UNFINISHED" ]; then
    rm -rf "$ENVIRONMENT"
fi
if [ ! -e "$ENVIRONMENT" ]; then
    mkdir -p "$ENVIRONMENT"
    touch "$UNFINISHED"
    .venv/bin/python -m venv "$ENVIRONMENT"
    "$ENVIRONMENT/bin/python" -m pip install -qq --disable-pip-version-check -c requirements.lock keras jax "${TORCH:-torch}" || {
        echo "backends: pip could not install the packages; its message is above, and running it again is safe" >&2
        exit 1
    }
    rm "$UNFINISHED"
fi
