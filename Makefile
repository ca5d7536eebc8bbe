# make setup: .venv with everything for development    make setup PYTHON=python3.12: with this Python
# make test: the tests                                 make test-slow: these and the long ones
# make test-backends: presets on JAX and PyTorch, in an environment of its own (TORCH=torch==... for another PyTorch)
# make check: format, lint, types                      make demo PHOTOS="a.jpg b.jpg": colorize photographs
# make lock: requirements.lock anew                    make protos: regenerate the messages of serving/client

READY := .venv/.installed
PYTHON ?=
PHOTOS ?=
TORCH ?= torch

.PHONY: setup test test-slow test-backends check demo lock protos
setup: $(READY)

# Holds only after the whole installation, so that an interrupted one is done again.
$(READY): pyproject.toml requirements.lock scripts/setup.sh
	@PYTHON='$(PYTHON)' sh scripts/setup.sh

test: $(READY)
	.venv/bin/python -m pytest

test-slow: $(READY)
	.venv/bin/python -m pytest --slow

test-backends: $(READY)
	@TORCH='$(TORCH)' sh scripts/backends.sh
	BACKENDS_PYTHON=build/backends/bin/python .venv/bin/python -m pytest --slow -n 0 tests/zoo/test_portable.py

check: $(READY)
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy --strict

demo: $(READY)
	@.venv/bin/python examples/demo.py $(PHOTOS)

lock: $(READY)
	.venv/bin/python scripts/lock.py > requirements.lock.new || { rm requirements.lock.new; exit 1; }
	mv requirements.lock.new requirements.lock

protos: $(READY)
	.venv/bin/python scripts/protos.py
