"""Synthetic photographs of random people with exact ground truth: NumPy, numba and OpenCV only, no TensorFlow."""
