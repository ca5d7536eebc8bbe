"""Clients of TensorFlow Serving without TensorFlow."""
