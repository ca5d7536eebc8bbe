"""One file per paper, one builder per file."""
