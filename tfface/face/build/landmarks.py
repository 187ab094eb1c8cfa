"""The 81 landmarks as vertices of the face crop at level 2, and the regions of its surface.

Jaw, brows, nose and outer lips were found once as the median of what dlib's detector sees in 24 renders of the mean
face, projected back onto it; the lids as the visible lid margin; the inner lips where the displacement of `jawOpen`
jumps; then all were made symmetric. Eyes and some points of brows, nose and mouth were then moved by
the median that dlib's answers lie off in 140 synthetic fronts: up to 1.8 mm, at the upper lids. The vertex numbers hold
because the topology never changes. The 13 forehead points run from temple to temple along the hairline.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import REGION_NAMES, Surface
from tfface.geometry.ibug68 import CHIN, EYES, JAW, JAW_ENDS, MOUTH, NOSE

# fmt: off
LANDMARKS68 = (
    33002, 19304, 17117, 4892, 29767, 10998, 1071, 30179, 577, 35981, 2532, 12401, 35597, 7818, 22946, 25089,
    38720, 28304, 28145, 3901, 28062, 10273, 11686, 34120, 6955, 34197, 34322, 14038, 3733, 14165, 14686, 14812,
    313, 14780, 1816, 20775, 46039, 42380, 42365, 27410, 13696, 13671, 33526, 47997, 48014, 51643, 19722, 19747,
    15208, 10430, 29252, 466, 35210, 11843, 21163, 49799, 35347, 15476, 29425, 44187, 41542, 41752, 15586,
    47406, 47192, 21539, 540, 15643,
)
FOREHEAD13 = (
    18006, 4073, 14506, 42107, 28253, 16215, 16220, 22071, 34279, 47743, 20501, 7107, 23791,
)
# fmt: on
LANDMARKS81 = LANDMARKS68 + FOREHEAD13
EYE_MARGIN_MM, NOSE_MARGIN_MM, MOUTH_MARGIN_MM = 9.0, 5.0, 7.0


def build_regions(surface: Surface, vertices: NDArray[np.float64]) -> NDArray[np.uint8]:
    """`[V]` an index into `REGION_NAMES` for each vertex of the mean face `[V,3]` in millimetres.

    Eyes, nose and mouth are boxes round their landmarks, as in PRN's mask; the face is what lies in front of the ears
    and above the jaw line; the rest (neck, ears, sides) is "none".
    """
    points = vertices[list(LANDMARKS81)]
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    region = np.zeros(len(vertices), np.uint8)
    jaw_height = _jaw_height(points, x)
    in_front = (z > points[list(JAW_ENDS), 2].mean() - 2) & (x <= np.abs(points[JAW, 0]).max() + 2)
    region[in_front & (y >= jaw_height)] = REGION_NAMES.index("face")
    boxes = {
        "eyes": (points[EYES], EYE_MARGIN_MM),
        "nose": (points[NOSE], NOSE_MARGIN_MM),
        "mouth": (points[MOUTH], MOUTH_MARGIN_MM),
    }
    for name, (group, margin) in boxes.items():
        low, high = group.min(0) - margin, group.max(0) + margin
        near = np.abs(points[EYES, 0]).min() - margin if name == "eyes" else 0.0
        inside = (x >= near) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]) & (z > low[2] - 12)
        region[inside] = REGION_NAMES.index(name)
    hidden = (surface.vertex_part == 1) | (surface.vertex_part == 4)  # the neck and the mouth's pit
    region[hidden] = REGION_NAMES.index("none")
    return region


def _jaw_height(points: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """The height of the jaw line (landmarks 0 to 8, 1 mm below) at each distance from the middle."""
    line = points[: CHIN + 1][::-1]
    return np.interp(across, np.abs(line[:, 0]), line[:, 1]) - 1.0
