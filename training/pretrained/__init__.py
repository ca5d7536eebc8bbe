"""Weights of others to start from, for every backend of Keras."""
