"""Training of the networks: data, losses, the loop, evaluation and recipes."""
