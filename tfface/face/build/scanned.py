"""The pooled model: our cage on the mean of scanned people, identity of both populations, scanned expressions.

`lay_on` brings the cage onto a scanned model's mean, `carry` its modes and expressions to the cage; `pooled_model`
makes of these and of MakeHuman's people one linear model. Topology, chart, landmarks and regions stay those of
MakeHuman's mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.build import population
from tfface.face.build.cage import Cage
from tfface.face.build.carry import Carrier, seat_mouth
from tfface.face.build.eyes import EyeFollower, Sphere, seat_eyes, white_of_eye
from tfface.face.build.ict import ScannedPeople
from tfface.face.build.identity import IdentityModel
from tfface.face.build.masks import build_ambient_occlusion
from tfface.face.build.pooled import pool, vertex_weights, without_rigid
from tfface.face.build.registration import Partners, find_partners, place, register
from tfface.face.open_model import MAX_LEVEL, OpenFace
from tfface.face.traits import fit_shared_traits
from tfface.geometry.icp import NearestOnMesh, move

FloatArray = NDArray[np.floating]
BLINK_REACH = 1.35
"""Lids of the mean eye shut at 1; on that weight also those of wide eyes shall, so the mean's go further."""
GAZE = "eyeLook"


@dataclass(frozen=True)
class LaidOn:
    """The cage on a scanned model's mean.

    Attributes:
        mean: `[C,3]` mm, symmetric, eyes and mouth seated.
        eyes: the spheres of the left and the right eye.
        partners: of the head's vertices at level 2.
        placed: `[N,3]` mm the scanned mean in the cage's frame.
    """

    mean: NDArray[np.float64]
    eyes: tuple[Sphere, Sphere]
    partners: Partners
    placed: NDArray[np.float64]


@dataclass(frozen=True)
class Carried:
    """What a scanned model's people do, on the cage.

    Attributes:
        modes: `[K,C,3]` mm per standard deviation.
        expressions: by ARKit's name, `[C,3]` mm, both sides alike; eyes' membranes are still.
        follower: what the membranes do when the skin moves.
    """

    modes: NDArray[np.float64]
    expressions: dict[str, NDArray[np.float64]]
    follower: EyeFollower


@dataclass(frozen=True)
class PooledModel:
    """The model's arrays, its traits' arrays, the share of variance explained; how the cage lies on the scans."""

    arrays: dict[str, NDArray[Any]]
    traits: dict[str, NDArray[np.float32]]
    explained: float
    laid: LaidOn
    carried: Carried


def lay_on(people: ScannedPeople, cage: Cage, face: OpenFace, begin: FloatArray) -> LaidOn:
    """Bring the cage, from `begin [C,3]` (a face with about the same features), onto a scanned model's mean."""
    surface, (landmarks, theirs) = face.head(MAX_LEVEL), _landmarks(people, face)
    motion = place(people.mean, theirs, surface, begin, landmarks)
    placed = move(motion, people.mean)
    nearest = NearestOnMesh(placed, people.triangles)
    quads = cage.faces.astype(np.int64)
    shape = register(surface, quads, begin, face.cage_mirror, nearest, landmarks, placed[theirs])
    eyes = _alike(white_of_eye(placed[people.eyeballs[0]]), white_of_eye(placed[people.eyeballs[1]]))
    shape = seat_mouth(cage, seat_eyes(cage, shape, eyes))
    shape = (shape + mirrored(shape, face.cage_mirror)) / 2
    partners = find_partners(surface, shape, nearest, people.triangles, motion.rotation)
    return LaidOn(shape, eyes, partners, placed)


def carry(people: ScannedPeople, cage: Cage, face: OpenFace, laid: LaidOn) -> Carried:
    """Modes and expressions of a scanned model on the cage that was laid on its mean."""
    carrier = Carrier(cage, face.head(MAX_LEVEL), laid.partners)
    names = sorted(people.expressions)
    carried = dict(zip(names, carrier(np.stack([people.expressions[name] for name in names])), strict=True))
    expressions = both_sides_alike(carried, face.cage_mirror)
    shut = expressions["eyeBlinkLeft"] + expressions["eyeBlinkRight"]
    follower = EyeFollower(cage, laid.mean, laid.eyes, shut)
    modes = carrier(people.modes, follower(carrier(people.modes)))
    return Carried(follower.followed(modes), expressions, follower)


def pooled_model(
    people: ScannedPeople, cage: Cage, identity: IdentityModel, arrays: dict[str, NDArray[Any]], name: str, count: int
) -> PooledModel:
    """The pooled model.

    Args:
        people: the scanned model.
        cage: its parts.
        identity: MakeHuman's people.
        arrays: the finished model of MakeHuman's people alone (`tfface.face.build.assemble`).
        name: of the pooled model.
        count: of its components.
    """
    own = OpenFace(arrays, {}, "")
    laid = lay_on(people, cage, own, own.cage(population.population_shift(own)))
    carried = carry(people, cage, own, laid)
    front = front_of(own)
    weights = vertex_weights(laid.mean, cage.faces.astype(np.int64), front)
    bases = (carried.follower.followed(identity.basis), carried.modes)
    made, scanned = (without_rigid(basis, laid.mean, weights * front) for basis in bases)
    joined = pool(made, scanned, own.cage_mirror, weights, count)
    of_people = (identity.coefficients - identity.coefficients.mean(0)) @ joined.coefficients(made)
    names = [str(each) for each in arrays["exp_names"]]
    expressions = join_expressions(carried.expressions, names, arrays["exp_basis"].astype(np.float64), cage)
    result = {
        **arrays,
        "name": np.array(name),
        "mean": laid.mean.astype(np.float32),
        "id_basis": joined.basis.astype(np.float16),
        "exp_basis": expressions.astype(np.float16),
    }
    result["ambient_occlusion"] = build_ambient_occlusion(OpenFace(result, {}, "")).astype(np.float16)
    traits = fit_shared_traits(of_people, identity.traits)
    return PooledModel(result, traits, float(joined.explained[-1]), laid, carried)


def front_of(face: OpenFace) -> NDArray[np.bool_]:
    """`[C]` the cage's vertices that the face's regions (not ears, neck and skull) hang on."""
    used = face.face(MAX_LEVEL).matrix[np.flatnonzero(face.regions)].indices
    front = np.zeros(len(face.mean), bool)
    front[used] = True
    return front


def mirrored(field: FloatArray, mirror: NDArray[np.integer]) -> NDArray[np.float64]:
    """A shape or a field of offsets `[...,C,3]` on the other side of the face."""
    return np.asarray(np.asarray(field)[..., mirror, :] * [-1.0, 1.0, 1.0])


def opposite(name: str) -> str:
    """ARKit's name of the same movement on the other side, or to it."""
    for ending, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(ending):
            return name.removesuffix(ending) + other
    return name


def both_sides_alike(
    fields: dict[str, NDArray[np.float64]], mirror: NDArray[np.integer]
) -> dict[str, NDArray[np.float64]]:
    """Expressions, each the mean of itself and of its opposite mirrored."""
    return {name: (field + mirrored(fields[opposite(name)], mirror)) / 2 for name, field in fields.items()}


def join_expressions(
    scanned: dict[str, NDArray[np.float64]], names: list[str], made: FloatArray, cage: Cage
) -> NDArray[np.float64]:
    """`[52,C,3]` mm at weight 1: the scanned ones, and MakeHuman's `made [52,C,3]` where there is none (the tongue).

    The scanned eyeballs stay still under every expression, so the membranes keep MakeHuman's gaze. Scanned lids shut
    the mean face's eyes exactly; they go on by `BLINK_REACH`.
    """
    membranes = np.concatenate([cage.eye(0), cage.eye(1)])
    result = np.array(made, np.float64)
    for index, name in enumerate(names):
        if name not in scanned:
            continue
        result[index] = scanned[name] * (BLINK_REACH if name.startswith("eyeBlink") else 1.0)
        if name.startswith(GAZE):
            result[index, membranes] = made[index, membranes]
    return result


def _landmarks(people: ScannedPeople, face: OpenFace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The landmarks that are the same place whoever draws them: vertices of our head at level 2, and of the scan."""
    numbers = population.scanned_points()[0]
    on_face = face.head_to_face(MAX_LEVEL)
    head_of = np.full(face.face(MAX_LEVEL).matrix.shape[0], -1)
    head_of[on_face[on_face >= 0]] = np.flatnonzero(on_face >= 0)
    return head_of[face.landmarks68_2d[numbers]], people.landmarks68[numbers]


def _alike(left: Sphere, right: Sphere) -> tuple[Sphere, Sphere]:
    """Both eyes as the mean of each and the other's mirror image."""
    centre = (left.centre + right.centre * [-1.0, 1.0, 1.0]) / 2
    radius = (left.radius + right.radius) / 2
    return Sphere(centre, radius), Sphere(centre * [-1.0, 1.0, 1.0], radius)
