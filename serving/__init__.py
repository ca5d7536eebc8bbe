"""Colorizers in use: on this machine, as SavedModels, behind a server, and through its clients."""
