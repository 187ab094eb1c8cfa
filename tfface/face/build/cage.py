"""The cage: MakeHuman's head skin, some neck, and closed membranes over the eyes and in the mouth.

Every cage vertex is an affine function of the base mesh, `cage = weights @ base + offset`, so each of MakeHuman's
targets is a displacement of the cage. An eye is five rings of 28 vertices and a pole on the sphere fitted to
MakeHuman's eyeball; the lid loop lies behind that sphere, so lids slide over it and blinks work. The mouth is three
shrunken copies of the lip loop, pushed back: a dark pit when the jaw opens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tfface.face.build.makehuman import HEAD_CHART, TORSO_CHART, BaseMesh
from tfface.geometry.cut import border_loops

SKIN, NECK, LEFT_EYE, RIGHT_EYE, MOUTH = range(5)
EYE_LOOP, LIP_LOOP = 28, 38
EYE_RINGS = (1.0, 0.78, 0.56, 0.34, 0.16)
MOUTH_RINGS = ((0.9, -0.06), (0.75, -0.16), (0.45, -0.24))
MOUTH_DEPTH_DM = 0.26


@dataclass(frozen=True)
class Cage:
    """`vertices = weights @ base + offset`, its faces (-1 ends a triangle) and their parts.

    `head_uv [C,2]` is MakeHuman's own chart (NaN where a vertex is not of the head skin). Per side (left, right),
    `lid_loops [28]` are the skin's vertices round an eye and `eye_poles` the middle of its membrane, whose rings lie
    right before it; `lip_loop [38]` are the skin's vertices round the mouth.
    """

    weights: sp.csr_matrix
    offset: NDArray[np.float64]
    faces: NDArray[np.int32]
    part: NDArray[np.uint8]
    head_uv: NDArray[np.float64]
    eye_poles: tuple[int, int]
    lid_loops: tuple[NDArray[np.int64], NDArray[np.int64]]
    lip_loop: NDArray[np.int64]

    def eye(self, side: int) -> NDArray[np.int64]:
        """The vertices `[141]` of the left (0) or right (1) eye's membrane: five rings and the pole."""
        pole = self.eye_poles[side]
        return np.arange(pole - len(EYE_RINGS) * EYE_LOOP, pole + 1)

    def apply(self, base_vertices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cage vertices `[C,3]` of a deformed base mesh."""
        return np.asarray(self.weights @ base_vertices + self.offset)


@dataclass
class _Builder:
    """Collects rows (cage vertices) and faces."""

    num_base: int
    rows: list[sp.csr_matrix] = field(default_factory=list)
    offsets: list[NDArray[np.float64]] = field(default_factory=list)
    faces: list[list[int]] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, weights: sp.spmatrix, offset: NDArray[np.float64]) -> NDArray[np.int64]:
        self.rows.append(sp.csr_matrix(weights))
        self.offsets.append(np.broadcast_to(offset, (weights.shape[0], 3)))
        self.count += weights.shape[0]
        return np.arange(self.count - weights.shape[0], self.count)

    def add_ring(self, outer: Sequence[int] | NDArray[np.int64], inner: NDArray[np.int64], part: int) -> None:
        for i in range(len(outer)):
            j = (i + 1) % len(outer)
            self.faces.append([outer[j], outer[i], inner[i], inner[j]])
            self.part.append(part)

    def add_fan(self, outer: NDArray[np.int64], pole: int, part: int) -> None:
        for i in range(len(outer)):
            self.faces.append([outer[(i + 1) % len(outer)], outer[i], pole, -1])
            self.part.append(part)


def build_cage(base: BaseMesh) -> Cage:
    """The cage of 3,816 vertices: a manifold with one border (the neck), Euler number 1."""
    quads, uv_quads, chart = base.body_charts()
    skin = quads[chart == HEAD_CHART]
    torso = quads[chart == TORSO_CHART]
    middle = base.vertices[torso].mean(1)
    neck = torso[(middle[:, 1] > 5.72) & (np.abs(middle[:, 0]) < 0.78)]
    used = np.unique(np.concatenate([skin, neck]))
    builder = _Builder(len(base.vertices))
    select = sp.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), builder.num_base))
    builder.add(select, np.zeros(3))
    renumber = {int(v): i for i, v in enumerate(used)}
    for group, code in ((skin, SKIN), (neck, NECK)):
        builder.faces += [[renumber[int(v)] for v in quad] for quad in group]
        builder.part += [code] * len(group)
    poles, lids = [0, 0], [np.zeros(0, np.int64)] * 2
    lips: list[int] = []
    for loop in border_loops(skin):
        if len(loop) == EYE_LOOP:
            side = 0 if base.vertices[loop, 0].mean() > 0 else 1
            poles[side] = _add_eye(builder, base, loop, renumber, side)
            lids[side] = np.array([renumber[v] for v in loop])
        elif len(loop) == LIP_LOOP:
            _add_mouth(builder, loop, renumber)
            lips = [renumber[v] for v in loop]
    weights = sp.vstack(builder.rows).tocsr()
    head_uv = _head_uv(base, skin, uv_quads[chart == HEAD_CHART], used, weights.shape[0])
    faces, part = np.array(builder.faces, np.int32), np.array(builder.part, np.uint8)
    offsets, ends = np.concatenate(builder.offsets), (poles[0], poles[1])
    return Cage(weights, offsets, faces, part, head_uv, ends, (lids[0], lids[1]), np.array(lips))


def fit_sphere(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Centre and radius of the least-squares sphere through `[N,3]`."""
    system = np.c_[2 * points, np.ones(len(points))]
    solution = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))


def eye_rings(loop: NDArray[np.floating], centre: NDArray[np.floating], radius: float) -> NDArray[np.float64]:
    """The rings and the pole `[141,3]` on the sphere in front of which the lid loop `[28,3]` opens."""
    direction = loop - centre
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    forward = np.array([0.0, 0.0, 1.0])
    angle = np.arccos(np.clip(direction @ forward, -1, 1))
    sideways = direction - (direction @ forward)[:, None] * forward
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
    rings = []
    for fraction in EYE_RINGS:
        tilt = (angle * fraction)[:, None]
        rings.append(centre + radius * (np.cos(tilt) * forward + np.sin(tilt) * sideways))
    return np.concatenate([*rings, (centre + radius * forward)[None]])


def _add_eye(builder: _Builder, base: BaseMesh, loop: list[int], renumber: dict[int, int], side: int) -> int:
    ball = base.group_vertices(f"helper-{'lr'[side]}-eye")
    points = base.vertices[ball]
    centre, radius = fit_sphere(points)
    affine = np.linalg.pinv(np.c_[points, np.ones(len(points))].T)
    part = (LEFT_EYE, RIGHT_EYE)[side]

    def add(targets: NDArray[np.float64]) -> NDArray[np.int64]:
        weights = sp.lil_matrix((len(targets), builder.num_base))
        weights[:, ball] = (affine @ np.c_[targets, np.ones(len(targets))].T).T
        return builder.add(weights, np.zeros(3))

    outer: Sequence[int] | NDArray[np.int64] = [renumber[v] for v in loop]
    rings = eye_rings(base.vertices[loop], centre, radius)
    for targets in rings[:-1].reshape(len(EYE_RINGS), len(loop), 3):
        ring = add(targets)
        builder.add_ring(outer, ring, part)
        outer = ring
    pole = int(add(rings[-1:])[0])
    builder.add_fan(np.asarray(outer), pole, part)
    return pole


def _add_mouth(builder: _Builder, loop: list[int], renumber: dict[int, int]) -> None:
    outer: Sequence[int] | NDArray[np.int64] = [renumber[v] for v in loop]
    size = len(loop)
    for scale, push_back in MOUTH_RINGS:
        weights = sp.lil_matrix((size, builder.num_base))
        weights[:, loop] = (1 - scale) / size
        for i, vertex in enumerate(loop):
            weights[i, vertex] += scale
        ring = builder.add(weights, np.array([0, 0, push_back]))
        builder.add_ring(outer, ring, MOUTH)
        outer = ring
    weights = sp.lil_matrix((1, builder.num_base))
    weights[0, loop] = 1 / size
    pole = int(builder.add(weights, np.array([0, 0, -MOUTH_DEPTH_DM]))[0])
    builder.add_fan(np.asarray(outer), pole, MOUTH)


def _head_uv(
    base: BaseMesh, skin: NDArray[np.int64], uv_quads: NDArray[np.int64], used: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    uv = np.full((len(base.vertices), 2), np.nan)
    uv[skin.ravel()] = base.uv[uv_quads.ravel()]
    result = np.full((count, 2), np.nan)
    result[: len(used)] = uv[used]
    return result
