"""A network of ours as a `Predictor` of landmarks and of whole meshes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.runtime import Network

FloatArray = NDArray[np.floating]
Image = NDArray[np.uint8]


class NetworkPredictor:
    """What a position-map network of one or two views says.

    Attributes:
        name: heads its column.
        num_views: 1, or 2 for a front and a side picture.
        recrop: how often it looks again.
        triangles: `[F,3]` of its meshes.
    """

    def __init__(
        self,
        network: Network | Path,
        name: str,
        detector: str = "auto",
        upright: bool = False,
        recrop: int | None = None,
    ) -> None:
        """Opens a network (`tfface.runtime`), or the one in a folder; `detector` finds faces where there is no box.

        With `upright` it finds out which way up the face in a box is, as prediction does with a given box (one view
        only). `recrop` is how often it looks again, in an upright crop of the landmarks just found; None: as often as
        prediction does.

        Raises:
            UserError: it is not a model of ours.
        """
        from tfface.face.open_model import load_open_face
        from tfface.face.position_map import PositionMap
        from tfface.inference import Reconstructor

        self.name = name
        self._reconstructor = Reconstructor(network, recrop=recrop)
        self.recrop = self._reconstructor.recrop
        self.num_views = self._reconstructor.num_views
        face = load_open_face()
        self._topology = PositionMap(face)
        self.triangles: NDArray[np.int32] = face.face(2).triangles
        self._landmarks = face.landmarks68
        self._detector = detector
        self._upright = upright and self.num_views == 1

    @property
    def finds_points(self) -> bool:
        """Whether several pictures can be solved together (`tfface.face.several`)."""
        return self._reconstructor.points is not None

    def of_several(self, num_views: int) -> NetworkPredictor:
        """The same network on so many pictures of one moment at once."""
        several = copy(self)
        several.name, several.num_views = f"{self.name}, {num_views} views together", num_views
        return several

    def landmarks(
        self, image: Image, box: FloatArray, side: tuple[Image, FloatArray] | None = None, roll_rad: float = 0.0
    ) -> FloatArray:
        """`[68,3]` u, v, depth in pixels of the RGB image `[H,W,3]`, from the square crop `box` `[4]` of a head that is
        turned by `roll_rad` as far as is known."""
        return np.asarray(self._topology.landmarks(self._map([(image, box)] + ([side] if side else []), roll_rad)))

    def vertices(self, views: Sequence[tuple[Image, FloatArray]], roll_rad: float = 0.0) -> FloatArray:
        """`[53833,3]` u, v, depth in pixels of the first of the pictures, each with its square crop."""
        if self.finds_points and len(views) > 1:
            faces = self._reconstructor.faces_in_boxes(*zip(*views, strict=True))
            return self._reconstructor.as_set(faces, same_moment=True)[0].vertices
        return self._topology.to_vertices(self._map(views, roll_rad))

    def straightened(self, vertices: FloatArray) -> FloatArray:
        """Vertices `[53833,3]` without the camera's perspective (`tfface.face.metric`), laid over the seen ones."""
        from tfface.face.metric import metric_face
        from tfface.geometry.align import fit_pose

        shape = metric_face(vertices)[0]
        return fit_pose(vertices, shape).to_image(shape)

    def landmarks_of(self, vertices: FloatArray) -> FloatArray:
        """The 68 landmarks `[68,3]` among `vertices`."""
        return vertices[self._landmarks]

    def find_box(self, image: Image) -> FloatArray:
        """The square crop of the largest face in a picture.

        Raises:
            UserError: no face is found.
        """
        from tfface.detect.registry import load_detector

        found = load_detector(self._detector).detect(image)
        if not found:
            raise UserError("no face was found in the front view, and there are no landmarks")
        return found[0].crop_box()

    def _map(self, views: Sequence[tuple[Image, FloatArray]], roll_rad: float) -> NDArray[np.float32]:
        (image, box), *sides = views
        side_image, side_box = sides[0] if sides else (None, None)
        roll_rad = self._reconstructor.find_roll(image, box) if self._upright else roll_rad
        return self._reconstructor.predict_box(image, box, side_image, side_box, roll_rad)
