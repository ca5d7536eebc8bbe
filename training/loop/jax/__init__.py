"""The training loop on JAX: one accelerator, photographs in its memory, and no TensorFlow."""
