"""Faces whose coefficients are known, and photographs of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.fitting.coefficients import Coefficients
from tfface.fitting.person import Photo
from tfface.fitting.result import FittedFace
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix
from tfface.viz.overlay import blend, render_colored

SIZE = 320
SMILE = ("mouthSmileLeft", "mouthSmileRight", "jawOpen")


def person(seed: int, yaw_deg: float, smile: float, seed_of_pose: int = 0) -> Coefficients:
    """A random person in a picture of 320 x 320 pixels."""
    face = load_open_face()
    random, pose = np.random.default_rng(seed), np.random.default_rng(seed_of_pose)
    identity, albedo = random.normal(0, 0.8, face.num_identity), random.normal(0, 0.5, len(load_albedo_basis().basis))
    expression = np.zeros(len(face.expression_names))
    expression[[face.expression_names.index(name) for name in SMILE]] = smile * np.array([1.0, 1.0, 0.4])
    rotation = euler_to_matrix(*np.radians([yaw_deg, 4.0, pose.uniform(-6, 6)]))
    camera = Camera(rotation, 1.25 * 700.0, 700.0, pose.uniform(150, 170, 2), face.centre)
    light = np.tile([0.1, 0.05, 0.25, -0.15 * np.sign(yaw_deg + 0.1), 0, 0, 0, 0, 0], 3)
    return Coefficients(identity, expression, albedo, light, camera)


def landmarks(truth: Coefficients) -> NDArray[np.float64]:
    """`[68,2]` exact."""
    return truth.vertices()[load_open_face().landmarks68, :2].astype(np.float64)


def photo_of(truth: Coefficients, noise_px: float = 0.0) -> Photo:
    """A picture of the face before a grey wall, and its landmarks, off by a normal error."""
    shown = FittedFace(
        image=np.full((SIZE, SIZE, 3), 110, np.uint8),
        position_map=np.zeros((256, 256, 3), np.float32),
        box=np.array([0.0, 0, SIZE, SIZE]),
        model="truth",
        timings_ms={},
        coefficients=truth,
        first=truth,
        seen_landmarks=landmarks(truth),
    )
    colours = shown.lit(shown.albedo())
    picture = blend(shown.image, render_colored(shown.vertices, shown.triangles, SIZE, SIZE, colours))
    error = np.random.default_rng(9).normal(0, noise_px, (68, 2)) if noise_px else 0.0
    return Photo(picture, landmarks(truth) + error)


def nme(found: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Per cent of the root of the true landmarks' box."""
    size = np.sqrt(np.prod(np.ptp(truth[:, :2], axis=0)))
    return float(100 * np.linalg.norm(found[:, :2] - truth[:, :2], axis=1).mean() / size)
