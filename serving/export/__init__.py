"""Presets as SavedModels."""
