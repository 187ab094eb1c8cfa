"""The 68 landmarks in the two conventions that data sets mean by them, as vertices of the face crop at level 2.

Both count in iBUG's order and differ most along the jaw. In two dimensions (300-W, dlib) jaw points lie where the face
ends in the picture: seen from the front, on the front of the cheek. In three dimensions (300W-LP, AFLW2000-3D, PRNet)
they are points of the head, on the jaw bone and up to the ear, hidden or not; at a yaw of 60 degrees the two are up to
a fifth of the face apart. Everything else differs by millimetres: the reference's mouth, nostrils and chin lie higher.

The open model's own 81 (`tfface.face.build.landmarks`) are the first kind. The vertices here are where the references
of 200 development photographs lie on our mesh, the usual and the re-annotated ones alike, under a trained network's
meshes (`python data_tools/settle_landmarks.py --data DIR`); chosen on half of the photographs they do as well on the
other half. No network has learnt from them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# fmt: off
VERTICES_3D = {
    0: 45759, 1: 18149, 2: 19398, 3: 42490, 4: 4770, 5: 30088, 6: 42648, 7: 30182, 8: 17761, 9: 35984,
    10: 48282, 11: 35892, 12: 7710, 13: 48120, 14: 25183, 15: 23934, 16: 51363, 17: 28307, 18: 40996, 19: 40974,
    20: 28063, 21: 14341, 22: 20356, 23: 34121, 24: 46628, 25: 46650, 26: 34325, 27: 14042, 28: 877, 29: 14675,
    30: 4146, 31: 28755, 32: 14836, 33: 14778, 34: 20799, 35: 34721, 36: 13385, 37: 2, 38: 40545, 39: 42862,
    40: 26458, 41: 3275, 42: 48488, 43: 46201, 44: 1526, 45: 13217, 46: 3151, 47: 25843, 48: 4438, 49: 41622,
    50: 450, 51: 15328, 52: 1950, 53: 47272, 54: 7442, 55: 35305, 56: 21402, 57: 15491, 58: 15466, 59: 29379,
    60: 29089, 61: 29309, 62: 468, 63: 35261, 64: 35047, 65: 47453, 66: 15598, 67: 41801,
}
# fmt: on
"""Landmark to vertex, where the conventions differ."""


def in_3d(landmarks_2d: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 68 of the three-dimensional convention from those of the two-dimensional one."""
    moved = np.array(landmarks_2d)
    moved[list(VERTICES_3D)] = list(VERTICES_3D.values())
    return moved
