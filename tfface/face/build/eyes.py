"""Where the eyes' membranes lie and how they follow the lids, on whatever face.

The sphere of the mean face is that of the white of the scan's eyeball. On other people its centre and radius go so
that lids keep their distance from it, open and shut alike, to first order: a lid then closes over everybody's eye, and
no eye pokes through a lid. A membrane's rings go where the lid loop and the sphere say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.cage import Cage, eye_rings, fit_sphere

FloatArray = NDArray[np.floating]
SCLERA_SHARE = 0.7
BEHIND_MM = 0.8
"""How far the lid loop lies behind the eye's surface at least, so that no rim shows."""
LID_ROWS = 4
RADIUS_RELUCTANCE = 0.5
"""Lids cover the front only and hardly tell a large eye from one that lies further out: the radius stays, in doubt."""
STEP = 1e-3


@dataclass(frozen=True)
class Sphere:
    """An eye in millimetres."""

    centre: NDArray[np.float64]
    radius: float


def white_of_eye(ball: FloatArray) -> Sphere:
    """The sphere of an eyeball's points `[N,3]` without the cornea, which stands out in front (+z)."""
    points = np.asarray(ball, np.float64)
    return Sphere(*fit_sphere(points[points[:, 2] < np.quantile(points[:, 2], SCLERA_SHARE)]))


def seat_eyes(cage: Cage, shape: FloatArray, spheres: Sequence[Sphere]) -> NDArray[np.float64]:
    """A cage `[C,3]` mm whose membranes lie on the left and the right sphere, and its lid loops right behind them."""
    result = np.array(shape, np.float64)
    for side, eye in enumerate(spheres):
        loop = cage.lid_loops[side]
        arm = result[loop] - eye.centre
        length = np.linalg.norm(arm, axis=1, keepdims=True)
        result[loop] = eye.centre + arm * np.minimum(length, eye.radius - BEHIND_MM) / length
        result[cage.eye(side)] = eye_rings(result[loop], eye.centre, eye.radius)
    return result


class EyeFollower:
    """What membranes do when the skin moves as an identity component says.

    Args:
        cage: its parts.
        shape: `[C,3]` mm with seated eyes.
        spheres: that they lie on, left and right.
        shut: `[C,3]` what eyelids do when both eyes are shut.
    """

    def __init__(self, cage: Cage, shape: FloatArray, spheres: Sequence[Sphere], shut: FloatArray) -> None:
        self.cage, self.shape, self.spheres = cage, np.asarray(shape, np.float64), spheres
        self.lids, self.normals, self.solvers = [], [], []
        for side, eye in enumerate(spheres):
            lids = rows_round(cage, cage.lid_loops[side], LID_ROWS)
            normal = np.concatenate([_directions(at[lids] - eye.centre) for at in (self.shape, self.shape + shut)])
            reluctance = np.sqrt(RADIUS_RELUCTANCE * len(normal)) * np.array([[0.0, 0.0, 0.0, 1.0]])
            self.lids.append(lids)
            self.normals.append(normal)
            self.solvers.append(np.linalg.pinv(np.concatenate([np.c_[normal, np.ones(len(normal))], reluctance])))

    def __call__(self, fields: FloatArray) -> NDArray[np.float64]:
        """Offsets `[K,282,3]` of both membranes, left first, for fields `[K,C,3]` of the skin."""
        return np.concatenate([np.stack([self._membrane(side, field) for field in fields]) for side in (0, 1)], axis=1)

    def followed(self, fields: FloatArray) -> NDArray[np.float64]:
        """The fields with the membranes' offsets put in."""
        result = np.array(fields, np.float64)
        result[:, np.concatenate([self.cage.eye(0), self.cage.eye(1)])] = self(result)
        return result

    def sphere(self, side: int, field: FloatArray) -> NDArray[np.float64]:
        """How centre and radius of an eye go `[4]` mm when the skin moves by `field [C,3]`."""
        lids = self.lids[side]
        outwards = (self.normals[side] * np.concatenate([field[lids], field[lids]])).sum(1)
        return np.asarray(self.solvers[side] @ np.append(outwards, 0.0))

    def _membrane(self, side: int, field: FloatArray) -> NDArray[np.float64]:
        eye, loop, found = self.spheres[side], self.cage.lid_loops[side], self.sphere(side, field)
        centre, radius = eye.centre + STEP * found[:3], eye.radius + STEP * found[3]
        moved = eye_rings(self.shape[loop] + STEP * field[loop], centre, radius)
        return np.asarray((moved - eye_rings(self.shape[loop], eye.centre, eye.radius)) / STEP)


def _directions(arms: FloatArray) -> NDArray[np.float64]:
    return np.asarray(arms / np.linalg.norm(arms, axis=1, keepdims=True))


def rows_round(cage: Cage, loop: NDArray[np.integer], rows: int) -> NDArray[np.int64]:
    """The skin's vertices of the loop and of the rows of faces round it."""
    faces = cage.faces[cage.part == 0]
    inside = np.zeros(cage.weights.shape[0], bool)
    inside[loop] = True
    for _ in range(rows - 1):
        touched = faces[(inside[faces] & (faces >= 0)).any(1)]
        inside[touched[touched >= 0]] = True
    return np.flatnonzero(inside)
