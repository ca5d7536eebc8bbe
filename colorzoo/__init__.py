"""The command line; `python -m colorzoo` runs it."""
