"""What learns, and how fast: the rate is a function of the optimiser's step, so that a resumed run goes on where it
stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfface.config import Config, OptimConfig
from tfface.errors import UserError


@keras.saving.register_keras_serializable(package="tfface")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """`learning_rate` halved every so many epochs (Lium 2020), along a cosine, or constant, after a linear warm-up."""

    def __init__(
        self, learning_rate: float, kind: str, halve_every_steps: int, total_steps: int, warmup_steps: int = 0
    ) -> None:
        self.options: dict[str, Any] = {
            "learning_rate": learning_rate,
            "kind": kind,
            "halve_every_steps": halve_every_steps,
            "total_steps": total_steps,
            "warmup_steps": warmup_steps,
        }

    def __call__(self, step: Any) -> Any:
        options = self.options
        step = ops.cast(step, "float32")
        rate = options["learning_rate"] * ops.minimum(1.0, (step + 1.0) / max(options["warmup_steps"], 1))
        if options["kind"] == "halve":
            return rate * ops.power(0.5, ops.floor(step / options["halve_every_steps"]))
        if options["kind"] == "cosine":
            progress = ops.minimum(step / options["total_steps"], 1.0)
            return rate * (0.01 + 0.99 * 0.5 * (1.0 + ops.cos(math.pi * progress)))
        return rate

    def get_config(self) -> dict[str, Any]:
        return dict(self.options)


def make_optimizer(config: OptimConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Adam, or AdamW where there is weight decay, as configured."""
    rate = LearningRate(
        config.learning_rate,
        config.schedule,
        max(1, config.halve_every_epochs) * steps_per_epoch,
        config.epochs * steps_per_epoch,
        config.warmup_steps,
    )
    options: dict[str, Any] = {"global_clipnorm": config.clipnorm or None}
    if config.ema:
        options |= {"use_ema": True, "ema_momentum": config.ema}
    if config.weight_decay:
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, **options)
    return keras.optimizers.Adam(rate, **options)


def optimizer_for(model: keras.Model, config: Config) -> keras.optimizers.Optimizer:
    """The optimiser of what learns in `model`; for 16-bit floats it scales the loss."""
    optimizer = make_optimizer(config.optim, config.data.steps_per_epoch)
    if config.run.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def freeze(model: keras.Model, beginnings: Sequence[str]) -> None:
    """Layers whose names begin so do not learn, nor do their batch statistics move.

    Raises:
        UserError: no layer's name begins so.
    """
    for beginning in beginnings:
        layers = [layer for layer in model.layers if layer.name.startswith(beginning)]
        if not layers:
            names = ", ".join(dict.fromkeys(layer.name.split("_")[0] for layer in model.layers))
            raise UserError(f"optim.frozen: no layer of {model.name} begins with {beginning!r}; there are {names}.")
        for layer in layers:
            layer.trainable = False
