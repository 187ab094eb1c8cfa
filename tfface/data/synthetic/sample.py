"""What may be set about synthetic faces, and the random draws of identity, pose and camera.

Every draw comes from a stream named by (seed, topic), so that one topic's change leaves the others as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.open_model import OpenFace
from tfface.face.traits import load_traits
from tfface.geometry.camera import Camera
from tfface.geometry.ibug68 import JAW
from tfface.geometry.rotation import euler_to_matrix

FloatArray = NDArray[np.floating]

_TOPICS = (
    *("identity", "expression", "look", "light", "view front", "view side", "camera front", "camera side"),
    "wrinkles",
)


@dataclass(frozen=True)
class SyntheticSettings:
    """How synthetic faces are drawn.

    Attributes:
        image_size: side of the square picture in pixels.
        supersample: 1 or 2; pixels are rendered `supersample` times finer along a side, then averaged.
        level: 1 or 2, the head's level of subdivision in the picture (the truth is always exact).
        front_yaw_deg: the front view's yaw is uniform in plus or minus this.
        side_yaw_deg: least and largest |yaw| of the side view, to both sides.
        pitch_std_deg, roll_std_deg: spread of the other two angles; one face in eight has twice the pitch.
        distance_mm: nearest and farthest camera, log-uniform.
        enlarge: the picture's side over the side of the landmarks' box (`docs/conventions.md`, Crops).
        centre_jitter: the picture's centre moves by up to this share of the box.
        size_jitter: the picture's side is multiplied by a factor in this range.
        identity_std: spread of the identity coefficients, in the model's standard deviations.
        narrow_jaw: how far lower jaws are narrower than the model's, on average (`narrower_jaw`); 0 leaves its mean.
        expression_strength: factor on expression weights; 0 is the neutral face.
        bank_size, texture_size: number and side in texels of the albedo textures (`AlbedoBank`).
        background_folder: pictures to cut backgrounds from; empty draws procedural ones.
        glasses, occluder, hat, covered_mouth, scarf: probabilities.
        hanging_beard: the same, of those who have a full beard.
        fringe: that hair falls over the forehead or an eye, of those who have some.
        wrinkles: skin has relief (`wrinkles`), which is shaded, instead of wrinkles painted into its colour.
        relief_size: side of its map in texels.
        exposure: factor on the light of the picture; 1 is as cameras meter it.
        camera_strength: 1 is the full range of blur, noise, JPEG and tone; 0 is a clean picture.
    """

    image_size: int = 256
    supersample: int = 1
    level: int = 1
    front_yaw_deg: float = 45.0
    side_yaw_deg: tuple[float, float] = (45.0, 100.0)
    pitch_std_deg: float = 12.0
    roll_std_deg: float = 15.0
    distance_mm: tuple[float, float] = (350.0, 3000.0)
    enlarge: float = 1.25
    centre_jitter: float = 0.08
    size_jitter: tuple[float, float] = (0.85, 1.2)
    identity_std: float = 1.05
    narrow_jaw: float = 1.0
    expression_strength: float = 1.0
    bank_size: int = 768
    texture_size: int = 256
    background_folder: str = ""
    glasses: float = 0.14
    occluder: float = 0.22
    hat: float = 0.1
    covered_mouth: float = 0.02
    scarf: float = 0.08
    hanging_beard: float = 0.6
    fringe: float = 0.3
    wrinkles: bool = False
    relief_size: int = 384
    exposure: float = 1.0
    camera_strength: float = 1.0

    def __post_init__(self) -> None:
        if not 16 <= self.image_size <= 4096:
            raise UserError(f"Pictures of {self.image_size} pixels a side: give 16 to 4096.")
        if self.supersample not in (1, 2):
            raise UserError(f"Pictures cannot be rendered {self.supersample} times finer: give 1 or 2.")
        if not 1 <= self.bank_size <= 100_000:
            raise UserError(f"{self.bank_size} painted skins: give 1 to 100,000.")

    def clean(self) -> SyntheticSettings:
        """The same people before an honest camera: nothing in front of the face, no blur, no noise."""
        return replace(self, occluder=0.0, hat=0.0, covered_mouth=0.0, scarf=0.0, camera_strength=0.0)


def stream(seed: int, topic: str) -> np.random.Generator:
    """The random numbers of one topic of one seed."""
    sequence = np.random.SeedSequence([int(seed), _TOPICS.index(topic)])
    return np.random.Generator(np.random.PCG64(sequence))


NARROWER = {2: 0.01, 3: 0.025, 4: 0.035, 5: 0.04, 6: 0.042, 7: 0.042}
"""By what share the outline is narrower between landmark k and 16 - k in frontal photographs (AFLW2000-dev, over the
distance of the eyes) than in pictures of people whose mean is the model's: landmarks' medians, docs/experiments.md."""
SHORTER_CHIN_MM = 1.0
"""Wanted; the step gives half of it."""
_OUTLINE_WEIGHTS, _RIDGE = (2.0, 2.0, 0.3), 10.0


@lru_cache(maxsize=2)
def narrower_jaw(face: OpenFace) -> NDArray[np.float64]:
    """The small step of identity `[K]` that makes a lower jaw as narrow as people's in photographs, and moves no other
    landmark by more than .3 mm. The face model's mean is that of scanned people; its jaws are wide.
    """
    rows = face.face(2).matrix[face.landmarks68]
    mean, moved = rows @ face.mean, np.stack([rows @ part for part in face.id_basis])
    wanted, weights = np.zeros_like(mean, np.float64), np.ones_like(mean, np.float64)
    for landmark, share in NARROWER.items():
        both = [landmark, 16 - landmark]
        wanted[both, 0] = -share * mean[both, 0]
    wanted[8, 1] = SHORTER_CHIN_MM
    weights[JAW] *= _OUTLINE_WEIGHTS
    design = (moved * weights).reshape(len(moved), -1).T
    normal = design.T @ design + _RIDGE * np.eye(len(moved))
    return np.asarray(np.linalg.solve(normal, design.T @ (wanted * weights).ravel()))


def sample_identity(rng: np.random.Generator, traits: FloatArray, std: float) -> NDArray[np.float32]:
    """Identity coefficients of somebody with `traits` (`face.traits`), at most 3.2 deviations from the mean."""
    known = load_traits()
    coefficients = known.identity(traits, rng.normal(size=len(known.left)))
    return np.clip(std * coefficients, -3.2, 3.2).astype(np.float32)


def sample_traits(rng: np.random.Generator, male: bool, ita_deg: float, age: float, beard: float) -> FloatArray:
    """Traits (`face.traits`) that go with a painted skin: its sex, its tone, its wrinkles (`age` from 0 to 1)."""
    share = rng.beta(0.4, 0.4)
    sex = max(share, 1 - share) if male else min(share, 1 - share)
    child = rng.uniform(0.0, 0.8) if age < 0.25 and not beard and rng.random() < 0.4 else 0.0
    old = float(np.clip((age - 0.35) / 0.5, 0, 1)) * rng.uniform(0.5, 1.0)
    if ita_deg < 5:
        weights = (0.9, 0.2, 0.2)
    elif ita_deg < 28:
        weights = (0.35, 0.45, 0.45)
    else:
        weights = (0.1, 0.4, 0.7)
    african, asian, _ = rng.dirichlet(weights)
    return np.array([sex, child, old, african, asian])


def sample_rotation(rng: np.random.Generator, settings: SyntheticSettings, side: bool) -> NDArray[np.float64]:
    """The rotation `[3,3]` of a front or side view."""
    if side:
        yaw = rng.uniform(*settings.side_yaw_deg) * rng.choice([-1.0, 1.0])
    else:
        yaw = rng.uniform(-settings.front_yaw_deg, settings.front_yaw_deg)
    spread = settings.pitch_std_deg * (2.0 if rng.random() < 0.125 else 1.0)
    pitch = np.clip(rng.normal(0.0, spread), -45.0, 45.0)
    roll = np.clip(rng.normal(0.0, settings.roll_std_deg), -60.0, 60.0)
    return euler_to_matrix(*np.deg2rad([yaw, pitch, roll]))


def sample_camera(
    rng: np.random.Generator,
    settings: SyntheticSettings,
    side: bool,
    landmarks_mm: FloatArray,
    centre_mm: FloatArray,
) -> Camera:
    """A camera that frames the 68 `landmarks_mm` `[68,3]` as `box_from_landmarks` would, enlarged and jittered."""
    rotation = sample_rotation(rng, settings, side)
    low, high = np.log(settings.distance_mm)
    distance = float(np.exp(rng.uniform(low, high)))
    unit = Camera(rotation, distance, distance, np.zeros(2), centre_mm)
    points = unit.project(landmarks_mm)[:, :2]
    lowest, highest = points.min(0), points.max(0)
    side_mm = np.sqrt(2.0) * float((highest - lowest).max())
    scale = settings.image_size / (settings.enlarge * side_mm * rng.uniform(*settings.size_jitter))
    jitter = rng.uniform(-settings.centre_jitter, settings.centre_jitter, 2) * side_mm
    centre_px = settings.image_size / 2 - ((lowest + highest) / 2 + jitter) * scale
    return Camera(rotation, distance * scale, distance, centre_px, np.asarray(centre_mm, np.float64))
