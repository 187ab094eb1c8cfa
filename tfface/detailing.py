"""Detail for faces that an R-Net found: `Detailer()(result)` is the same face with `result.detail`."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import cv2
import numpy as np

from tfface.errors import UserError
from tfface.result import FaceResult
from tfface.runtime import AGAIN, Network, find_network
from tfface.viz.detail import STRENGTH, Detail
from tfface.viz.unwrapped import CHANNELS, Unwrapped, unwrap

DETAIL_PRESET = "detail"
MOST_STRENGTH = 5.0


def check_strength(strength: float) -> None:
    """Raises `UserError` if lines and folds cannot be that strong."""
    if not 0 <= strength <= MOST_STRENGTH:
        raise UserError(f"`detail_strength` must be from 0 to {MOST_STRENGTH:g}, not {strength:g}.")


class Detailer:
    """A detail network, opened.

    Args:
        model: a preset's name, or the folder of an exported model or of a training run of `--model detail`; or what
            `tfface.runtime.find_network` found.
        runtime: as in `tfface.runtime`.
        strength: of lines and folds, 0 to 5: 1 is the network's answer; without it `tfface.viz.detail.STRENGTH`.

    Raises:
        UserError: there is no such network, or it is of another kind; `strength` is out of its range.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Network = DETAIL_PRESET,
        runtime: str | None = None,
        strength: float | None = None,
    ) -> None:
        strength = STRENGTH if strength is None else strength
        check_strength(strength)
        network = model if isinstance(model, Network) else find_network(model, runtime=runtime)
        if network.card["model"] != "detail" or network.card.get("inputs", CHANNELS) != CHANNELS:
            raise UserError(
                f"{network.folder} is not a network of detail in the face's chart: train one with `model=detail`, or "
                f"leave the name out for the preset {DETAIL_PRESET}."
            )
        self.name, self.size = network.folder.name, int(network.card["image_size"])
        self.strength, self._serve = strength, network.open()

    def __call__(self, result: FaceResult) -> FaceResult:
        """The face with its detail.

        Raises:
            UserError: its network predicts no albedo and light (only R-Nets do).
        """
        if result.decoded is None:
            raise UserError(f"The model {result.model} predicts no albedo and light: detail needs an R-Net as `model`.")
        start = time.perf_counter()
        base = unwrap(result.image, result.vertices, result.decoded)
        detail = self.of(base)
        spent = {"detail": (time.perf_counter() - start) * 1000}
        return replace(result, detail=detail, timings_ms={**result.timings_ms, **spent})

    def of(self, base: Unwrapped) -> Detail:
        """The detail of a base that is unrolled already; hair, hands and cloth on the skin leave no lines in it."""
        answer = self._serve(base.inputs(self.size)[None])
        shape = (1, self.size, self.size)
        if answer.get("displacement", np.zeros(0)).shape != shape or answer["albedo"].shape != (*shape, 3):
            raise UserError(f"{self.name} gives no displacement and albedo of {self.size} texels a side: {AGAIN}.")
        bare = cv2.resize(base.bare(), (self.size, self.size), interpolation=cv2.INTER_AREA)
        return Detail.of(answer["displacement"][0], answer["albedo"][0], base.seen, self.name, self.strength * bare)
