"""Eyeballs, teeth, gums, tongue and the mouth's cavity of the pooled model, with what identity and expressions do.

Teeth and tongue are MakeHuman's (the helpers of its base mesh, CC0), laid where the scanned people's teeth lie;
eyeballs are spheres where the membranes lie; the cavity hangs from the lips. Identity moves the teeth as it moves the
lips in front of them, as a whole (shift, turn, size), and eyeballs as the lids say. The lower jaw's expressions move
lower teeth and tongue as the scanned lower teeth go; gaze turns eyeballs as MakeHuman's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.cage import Cage
from tfface.face.build.eyes import Sphere, rows_round
from tfface.face.build.ict import ScannedPeople
from tfface.face.build.makehuman import BaseMesh
from tfface.face.build.scanned import LaidOn, PooledModel
from tfface.face.parts import MATERIALS, PART_NAMES

FloatArray = NDArray[np.floating]
MM_PER_DM = 100.0
EYE_ANGLES_DEG = (3.5, 7.5, 11.0, 15.0, 19.0, 23.0, 30.0, 42.0, 58.0, 75.0, 95.0, 120.0, 150.0)
"""Of the eyeball's rings from the middle of the pupil."""
PUPIL_DEG, IRIS_DEG = 7.5, 23.0
EYE_COLUMNS = 20
LIP_ROWS = 3
FRONT_MM = 6.0
BESIDE_MM, GUM_MM = 9.0, 2.0
CAVITY_RINGS = (
    (1.0, 1.0, 4.0),
    (1.05, 5.0, 15.0),
    (1.2, 17.0, 28.0),
    (1.2, 20.0, 46.0),
    (0.9, 14.0, 56.0),
    (0.02, 0.3, 62.0),
)
"""Of the mouth's cavity: width as a share of the lips', half height in mm (the first: the lips' own), depth in mm."""
ARCH, BACK_MM = 0.93, 1.0
"""MakeHuman's arch is squarer than people's, and came through the lips' corners: narrower than scanned, and behind."""
FORWARD_MM = {"upper": 4.0, "lower": 3.5}
"""Scanned front teeth stand 11 mm behind the lips' line, and a mouth turned aside shows a dark gap. So much further
forward closed lips still hide them, but for slivers where lips are rolled in or shrugged; the last molars stay."""
TONGUE_SIZE, TONGUE_SHIFT_MM = 0.9, (0.0, -5.0, 0.0)
"""MakeHuman's fills the mouth up to the palate; people's rests below the lower teeth's edge."""
TONGUE_LIFT_MM = 9.0
"""`tongueOut` lifts it over the lower teeth and lip again."""
SUNK_MM = 0.6
"""How much smaller an eyeball is than its membrane's sphere: a turn that is linear in the weight swells it a little."""
JAW = ("jawOpen", "jawLeft", "jawRight", "jawForward")


@dataclass
class _Pieces:
    """Collects pieces."""

    vertices: list[NDArray[np.float64]] = field(default_factory=list)
    quads: list[NDArray[np.int64]] = field(default_factory=list)
    part: list[NDArray[np.uint8]] = field(default_factory=list)
    material: list[NDArray[np.uint8]] = field(default_factory=list)
    identity: list[NDArray[np.float64]] = field(default_factory=list)
    expression: list[NDArray[np.float64]] = field(default_factory=list)

    def add(
        self, name: str, vertices: FloatArray, quads: NDArray[np.integer], material: NDArray[np.integer],
        identity: FloatArray, expression: FloatArray,
    ) -> None:  # fmt: skip
        count = sum(map(len, self.vertices))
        self.vertices.append(np.asarray(vertices))
        self.quads.append(np.where(quads >= 0, quads + count, -1))
        self.part.append(np.full(len(quads), PART_NAMES.index(name), np.uint8))
        self.material.append(material.astype(np.uint8))
        self.identity.append(np.asarray(identity))
        self.expression.append(np.asarray(expression))


def build_parts(
    base: BaseMesh, cage: Cage, people: ScannedPeople, pooled: PooledModel, tongue_out: FloatArray
) -> dict[str, NDArray[Any]]:
    """The arrays of `tfface.face.parts.FaceParts`.

    Args:
        base: MakeHuman's mesh; cage: the parts of the skin's mesh.
        people: the scanned model; pooled: the face model that was made of both.
        tongue_out: `[B,3]` dm, what MakeHuman's `tongueOut` does to its base mesh.
    """
    laid, follower = pooled.laid, pooled.carried.follower
    identity, expressions = (pooled.arrays[name].astype(np.float64) for name in ("id_basis", "exp_basis"))
    names = [str(name) for name in pooled.arrays["exp_names"]]
    pieces, still = _Pieces(), np.zeros((len(names), 1, 3))
    for side, name in enumerate(PART_NAMES[:2]):
        vertices, quads, material = eyeball(laid.eyes[side])
        moved = _sphere_offsets(vertices, laid.eyes[side], [follower.sphere(side, part) for part in identity])
        pieces.add(name, vertices, quads, material, moved, _gaze(vertices, cage, laid, expressions, side))
    follow = {upper: Follow(cage, laid.mean, upper) for upper in (True, False)}
    jaw = _jaw_offsets(people, laid, names)
    for name, upper in (("upper teeth", True), ("lower teeth", False)):
        vertices, quads = _teeth(base, people, laid, upper)
        moved = still + np.zeros((1, len(vertices), 3)) if upper else jaw(vertices)
        pieces.add(
            name, vertices, quads, _tooth_or_gum(vertices, quads, upper), follow[upper](vertices, identity), moved
        )
    vertices, quads, chosen = _tongue(base, people, laid)
    moved = jaw(vertices)
    moved[names.index("tongueOut")] += _over_the_lip(tongue_out[chosen] * MM_PER_DM)
    pieces.add("tongue", vertices, quads, _all_of("tongue", quads), follow[False](vertices, identity), moved)
    _add_cavity(pieces, cage, laid, follow, jaw, identity, expressions)
    return {
        "mean": np.concatenate(pieces.vertices).astype(np.float32),
        "quads": np.concatenate(pieces.quads).astype(np.int16),
        "part": np.concatenate(pieces.part),
        "material": np.concatenate(pieces.material),
        "id_basis": np.concatenate(pieces.identity, axis=1).astype(np.float16),
        "exp_basis": np.concatenate(pieces.expression, axis=1).astype(np.float16),
    }


def eyeball(eye: Sphere) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """A sphere that looks along +z: vertices `[262,3]`, quads, and their materials."""
    tilt = np.radians(EYE_ANGLES_DEG)[:, None]
    turn = 2 * np.pi * np.arange(EYE_COLUMNS) / EYE_COLUMNS
    rings = np.stack(np.broadcast_arrays(np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)), -1)
    unit = np.concatenate([rings.reshape(-1, 3), [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]])
    quads = [grid_quads(len(EYE_ANGLES_DEG), EYE_COLUMNS)]
    column = np.arange(EYE_COLUMNS)
    after, front, last = (column + 1) % EYE_COLUMNS, len(unit) - 2, (len(EYE_ANGLES_DEG) - 1) * EYE_COLUMNS
    quads.append(np.stack([np.full_like(column, front), column, after, np.full_like(column, -1)], -1))
    quads.append(np.stack([np.full_like(column, front + 1), last + after, last + column, np.full_like(column, -1)], -1))
    faces = np.concatenate(quads)
    middle = np.where((faces >= 0)[..., None], unit[faces], np.nan)
    angle = np.degrees(np.arccos(np.clip(np.nanmean(middle, 1)[:, 2], -1, 1)))
    kind = np.where(angle < PUPIL_DEG, "pupil", np.where(angle < IRIS_DEG, "iris", "sclera"))
    material = np.array([MATERIALS.index(each) for each in kind], np.uint8)
    return eye.centre + (eye.radius - SUNK_MM) * unit, faces, material


def grid_quads(rows: int, columns: int) -> NDArray[np.int64]:
    """Quads of rings of vertices numbered ring by ring, each closed."""
    row, column = np.mgrid[0 : rows - 1, 0:columns]
    after = (column + 1) % columns
    corners = [row * columns + column, (row + 1) * columns + column, (row + 1) * columns + after, row * columns + after]
    return np.stack(corners, -1).reshape(-1, 4)


class Follow:
    """Moves points behind a lip as the lip goes on the whole: a shift, a small turn, a change of size."""

    def __init__(self, cage: Cage, shape: FloatArray, upper: bool) -> None:
        near = rows_round(cage, cage.lip_loop, LIP_ROWS)
        height = shape[cage.lip_loop, 1].mean()
        self.lip = near[(shape[near, 1] > height) == upper]
        self.centre = shape[self.lip].mean(0)
        self.solve = np.linalg.pinv(self._system(shape[self.lip]))

    def __call__(self, points: FloatArray, fields: FloatArray) -> NDArray[np.float64]:
        """Offsets `[K,P,3]` at `points [P,3]` for fields `[K,C,3]` of the cage."""
        amounts = np.asarray(fields)[:, self.lip].reshape(len(fields), -1) @ self.solve.T
        return np.asarray((amounts @ self._system(points).T).reshape(len(fields), -1, 3))

    def _system(self, points: FloatArray) -> NDArray[np.float64]:
        """`[3P,7]`."""
        arm = points - self.centre
        columns = [np.broadcast_to(axis, arm.shape) for axis in np.eye(3)]
        columns += [np.cross(axis, arm) for axis in np.eye(3)] + [arm]
        return np.stack([column.reshape(-1) for column in columns], -1)


def _sphere_offsets(points: FloatArray, eye: Sphere, changes: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    directions = (points - eye.centre) / eye.radius
    return np.stack([change[:3] + change[3] * directions for change in changes])


def _gaze(points: FloatArray, cage: Cage, laid: LaidOn, expressions: FloatArray, side: int) -> NDArray[np.float64]:
    """The turn of an eyeball that moves its membrane as the expressions do; linear in the weight."""
    centre = laid.eyes[side].centre
    membrane = laid.mean[cage.eye(side)] - centre
    linear = np.linalg.pinv(membrane) @ expressions[:, cage.eye(side)]
    turn = (linear - linear.transpose(0, 2, 1)) / 2
    return np.asarray((points - centre) @ turn)


def _jaw_offsets(people: ScannedPeople, laid: LaidOn, names: list[str]) -> Any:
    """A function of points `[P,3]`: what expressions of the jaw do there `[E,P,3]`, as scanned lower teeth go."""
    teeth = people.teeth[1]
    inverse = np.linalg.pinv(np.c_[laid.placed[teeth], np.ones(len(teeth))])
    affine = np.zeros((len(names), 4, 3))
    for name in JAW:
        affine[names.index(name)] = inverse @ (people.expressions[name][teeth] @ laid.partners.rotation.T)

    def offsets(points: FloatArray) -> NDArray[np.float64]:
        return np.asarray(np.c_[points, np.ones(len(points))] @ affine)

    return offsets


def _helper(base: BaseMesh, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices of a group of the base mesh, and its quads in their numbers."""
    chosen = [quad for quad, group in zip(base.quads, base.groups, strict=True) if group == name]
    quads = np.array([quad if len(quad) == 4 else [*quad, -1] for quad in chosen])
    vertices = np.unique(quads[quads >= 0])
    return vertices, np.where(quads >= 0, np.searchsorted(vertices, quads), -1)


def _on_scan(base: BaseMesh, people: ScannedPeople, laid: LaidOn, upper: bool) -> tuple[FloatArray, FloatArray]:
    """Scale and shift that lay MakeHuman's teeth (mm) over the scanned ones: width, cutting edge, and their front drawn
    forward."""
    forward = FORWARD_MM["upper" if upper else "lower"]
    own = base.vertices[_helper(base, "helper-upper-teeth" if upper else "helper-lower-teeth")[0]] * MM_PER_DM
    scanned = laid.placed[people.teeth[0 if upper else 1]]
    width, length = ((np.ptp(scanned[:, axis]) + more) / np.ptp(own[:, axis]) for axis, more in ((0, 0), (2, forward)))
    scale = np.array([ARCH * width, 1.0, length])
    ends = []
    for points in (own * scale, scanned):
        front = points[points[:, 2] > points[:, 2].max() - FRONT_MM]
        ends.append(np.array([0.0, front[:, 1].min() if upper else front[:, 1].max(), points[:, 2].max()]))
    return scale, ends[1] - ends[0] + [0.0, 0.0, forward - BACK_MM]


def _teeth(
    base: BaseMesh, people: ScannedPeople, laid: LaidOn, upper: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    chosen, quads = _helper(base, "helper-upper-teeth" if upper else "helper-lower-teeth")
    scale, shift = _on_scan(base, people, laid, upper)
    return base.vertices[chosen] * MM_PER_DM * scale + shift, quads


def _tongue(
    base: BaseMesh, people: ScannedPeople, laid: LaidOn
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    chosen, quads = _helper(base, "helper-tongue")
    scale, shift = _on_scan(base, people, laid, upper=False)
    vertices = base.vertices[chosen] * MM_PER_DM * scale + shift
    root = vertices[vertices[:, 2].argmin()] * [0.0, 1.0, 1.0]
    return root + (vertices - root) * TONGUE_SIZE + TONGUE_SHIFT_MM, quads, chosen


def _over_the_lip(moved: FloatArray) -> NDArray[np.float64]:
    """A tongue's offsets `[P,3]` that lift it by as much as it was laid lower, most where it comes out most."""
    share = moved[:, 2:] / moved[:, 2].max()
    return np.asarray(moved + share * [0.0, TONGUE_LIFT_MM, 0.0])


def _tooth_or_gum(vertices: FloatArray, quads: NDArray[np.integer], upper: bool) -> NDArray[np.uint8]:
    """A column of a band is gum, outer side and inner side of teeth: gum lies `GUM_MM` beyond the column's middle."""
    middle = np.array([vertices[quad[quad >= 0]].mean(0) for quad in quads])
    across = np.linalg.norm(middle[:, None, [0, 2]] - middle[None, :, [0, 2]], axis=-1) < BESIDE_MM
    above = middle[:, 1] - (across * middle[:, 1]).sum(1) / across.sum(1)
    gum = above > GUM_MM if upper else above < -GUM_MM
    return np.where(gum, MATERIALS.index("gum"), MATERIALS.index("tooth")).astype(np.uint8)


def _all_of(material: str, quads: NDArray[np.integer]) -> NDArray[np.uint8]:
    return np.full(len(quads), MATERIALS.index(material), np.uint8)


def _add_cavity(
    pieces: _Pieces, cage: Cage, laid: LaidOn, follow: dict[bool, Follow], jaw: Any, identity: FloatArray,
    expressions: FloatArray,
) -> None:  # fmt: skip
    """Rings from the lip loop to the throat, wide behind the lips; the lower half goes with the jaw."""
    lips = laid.mean[cage.lip_loop]
    middle, half = lips.mean(0), np.abs(lips[:, 0]).max()
    across = (lips[:, 0] - middle[0]) / half
    upper = _upper_half(lips)
    rings = [lips]
    for width, height, depth in CAVITY_RINGS:
        bow = np.sqrt(np.maximum(1 - across**2, 0.0)) * np.where(upper, 1, -1)
        own = lips[:, 1] - middle[1] if height == 1.0 else bow * height
        rings.append(np.stack([middle[0] + across * half * width, middle[1] + own, lips[:, 2] - depth], -1))
    vertices = np.concatenate(rings)
    is_upper = np.tile(upper, len(rings))
    moved = np.where(is_upper[:, None], follow[True](vertices, identity), follow[False](vertices, identity))
    shown = np.where(is_upper[:, None], 0.0, jaw(vertices))
    count = len(lips)
    moved[:, :count], shown[:, :count] = identity[:, cage.lip_loop], expressions[:, cage.lip_loop]
    moved[:, count : 2 * count], shown[:, count : 2 * count] = moved[:, :count], shown[:, :count]
    quads = grid_quads(len(rings), count)
    pieces.add("mouth cavity", vertices, _facing_out(vertices, quads), _all_of("flesh", quads), moved, shown)


def _upper_half(lips: FloatArray) -> NDArray[np.bool_]:
    """Which of the lip loop `[38,3]` lie on the upper lip: the way round from corner to corner that is higher."""
    left, right = int(lips[:, 0].argmax()), int(lips[:, 0].argmin())
    place = np.arange(len(lips))
    one = ((place - left) % len(lips)) < ((right - left) % len(lips))
    return one if lips[one, 1].mean() > lips[~one, 1].mean() else ~one


def _facing_out(vertices: FloatArray, quads: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cavity's quads, seen from within: their normals point to the middle of the mouth."""
    a, b, c = (vertices[quads[:, k]] for k in range(3))
    inwards = (np.cross(b - a, c - a) * (vertices.mean(0) - a)).sum()
    return quads if inwards > 0 else quads[:, ::-1]
