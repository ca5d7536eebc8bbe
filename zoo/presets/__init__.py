"""The trained models that ship with the package: `NAME.keras`, and `NAME.json` with its metadata."""
