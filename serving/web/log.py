"""The log of `colorzoo web`: a line on stderr for each request, with sizes and times, and for each unforeseen error."""

import logging
import sys

_LOGGER = logging.getLogger("colorzoo.web")


def start() -> None:
    """Write to stderr; without this call there is no log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    _LOGGER.handlers = [handler]
    _LOGGER.propagate = False
    _LOGGER.setLevel(logging.INFO)
