"""Putting colorizers to use: photographs in and out."""
