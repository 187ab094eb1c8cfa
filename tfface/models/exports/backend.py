"""Which of Keras' backends writes what predicts: TensorFlow, whatever a network was trained with."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec


def take_tensorflow() -> bool:
    """Chooses TensorFlow before Keras is imported, whatever KERAS_BACKEND says: weights are one file on all backends,
    and graphs are written by TensorFlow alone.

    Returns:
        False where TensorFlow is not installed, or Keras works with another backend already.
    """
    if find_spec("tensorflow") is None:
        return False
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    return bool(keras.backend.backend() == "tensorflow")
