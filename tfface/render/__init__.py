"""Differentiable rendering in plain TensorFlow: rasterising, cameras, light, silhouettes, and `FaceRenderer`."""
