"""tfface: photographs of a face to an accurate, textured, aligned 3D face, in TensorFlow and Keras."""

__version__ = "0.1.0"
