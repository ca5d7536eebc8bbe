"""The papers' own experiments, repeated small: `python -m training.evaluation.experiments NAME`."""
