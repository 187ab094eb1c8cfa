"""Of `test_backends`: `python backend_rnet.py FILE` writes what a small R-Net with points answers and, of the backends
that need no compiling, the loss of three steps; the same weights and pictures on every backend."""

from __future__ import annotations

import sys

import keras
import numpy as np

from tfface import models
from tfface.config import ModelConfig
from tfface.models.layers import blocks

SIZE = 32
CONFIG = ModelConfig(
    "rnet", image_size=SIZE, map_size=64, width=0.35, points=128, output="linear", trunk="mobilenet_v2",
    rotation="columns", camera="framed", views=1,
)  # fmt: skip


ONCE = tuple((*stage[:2], 1, stage[3]) for stage in blocks.INVERTED_RESIDUALS)
"""Each kind of layer once: JAX compiles them all."""


def answer_and_losses(learns: bool) -> dict[str, np.ndarray]:
    """What is said, with `ONCE` in place of the trunk's blocks; no losses where it need not learn."""
    model = models.build(CONFIG)
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(rng.normal(0, 0.05, weight.shape))
    pictures = rng.random((2, SIZE, SIZE, 3), np.float32)
    if keras.backend.backend() == "jax":  # as a whole in two thirds of the time that its operations take one by one
        return {"answer": model.predict_on_batch(pictures), "losses": np.zeros(0)}
    answer = keras.ops.convert_to_numpy(model(pictures, training=False))
    if not learns:
        return {"answer": answer, "losses": np.zeros(0)}
    optimizer = keras.optimizers.SGD(1e-3)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, "mae", jit_compile=False)
    losses = [float(model.train_on_batch(pictures, np.zeros_like(answer))) for _ in range(3)]
    return {"answer": answer, "losses": np.array(losses)}


if __name__ == "__main__":
    blocks.INVERTED_RESIDUALS = ONCE
    np.savez(sys.argv[1], **answer_and_losses(learns=True))
