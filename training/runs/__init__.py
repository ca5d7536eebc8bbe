"""The folder that a run lives in, and what is drawn of it."""
