"""One person through a video: an identity that grows surer, and an expression and a pose that do not jitter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tfface.face.found import Found, PointModel
from tfface.face.layout import CROP_SIZE
from tfface.face.open_model import load_open_face
from tfface.face.several import Person
from tfface.geometry.align import crop_transform, invert_transform, transform_points, transform_scale
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import geodesic_angle
from tfface.result import FaceResult
from tfface.video.smooth import OneEuro, OneEuroTurn

FloatArray = NDArray[np.floating]
EXPRESSION_CUTOFF, EXPRESSION_BETA = 1.5, 8.0
TURN_CUTOFF, TURN_BETA = 1.0, 20.0
PLACE_CUTOFF, PLACE_BETA = 1.0, 0.05
"""Hz, and Hz a unit a second: weights, quaternions, mm in the picture's plane."""
NEW_VIEW_RAD = float(np.radians(4.0))
MOST_VIEWS = 40
"""The identity takes in so many frames, each turned by at least that much from those before: frames alike err alike."""


@dataclass(frozen=True, eq=False)
class Moment:
    """A person in a frame.

    Attributes:
        frame: its number; seconds: since the video's begin.
        expression: `[52]` ARKit weights.
        quaternion: `[4]` the head's turn, x, y, z, w.
        camera: that shows the face in the frame (`docs/conventions.md`).
    """

    frame: int
    seconds: float
    expression: FloatArray
    quaternion: FloatArray
    camera: Camera

    @property
    def angles_deg(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll."""
        roll, yaw, pitch = Rotation.from_quat(self.quaternion).as_euler("ZYX", degrees=True)
        return float(yaw), float(pitch), float(roll)


@dataclass(eq=False)
class Performer:
    """A person of a video, frame by frame.

    Attributes:
        points: of the network, if it finds any; else the identity is the mean of what it says.
        smooth: 0 leaves what the network says, 1 is usual.
        best: the frame that shows the face best, for its texture.
        moments: one for each frame with the face.
    """

    points: PointModel | None
    smooth: float = 1.0
    best: FaceResult | None = None
    moments: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._person = None if self.points is None else Person(self.points)
        self._views: list[FloatArray] = []
        self._founds: list[Found] = []
        self._mean, self._best_worth = np.zeros(load_open_face().num_identity), 0.0
        self._expression = OneEuro(EXPRESSION_CUTOFF, EXPRESSION_BETA, self.smooth)
        self._turn = OneEuroTurn(TURN_CUTOFF, TURN_BETA, self.smooth)
        self._place = OneEuro(PLACE_CUTOFF, PLACE_BETA, self.smooth, together=True)

    @property
    def identity(self) -> FloatArray:
        """As all frames so far show it."""
        return self._mean if self._person is None else self._person.identity

    def add(self, result: FaceResult, frame: int, seconds: float) -> Moment:
        """Takes in a frame."""
        expression, camera = self._observed(result)
        turn = Rotation.from_matrix(np.asarray(camera.rotation, np.float64)).as_quat()
        quaternion = self._turn(turn, seconds)
        # Place and size in mm at the head, so that the same numbers fit near and far faces.
        height, width = result.image.shape[:2]
        middle = np.array([width, height]) / 2
        size = np.log(camera.pixels_per_mm)
        scale = self.moments[-1].camera.pixels_per_mm if self.moments else camera.pixels_per_mm
        given = np.array([*(np.asarray(camera.centre_px) - middle) / scale, 300 * size])
        place = self._place(given, seconds)
        smooth_camera = replace(
            camera,
            rotation=Rotation.from_quat(quaternion).as_matrix(),
            centre_px=place[:2] * scale + middle,
            focal_px=float(np.exp(place[2] / 300)) * camera.distance_mm,
        )
        moment = Moment(frame, seconds, self._expression(expression, seconds), quaternion, smooth_camera)
        self.moments.append(moment)
        self._keep_best(result, camera)
        return moment

    def join(self, later: Performer) -> None:
        """Takes in the same person's later appearance: one identity of both."""
        if self._person is None:
            share = len(later.moments) / (len(self.moments) + len(later.moments))
            self._mean = self._mean + (later._mean - self._mean) * share
        else:
            for found in later._founds[: MOST_VIEWS - len(self._founds)]:
                self._person.add(found)
                self._founds.append(found)
        self.moments += later.moments
        if later._best_worth > self._best_worth:
            self.best, self._best_worth = later.best, later._best_worth

    def _observed(self, result: FaceResult) -> tuple[FloatArray, Camera]:
        """Expression and camera in a frame, with the identity that is known."""
        if self._person is None or result.found is None or result.decoded is None:
            identity, expression = result.shape
            self._mean = self._mean + (identity - self._mean) / (len(self.moments) + 1)
            return np.asarray(expression, np.float64), result.camera
        turn = result.pose.rotation
        if len(self._views) < MOST_VIEWS and all(geodesic_angle(turn, each) > NEW_VIEW_RAD for each in self._views):
            self._views.append(turn)
            self._founds.append(result.found)
            numbers = self._person.add(result.found)
        else:
            numbers = self._person.look(result.found)
        decoded = result.decoded.moved_to(numbers)
        expression = np.asarray(decoded.parts["expression"], np.float64)
        return expression, in_picture(decoded.camera, result)

    def _keep_best(self, result: FaceResult, camera: Camera) -> None:
        """The largest face that looks ahead with its mouth shut shows most of the skin."""
        facing = float(np.asarray(camera.rotation)[2, 2])
        worth = camera.pixels_per_mm * max(facing, 0.05) ** 4
        if worth > 1.05 * self._best_worth:
            self.best, self._best_worth = result, worth


def in_picture(camera: Camera, result: FaceResult) -> Camera:
    """A camera over the crop that the network saw as one over its photograph."""
    roll = float(np.radians(result.crop_roll_deg))
    back = invert_transform(crop_transform(result.box, CROP_SIZE, roll))
    linear = back[:, :2] / transform_scale(back)
    upright = np.eye(3)
    upright[:2, :2] = linear * [[1, -1], [-1, 1]]  # v points down, y up
    return replace(
        camera,
        rotation=upright @ camera.rotation,
        focal_px=camera.focal_px * transform_scale(back),
        centre_px=transform_points(back, np.asarray(camera.centre_px)),
    )


def positions_mm(moments: Sequence[Moment], width: int, height: int) -> NDArray[np.float64]:
    """Where the head's centre is `[T,3]` before a camera whose lens shows 53 degrees across the longer side, y up;
    depth from the first frame's, since a lens that is not known tells no distance."""
    focal = float(max(width, height))
    rows = []
    for moment in moments:
        camera = moment.camera
        middle = np.asarray(camera.centre_px, np.float64)
        rows.append(np.array([middle[0] - width / 2, height / 2 - middle[1], -focal]) / camera.pixels_per_mm)
    places = np.array(rows)
    places[:, 2] -= places[0, 2]
    return places
