"""The 68 landmarks in the two conventions that data sets mean by them, as vertices of the face crop at level 2.

Both count in iBUG's order and differ most along the jaw. In two dimensions (300-W, dlib) jaw points lie where the face
ends in the picture: seen from the front, on the front of the cheek. In three dimensions (300W-LP, AFLW2000-3D, PRNet)
they are points of the head, on the jaw bone and up to the ear, hidden or not; at a yaw of 60 degrees the two are up to
a fifth of the face apart. The inner ends of the brows and the bridge of the nose differ too.

The open model's own 81 (`tfface.face.build.landmarks`) are the first kind. The vertices here are where the 200
development photographs' references lie on our mesh: for each pair of points the vertex of least error under a trained
network's meshes. Halves of the photographs chose jaw points 3 mm apart or less. No network has learnt from them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# fmt: off
VERTICES_3D = {
    0: 45710, 1: 31960, 2: 19401, 3: 42490, 4: 29795, 5: 4929, 6: 30194, 7: 30182, 8: 15754, 9: 35984, 10: 35996,
    11: 7855, 12: 35625, 13: 48120, 14: 25186, 15: 37678, 16: 51312,
    20: 14331, 21: 42212, 22: 47850, 23: 20346, 27: 133, 28: 3734, 29: 291,
}
# fmt: on
"""Landmark to vertex, where the conventions differ."""


def in_3d(landmarks_2d: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 68 of the three-dimensional convention from those of the two-dimensional one."""
    moved = np.array(landmarks_2d)
    moved[list(VERTICES_3D)] = list(VERTICES_3D.values())
    return moved
