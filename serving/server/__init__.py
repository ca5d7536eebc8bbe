"""TensorFlow Serving's interfaces without Docker."""
