"""One person's shape from what a network found in several pictures.

A network with `model.points` finds points of the face in a picture, each with its deviation, and differences of pairs
of them (`tfface.models.layers.points`). One picture's points say little of depth; together, pictures of one person do.
So all pictures are solved at once, as the network solves each, by Gauss-Newton steps on

    sum_k [ |found_k - seen_k(i, e_k, pose_k)|^2 / (inflation sigma_k)^2 + |own_k - first_k|^2 / tau^2 ] + |i|^2

where identity i (in standard deviations of people) is shared and each picture k keeps its own expression e_k, rotation
and camera (own_k), which start where the heads put them (first_k). Two pictures taken together may share their
expression too. Each picture's normal equations are reduced to the shared numbers (Schur complement) and summed, so a
picture adds a matrix and a vector, whatever their number: `Person` is the running form.

`tfface.face.found` says what is expected of points, and how far they may be trusted.

NumPy alone. The fusion of estimates by their information matrices is Kalman's (1960); points with deviations to which
a face is fitted are those of Wood et al. 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.found import Found, PointModel
from tfface.face.layout import Layout, camera_of
from tfface.face.open_model import load_open_face
from tfface.geometry.camera import Camera
from tfface.geometry.pinhole import projected
from tfface.geometry.rotation import euler_to_matrix, matrix_to_euler

FloatArray = NDArray[np.floating]
EXPRESSION_SHARPNESS, EXPRESSION_START = 4.0, -0.5
"""Of the ramp that makes a raw number an expression weight, as in `tfface.models.layers.coefficients`."""
ROUNDS = 2
CAMERA_STEP = 1e-4
LEAST_WORTH = 0.3
"""A picture worth less than this part of the set's best shows next to nothing of the face."""


@dataclass
class _Picture:
    """One picture's own numbers as they stand, and its last normal equations."""

    found: Found
    expression: FloatArray
    rotation: FloatArray
    camera: FloatArray
    start: tuple[FloatArray, FloatArray, FloatArray]

    @classmethod
    def begin(cls, found: Found, layout: Layout) -> _Picture:
        parts = layout.split(found.unmoved_coefficients)
        pitch, yaw, roll = (float(angle) for angle in parts["angles"])
        own = (raw_expression(parts["expression"]), euler_to_matrix(yaw, pitch, roll), parts["camera"])
        return cls(found, *own, start=own)

    def beside_start(self) -> FloatArray:
        """From where the numbers stand to what the heads predicted: expression, turn, camera."""
        expression, rotation, camera = self.start
        turn = rotation @ self.rotation.T
        axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
        return np.concatenate([expression - self.expression, axis, camera - self.camera])

    def move(self, change: FloatArray) -> None:
        """Adds a change of expression, turn and camera."""
        size = len(self.expression)
        self.expression = self.expression + change[:size]
        self.rotation = small_turn(change[size : size + 3]) @ self.rotation
        self.camera = self.camera + change[size + 3 :]

    def coefficients(self, identity: FloatArray, layout: Layout) -> NDArray[np.float32]:
        """`[N]` as the network gives them; albedo and light are the heads'."""
        yaw, pitch, roll = matrix_to_euler(self.rotation)
        parts = layout.split(self.found.unmoved_coefficients)
        weights = expression_weights(self.expression)
        new = {"identity": identity, "expression": weights, "angles": [pitch, yaw, roll], "camera": self.camera}
        return np.concatenate([*{**parts, **new}.values()]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Together:
    """One person as all pictures see him or her.

    Attributes:
        identity: `[I]` what was found and what that means (`Trust.meant`).
        found: `[I]` the minimum itself.
        coefficients: of each picture `[N]`, with the shared identity.
        strangeness: of each picture, how far its own idea of the identity lies from the others': the logarithm of how
            much likelier it is another person's (natural, over the number of identity coefficients); 0 of one alone.
        worth: how much each picture says of the identity: `log det(1 + its information) / 2`, over that number.
    """

    identity: FloatArray
    found: FloatArray
    coefficients: list[NDArray[np.float32]]
    strangeness: FloatArray
    worth: FloatArray

    def with_identity(self, identity: FloatArray, layout: Layout) -> Together:
        """The same with another shared identity `[I]`."""
        every_part = [{**layout.split(numbers), "identity": identity} for numbers in self.coefficients]
        moved = [np.concatenate([*parts.values()]).astype(np.float32) for parts in every_part]
        return replace(self, identity=identity, coefficients=moved)


def solve_together(
    pictures: Sequence[Found],
    model: PointModel,
    same_expression: bool = False,
    confidences: FloatArray | None = None,
) -> Together:
    """The shape that one person's pictures show together; what shows next to nothing of a face is not counted.

    Args:
        pictures: one or more, of the network of `model`.
        same_expression: they were taken at one moment.
        confidences: `[P,I]` of each picture in each identity coefficient, by whose ratios its information counts.
    """
    layout, usual = model.layout, model.trust.begin(model.layout.identity)
    identity, each = usual, [_Picture.begin(found, layout) for found in pictures]
    size = layout.identity + layout.expression * same_expression
    if same_expression:
        _share_expression(each)
    shares = np.ones((len(each), size))
    if confidences is not None:
        shares[:, : layout.identity] = np.sqrt(confidences / confidences.mean(axis=0))
    for _ in range(ROUNDS):
        reduced = [_reduced(picture, identity, model, size) for picture in each]
        counted = np.flatnonzero(useful(_worth(reduced, layout.identity)))
        matrix, vector = _prior(identity - usual, each[0], len(counted), model, size)
        for index in counted:
            share, one = shares[index], reduced[index]
            matrix, vector = matrix + share[:, None] * one.matrix * share, vector + share * one.vector
        change = _solution(matrix, vector)
        for picture, one in zip(each, reduced, strict=True):
            picture.move(np.concatenate([change[layout.identity :], one.own_change(change)]))
        identity = identity + change[: layout.identity]
    ended = [_reduced(picture, identity, model, layout.identity) for picture in each]
    meant = model.trust.meant(identity)
    coefficients = [picture.coefficients(meant, layout) for picture in each]
    strangeness = _strangeness(ended, identity - usual)
    return Together(meant, identity, coefficients, strangeness, _worth(ended, layout.identity))


def solve_alone(found: Found, model: PointModel) -> FloatArray:
    """The identity `[I]` that one picture's points show and what that means (`Trust.meant`)."""
    person = Person(model)
    person.add(found)
    return person.identity


class Person:
    """The running form: a picture at a time, each linearised where it was added, nothing kept but the sums.

    Attributes:
        information: `[I,I]` of identity so far, the unit matrix (people differ by a deviation) included.
        vector: `[I]` such that `information @ identity = vector`, before what that means.
    """

    def __init__(self, model: PointModel) -> None:
        self.model = model
        self.information: FloatArray = np.eye(model.layout.identity)
        self.vector: FloatArray = model.trust.begin(model.layout.identity)

    @property
    def identity(self) -> FloatArray:
        """`[I]` as all pictures so far show it."""
        return self.model.trust.meant(self._found)

    @property
    def _found(self) -> FloatArray:
        return _solution(self.information, self.vector)

    def add(self, found: Found, rounds: int = ROUNDS) -> NDArray[np.float32]:
        """Takes in a picture; its coefficients `[N]` with the identity that is known now."""
        picture, identity = self._seen(found, rounds)
        one = _reduced(picture, identity, self.model, self.model.layout.identity)
        self.information = self.information + one.matrix
        self.vector = self.vector + one.vector + one.matrix @ identity
        return picture.coefficients(self.identity, self.model.layout)

    def look(self, found: Found, rounds: int = ROUNDS) -> NDArray[np.float32]:
        """The coefficients `[N]` of a picture with the identity that is known, which stays as it is."""
        return self._seen(found, rounds)[0].coefficients(self.identity, self.model.layout)

    def _seen(self, found: Found, rounds: int) -> tuple[_Picture, FloatArray]:
        """A picture's own numbers, and the identity that it and those before it show."""
        picture, identity = _Picture.begin(found, self.model.layout), self._found
        for _ in range(rounds):
            one = _reduced(picture, identity, self.model, self.model.layout.identity)
            vector = self.vector - self.information @ identity + one.vector
            change = _solution(self.information + one.matrix, vector)
            picture.move(one.own_change(change))
            identity = identity + change
        return picture, identity


@dataclass(frozen=True)
class _Reduced:
    """A picture's normal equations of the shared numbers alone, and how its own numbers follow from theirs."""

    matrix: FloatArray
    vector: FloatArray
    follow: FloatArray

    def own_change(self, shared: FloatArray) -> FloatArray:
        return np.asarray(self.follow[:, -1] - self.follow[:, :-1] @ shared)


def _reduced(picture: _Picture, identity: FloatArray, model: PointModel, shared: int) -> _Reduced:
    """The Schur complement of the numbers after the first `shared` in the picture's normal equations."""
    jacobian, residual = _whitened(picture, identity, model)
    single = jacobian.astype(np.float32)  # the sum is half of the work; priors are added in double
    matrix, vector = (single.T @ single).astype(np.float64), jacobian.T @ residual
    own = np.arange(model.layout.identity, len(matrix))
    precision = 1 / model.deviations**2
    matrix[own, own] += precision
    vector[own] += precision * picture.beside_start()
    cross = matrix[shared:, :shared]
    follow = _solution(matrix[shared:, shared:], np.column_stack([cross, vector[shared:]]))
    return _Reduced(
        matrix[:shared, :shared] - cross.T @ follow[:, :-1], vector[:shared] - cross.T @ follow[:, -1], follow
    )


def _whitened(picture: _Picture, identity: FloatArray, model: PointModel) -> tuple[FloatArray, FloatArray]:
    """Derivatives and residuals of points and pairs by their deviations: `[R,K]` and `[R]`."""
    found, size = picture.found, model.layout.identity
    share = model.trust.share(found.point_deviations)[:, None, None]
    seen, jacobian = _linearised(picture, identity, share, model)
    jacobian[:, :, :size] *= share
    if model.trust.shows is not None:
        jacobian[:, :, :size] = jacobian[:, :, :size] @ model.trust.shows.T
    first, second = model.pairs.T
    rows = np.concatenate([jacobian, jacobian[first] - jacobian[second]])
    off = np.concatenate([found.points - seen, found.differences - (seen[first] - seen[second])])
    sigma = np.concatenate([found.point_deviations, found.difference_deviations])
    weight = 1 / (sigma * model.trust.inflation * np.sqrt(model.looks))
    return (rows * weight[:, None, None]).reshape(-1, rows.shape[-1]), (off * weight[:, None]).ravel()


def _linearised(
    picture: _Picture, identity: FloatArray, share: FloatArray, model: PointModel
) -> tuple[FloatArray, FloatArray]:
    """The points `[M,2]` as the face stands, and their derivatives `[M,2,K]` by identity, expression, turn, camera."""
    ids = model.layout.identity
    shown = share[:, :, 0] * model.trust.shown(identity)  # what a point shows of who it is
    weights = np.broadcast_to(expression_weights(picture.expression), (len(shown), model.layout.expression))
    shape = model.mean + (np.concatenate([shown, weights], axis=1)[:, None] @ model.basis)[:, 0]
    turned = shape @ picture.rotation.T
    x, y, z = turned.T
    kind, zero = model.layout.camera, np.zeros_like(x)
    seen, before = _seen(turned, picture.camera, kind), _pixels_a_mm(turned, picture.camera, kind)
    shapes = np.swapaxes(model.basis @ np.swapaxes(before @ picture.rotation, 1, 2), 1, 2)
    shapes[:, :, ids:] *= 1 / (1 + np.exp(-EXPRESSION_SHARPNESS * (picture.expression + EXPRESSION_START)))
    spin = np.stack([np.stack(c, -1) for c in ((zero, -z, y), (z, zero, -x), (-y, x, zero))], -1)
    columns = [shapes, before @ spin]
    for step in CAMERA_STEP * np.eye(len(picture.camera)):
        ahead, behind = _seen(turned, picture.camera + step, kind), _seen(turned, picture.camera - step, kind)
        columns.append(((ahead - behind) / (2 * CAMERA_STEP))[..., None])
    return seen, np.concatenate(columns, axis=-1)


def _pinhole(turned: FloatArray, numbers: FloatArray, kind: str) -> tuple[FloatArray, FloatArray, FloatArray, Camera]:
    """u, v and pixels a millimetre `[M]` of turned points `[M,3]`, and the camera of these numbers."""
    camera = camera_of(np.zeros(3), numbers, kind)
    x, y, z = (turned + load_open_face().centre - camera.origin_mm).T
    centre = (camera.centre_px[0], camera.centre_px[1])
    return *projected(x, y, z, camera.focal_px, camera.distance_mm, centre), camera


def _seen(turned: FloatArray, numbers: FloatArray, kind: str) -> FloatArray:
    """Turned points `[M,3]` in pixels of the crop `[M,2]`."""
    u, v, _, _ = _pinhole(turned, numbers, kind)
    return np.stack([u, v], -1)


def _pixels_a_mm(turned: FloatArray, numbers: FloatArray, kind: str) -> FloatArray:
    """How points in the crop move with turned points: `[M,2,3]`."""
    u, v, k, camera = _pinhole(turned, numbers, kind)
    nearer, zero = k / camera.focal_px, np.zeros_like(k)
    rows = [k, zero, nearer * (u - camera.centre_px[0])], [zero, -k, nearer * (v - camera.centre_px[1])]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _share_expression(each: list[_Picture]) -> None:
    """Lets all pictures start from their mean expression, which then counts as the predicted one."""
    mean = np.mean([picture.expression for picture in each], axis=0)
    for picture in each:
        picture.expression = mean
        picture.start = (mean, *picture.start[1:])


def _prior(
    beyond: FloatArray, first: _Picture, counted: int, model: PointModel, size: int
) -> tuple[FloatArray, FloatArray]:
    """What is known of the shared numbers before any picture, where identity is `beyond` the usual one; a shared
    expression is predicted once, not by each counted."""
    matrix, vector = np.eye(size), np.zeros(size)
    vector[: len(beyond)] = -beyond
    if size > len(beyond):
        count = size - len(beyond)
        own = np.arange(len(beyond), size)
        certainty = (1 - counted) / model.deviations[:count] ** 2
        matrix[own, own] = certainty
        vector[own] = certainty * first.beside_start()[:count]
    return matrix, vector


def _worth(pictures: Sequence[_Reduced], size: int) -> FloatArray:
    """`Together.worth` of each, of its first `size` numbers."""
    matrices = [np.eye(size) + one.matrix[:size, :size] for one in pictures]
    return np.array([np.linalg.slogdet(matrix)[1] / 2 / size for matrix in matrices])


def useful(worth: FloatArray) -> NDArray[np.bool_]:
    """Which pictures of this `Together.worth` show more than next to nothing."""
    return worth >= LEAST_WORTH * worth.max()


def _strangeness(ended: list[_Reduced], beyond: FloatArray) -> FloatArray:
    """For each picture the log likelihood ratio of two people against one, over the number of coefficients.

    With the information L and the vector e (about the usual face, `beyond` which identity is) of a picture and of the
    others, the evidence of a Gaussian with a standard normal prior is `e (1 + L)^-1 e / 2 - log det(1 + L) / 2`.
    """
    if len(ended) < 2:
        return np.zeros(len(ended))
    vectors = [one.vector + one.matrix @ beyond for one in ended]
    total, sums = sum(one.matrix for one in ended), sum(vectors)
    together = _evidence(total, sums)
    apart = [
        _evidence(one.matrix, vector) + _evidence(total - one.matrix, sums - vector) - together
        for one, vector in zip(ended, vectors, strict=True)
    ]
    return np.array(apart) / len(beyond)


def _solution(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.solve(matrix, vector), np.float64)


def _evidence(matrix: Any, vector: Any) -> float:
    precision = np.eye(len(vector)) + matrix
    return float(vector @ np.linalg.solve(precision, vector) - np.linalg.slogdet(precision)[1]) / 2


def expression_weights(raw: FloatArray) -> FloatArray:
    """ARKit weights of raw numbers (`tfface.models.layers.coefficients`)."""
    return np.asarray(np.logaddexp(0, EXPRESSION_SHARPNESS * (raw + EXPRESSION_START)) / EXPRESSION_SHARPNESS)


def raw_expression(weights: NDArray[np.floating]) -> FloatArray:
    """The raw numbers of ARKit weights."""
    scaled = EXPRESSION_SHARPNESS * np.maximum(np.asarray(weights, np.float64), 1e-9)
    return np.asarray(np.log(np.expm1(scaled)) / EXPRESSION_SHARPNESS - EXPRESSION_START)


def small_turn(vector: FloatArray) -> FloatArray:
    """The rotation `[3,3]` about an axis `[3]` by its length in radians (Rodrigues)."""
    angle = float(np.sqrt(vector @ vector + 1e-24))
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
