"""From a run to a preset with metadata and model card."""
