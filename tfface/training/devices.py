"""Where a run computes: backend, devices, precision, strategy."""

from __future__ import annotations

import os
import random
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tfface.config import Config, RunConfig
from tfface.errors import UserError

if TYPE_CHECKING:
    import keras

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def choose_backend(config: Config) -> None:
    """To be called before Keras is imported: checks KERAS_BACKEND, and hides GPUs from a run that wants none.

    Without KERAS_BACKEND and TensorFlow, the backend that is there is taken.

    Raises:
        UserError: the backend is not there, or cannot do what the run asks for.
    """
    there = installed_backends()
    wanted = os.environ.get("KERAS_BACKEND") or (there or ["tensorflow"])[0]
    if wanted not in there:
        raise UserError(
            f"KERAS_BACKEND={wanted}: there is no such backend here; install it, or choose from {', '.join(there)}."
        )
    if "tensorflow" not in there:
        os.environ["KERAS_BACKEND"] = wanted
    if wanted == "tensorflow":
        return
    for what, asked in (
        ("run.regime weak renders faces, and that", config.run.regime == "weak"),
        (f"run.strategy {config.run.strategy}", config.run.strategy != "none"),
    ):
        if asked:
            raise UserError(f"{what} needs TensorFlow: leave KERAS_BACKEND={wanted} out.")
    if config.run.device == "cpu":
        os.environ |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


def installed_backends() -> list[str]:
    """Keras' backends that are here."""
    return [name for name in BACKENDS if find_spec(name) is not None]


def prepare(config: RunConfig) -> AbstractContextManager[object]:
    """Chooses device and precision, seeds, and gives the scope in which the network must be built.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    import keras

    backend = keras.backend.backend()
    if config.device == "gpu" and not on_gpu():
        advice = ", or install tensorflow[and-cuda]" if backend == "tensorflow" else ""
        raise UserError(f"{BACKENDS.get(backend, backend)} sees no GPU here; leave out `run.device=gpu`{advice}.")
    keras.config.set_dtype_policy(config.precision)
    if backend != "tensorflow":
        import numpy as np

        random.seed(config.seed)  # what keras.utils.set_random_seed does, but for importing TensorFlow
        np.random.seed(config.seed)
        return nullcontext()
    import tensorflow as tf

    if config.device == "cpu" and on_gpu():
        tf.config.set_visible_devices([], "GPU")
    for gpu in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(config.seed)
    if config.strategy == "mirrored":
        scope: AbstractContextManager[object] = tf.distribute.MirroredStrategy().scope()
        return scope
    return nullcontext()


def on_gpu() -> bool:
    """Whether the backend computes on a GPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    if backend == "torch":
        import torch

        return torch.cuda.is_available()
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def avoid_broken_operations(network: keras.Model) -> None:
    """PyTorch's oneDNN on processors (2.13) writes beyond its memory in the gradient of transposed convolutions, and
    the process dies: networks that have some do without oneDNN."""
    import keras

    transposed = any(isinstance(layer, keras.layers.Conv2DTranspose) for layer in network.layers)
    if transposed and keras.backend.backend() == "torch" and not on_gpu():
        import torch

        torch.backends.mkldnn.enabled = False


def is_tensorflows(thing: object) -> bool:
    """Whether an object's class is one of TensorFlow's, without importing it."""
    return any(kind.__module__.split(".")[0] == "tensorflow" for kind in type(thing).__mro__)
