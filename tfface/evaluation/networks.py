"""A SavedModel of ours as a `Predictor`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError

FloatArray = NDArray[np.floating]


class NetworkPredictor:
    """The 68 landmarks of a position-map network."""

    def __init__(self, saved_model: Path, name: str) -> None:
        """Loads the SavedModel folder `saved_model`; `name` heads its column.

        Raises:
            UserError: it is no model of ours.
        """
        from tfface.face.open_model import load_open_face
        from tfface.face.position_map import PositionMap
        from tfface.inference import Reconstructor

        self.name = name
        self._reconstructor = Reconstructor(saved_model)
        self._topology = PositionMap(load_open_face())

    def landmarks(self, image: NDArray[np.uint8], box: FloatArray) -> FloatArray:
        """`[68,3]` u, v, depth in pixels of the RGB image `[H,W,3]`, from the square crop `box` `[4]`."""
        maps = self._reconstructor.predict_crops([image], [np.asarray(box).tolist()])
        return np.asarray(self._topology.landmarks(np.asarray(maps))[0])


def find_saved_model(model: str) -> tuple[Path, str]:
    """The SavedModel folder and the column's name for a folder or the name of a preset.

    Raises:
        UserError: neither.
    """
    folder = Path(model)
    if (folder / "saved_model.pb").is_file():
        return folder, folder.resolve().name
    if folder.is_dir():
        raise UserError(f"{folder} holds no saved_model.pb; export the run first with `tfface export`")
    from tfface.models.presets import saved_model

    return Path(saved_model(model)), model
