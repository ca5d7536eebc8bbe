"""The training loop on TensorFlow: one device, several, or several machines."""
