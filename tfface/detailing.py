"""Detail for faces that an R-Net found: `Detailer()(result)` is the same face with `result.detail`."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from tfface.errors import UserError
from tfface.result import FaceResult
from tfface.runtime import AGAIN, Network, find_network
from tfface.viz.detail import Detail
from tfface.viz.unwrapped import CHANNELS, Unwrapped, unwrap

DETAIL_PRESET = "detail"


class Detailer:
    """A detail network, opened.

    Args:
        model: a preset's name, or the folder of an exported model or of a training run of `--model detail`; or what
            `tfface.runtime.find_network` found.
        runtime: as in `tfface.runtime`.

    Raises:
        UserError: there is no such network, or it is of another kind.
    """

    def __init__(self, model: str | os.PathLike[str] | Network = DETAIL_PRESET, runtime: str | None = None) -> None:
        network = model if isinstance(model, Network) else find_network(model, runtime=runtime)
        if network.card["model"] != "detail" or network.card.get("inputs", CHANNELS) != CHANNELS:
            raise UserError(
                f"{network.folder} is not a network of detail in the face's chart: train one with `model=detail`, or "
                f"leave the name out for the preset {DETAIL_PRESET}."
            )
        self.name, self.size = network.folder.name, int(network.card["image_size"])
        self._serve = network.open()

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
        """The detail of a base that is unrolled already."""
        answer = self._serve(base.inputs(self.size)[None])
        if answer["displacement"].shape != (1, self.size, self.size):
            raise UserError(f"{self.name} gives no displacement of {self.size} texels a side: {AGAIN}.")
        return Detail.of(answer["displacement"][0], answer["albedo"][0], base.seen, self.name)
