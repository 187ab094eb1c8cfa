"""Where a run computes: devices, precision, strategy."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from tfface.config import RunConfig
from tfface.errors import UserError


def prepare(config: RunConfig) -> AbstractContextManager[object]:
    """Chooses device and precision, seeds, and gives the scope in which the network must be built.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if config.device == "gpu" and not gpus:
        raise UserError("TensorFlow sees no GPU here; leave out --run.device gpu, or install tensorflow[and-cuda].")
    if config.device == "cpu" and gpus:
        tf.config.set_visible_devices([], "GPU")
    for gpu in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    if config.strategy == "mirrored":
        scope: AbstractContextManager[object] = tf.distribute.MirroredStrategy().scope()
        return scope
    return nullcontext()


def on_gpu() -> bool:
    """Whether TensorFlow computes on a GPU."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))
