"""Deep3D's crop from five points (Deng et al. 2019, published code), in NumPy.

POS ("pose from orthography and scaling" without iterations, DeMenthon and Davis 1995): the eight unknowns of
`x = R1 . X + tx`, `y = R2 . X + ty` in least squares over five points of a mean face, y up; the scale s is the mean
length of R1 and R2. The photograph of W x H pixels is resized by `zoom = 102 / s` to `(int(W zoom), int(H zoom))` and
224 x 224 pixels are cut out of it, from

    left = int(w / 2 - 112 + (tx - W / 2) zoom),     top = int(h / 2 - 112 + (H / 2 - ty) zoom)

so that (tx, ty), where the mean face's origin lands, is the crop's centre. Nothing is turned. Other sizes S than 224
scale 102 and 112 with S. W, H, zoom, tx and ty say everything about a crop; networks of that family store them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.geometry.align import FloatArray, invert_transform
from tfface.geometry.ibug68 import EYE_CORNERS, MOUTH_CORNERS, NOSE_TIP

# The five points (left eye, right eye, nose, left and right mouth corner) in decimetres, y up.
DEEP3D_POINTS = np.array(
    [
        [-0.3115, 0.2904, 0.1338],
        [0.3098, 0.2897, 0.1318],
        [0.0033, -0.0462, 0.5524],
        [-0.2522, -0.3813, 0.2241],
        [0.2485, -0.3813, 0.2224],
    ]
)
DEEP3D_SIZE = 224
DEEP3D_SCALE = 102.0


def five_points(points: FloatArray) -> NDArray[np.float64]:
    """Left eye, right eye, nose, left and right mouth corner (picture's left) `[5,2]` of 68 points, as Deep3D does."""
    points = np.asarray(points, np.float64)[:, :2]
    eyes = points[list(EYE_CORNERS)].reshape(2, 2, 2).mean(1)
    return np.concatenate([eyes, points[[NOSE_TIP, *MOUTH_CORNERS]]])


def pos_scale_translation(points: FloatArray) -> tuple[float, NDArray[np.float64]]:
    """Scale and translation (tx, ty) of a scaled orthographic camera, by POS, of `DEEP3D_POINTS` at `[N,2]`, y up."""
    system = np.concatenate([DEEP3D_POINTS, np.ones((len(DEEP3D_POINTS), 1))], axis=1)
    solution = np.linalg.lstsq(system, points, rcond=None)[0]
    return float(np.linalg.norm(solution[:3], axis=0).mean()), solution[3]


@dataclass(frozen=True)
class Deep3DCrop:
    """A crop by the five numbers that upstream stores, and its size.

    Attributes:
        width, height: of the photograph in pixels.
        zoom: by how much it is resized.
        tx, ty: where the mean face's origin lands in the photograph, array indices, y up.
        size: side of the crop in pixels.
    """

    width: int
    height: int
    zoom: float
    tx: float
    ty: float
    size: int = DEEP3D_SIZE

    @property
    def resized(self) -> tuple[int, int]:
        """Width and height of the resized photograph."""
        return int(self.width * self.zoom), int(self.height * self.zoom)

    @property
    def corner(self) -> tuple[int, int]:
        """Column and row of the resized photograph where the crop begins; negative when it reaches beyond."""
        (width, height), half = self.resized, self.size / 2
        left = width / 2 - half + (self.tx - self.width / 2) * self.zoom
        top = height / 2 - half + (self.height / 2 - self.ty) * self.zoom
        return int(left), int(top)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """`[2,3]` from positions in the photograph to positions in the crop."""
        (width, height), (left, top) = self.resized, self.corner
        return np.array([[width / self.width, 0.0, -left], [0.0, height / self.height, -top]])

    @property
    def inverse(self) -> NDArray[np.float64]:
        """`[2,3]` from positions in the crop to positions in the photograph."""
        return invert_transform(self.matrix)


def deep3d_crop(points: FloatArray, image_size: tuple[int, int], size: int = DEEP3D_SIZE) -> Deep3DCrop:
    """The crop of a photograph by its five points.

    Args:
        points: `[5,2]` array indices (y down), as upstream's landmark files have them: positions less 0.5.
        image_size: width and height of the photograph.
        size: side of the crop in pixels.

    Raises:
        UserError: the points are not a face: all in one place, or not finite.
    """
    width, height = image_size
    upright = np.stack([points[:, 0], height - 1 - points[:, 1]], axis=1)
    scale, (tx, ty) = pos_scale_translation(upright)
    if not np.isfinite(scale) or scale < 1e-6:
        raise UserError(
            "The five points of a face lie all in one place: give the eyes, the nose and the mouth's corners."
        )
    return Deep3DCrop(width, height, DEEP3D_SCALE * size / DEEP3D_SIZE / scale, float(tx), float(ty), size)
