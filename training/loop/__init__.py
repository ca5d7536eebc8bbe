"""The training loops: on TensorFlow, for one device, several, or several machines; and on JAX, for one accelerator."""
