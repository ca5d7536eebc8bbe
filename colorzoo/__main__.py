"""Entry point of the `colorzoo` command, and of `python -m colorzoo`."""

import sys
import warnings

from colorzoo.app import app


def main() -> None:
    """Run the command that sys.argv names, and exit with its code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of Pillow and others, about files that are reported anyway
    app(prog_name="colorzoo")


if __name__ == "__main__":
    main()
