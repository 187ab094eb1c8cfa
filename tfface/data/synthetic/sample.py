"""What may be set about synthetic faces, and the random draws of identity, expression, pose and camera.

Every draw comes from a stream named by (seed, topic), so that one topic's change leaves the others as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tfface.face.traits import load_traits
from tfface.geometry.camera import Camera
from tfface.geometry.rotation import euler_to_matrix

FloatArray = NDArray[np.floating]

_TOPICS = ("identity", "expression", "look", "light", "view front", "view side", "camera front", "camera side")


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
        expression_strength: factor on expression weights; 0 is the neutral face.
        bank_size, texture_size: number and side in texels of the albedo textures (`AlbedoBank`).
        background_folder: pictures to cut backgrounds from; empty draws procedural ones.
        glasses, occluder, hat, covered_mouth, scarf: probabilities.
        hanging_beard: the same, of those who have a full beard.
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
    camera_strength: float = 1.0

    def clean(self) -> SyntheticSettings:
        """The same people before an honest camera: nothing in front of the face, no blur, no noise."""
        return replace(self, occluder=0.0, hat=0.0, covered_mouth=0.0, scarf=0.0, camera_strength=0.0)


def stream(seed: int, topic: str) -> np.random.Generator:
    """The random numbers of one topic of one seed."""
    sequence = np.random.SeedSequence([int(seed), _TOPICS.index(topic)])
    return np.random.Generator(np.random.PCG64(sequence))


def sample_identity(rng: np.random.Generator, traits: FloatArray, std: float) -> NDArray[np.float32]:
    """Identity coefficients of somebody with `traits` (`face.traits`), at most 3.2 deviations from what is usual."""
    known = load_traits()
    unusual = known.identity(traits, rng.normal(size=len(known.left))) - known.shift
    return (known.shift + np.clip(std * unusual, -3.2, 3.2)).astype(np.float32)


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


# Whole-face expressions: ARKit names (without side) and their usual weight. People smile at cameras: a mouth is 45 mm
# wide in the mean face and 58 to 63 in a smile that shows teeth, which the first four reach on a good day. Stretch and
# dimple draw the upper lip along and back over the teeth, which scanned smiles do and `mouthSmile` alone does not.
_ARCHETYPES: tuple[tuple[float, dict[str, float]], ...] = (
    (
        0.12,
        {
            "mouthSmile": 0.8,
            "mouthDimple": 0.45,
            "mouthStretch": 0.25,
            "mouthPress": 0.15,
            "cheekSquint": 0.4,
            "eyeSquint": 0.15,
        },
    ),
    (
        0.22,
        {
            "mouthSmile": 0.95,
            "mouthDimple": 0.5,
            "mouthStretch": 0.35,
            "cheekSquint": 0.6,
            "mouthUpperUp": 0.5,
            "mouthLowerDown": 0.45,
            "jawOpen": 0.12,
            "eyeSquint": 0.1,
        },
    ),
    (
        0.1,
        {
            "mouthSmile": 0.95,
            "mouthDimple": 0.5,
            "mouthStretch": 0.3,
            "mouthUpperUp": 0.6,
            "jawOpen": 0.2,
            "mouthShrugLower": 0.2,
            "cheekSquint": 0.4,
        },
    ),
    (
        0.14,
        {
            "mouthSmile": 1.0,
            "mouthDimple": 0.35,
            "mouthStretch": 0.35,
            "cheekSquint": 0.6,
            "mouthUpperUp": 0.5,
            "mouthLowerDown": 0.3,
            "jawOpen": 0.35,
            "eyeSquint": 0.25,
        },
    ),
    (0.06, {"jawOpen": 0.5, "browInnerUp": 0.5, "browOuterUp": 0.5, "eyeWide": 0.5}),
    (0.1, {"jawOpen": 0.3, "mouthFunnel": 0.3, "mouthLowerDown": 0.2}),
    (0.05, {"jawOpen": 0.75, "mouthStretch": 0.4, "noseSneer": 0.3, "eyeSquint": 0.5}),
    (0.06, {"browDown": 0.7, "noseSneer": 0.3, "mouthPress": 0.4, "eyeSquint": 0.3}),
    (0.05, {"mouthFrown": 0.6, "browInnerUp": 0.5, "mouthShrugLower": 0.3}),
    (0.1, {"mouthPucker": 0.7}),
)
_ARCHETYPE_SHARE = np.array([share for share, _ in _ARCHETYPES])
REACH = {"mouthUpperUp": 1.5, "mouthLowerDown": 1.6, "mouthFunnel": 1.6, "browOuterUp": 2.5}
"""How far beyond weight 1 the model's expressions go that move less than scanned ones (`docs/experiments.md`)."""


def sample_expression(rng: np.random.Generator, names: tuple[str, ...], strength: float) -> NDArray[np.float32]:
    """ARKit weights `[len(names)]`: neutral, a whole-face expression, or some units, with asymmetry.

    They lie in [0,1], but for a few (`REACH`) that go as far as people do.
    """
    wanted: dict[str, float] = {}
    if rng.random() < 0.7:
        wanted.update(_ARCHETYPES[rng.choice(len(_ARCHETYPES), p=_ARCHETYPE_SHARE)][1])
        scale = rng.uniform(0.4, 1.3)
        wanted = {name: weight * scale * rng.uniform(0.6, 1.3) for name, weight in wanted.items()}
    for _ in range(rng.integers(0, 4)):
        wanted[without_side(names[rng.integers(len(names))])] = rng.beta(1.2, 2.4)
    weights = np.zeros(len(names), np.float32)
    one_sided = rng.random() < 0.12
    for index, name in enumerate(names):
        weight = wanted.get(without_side(name), 0.0)
        if weight and not (one_sided and name.endswith("Left")):
            weights[index] = weight + rng.normal(0.0, 0.06)
    _move_lids(weights, names, rng)
    _forbid_contradictions(weights, names, rng)
    reach = [REACH.get(without_side(name), 1.0) for name in names]
    return (np.clip(weights * strength, 0.0, 1.0) * reach).astype(np.float32)


_SHUT = (0.72, 0.92)
"""Blink weights of shut eyes: at .7 the upper lid's edge meets the lower one's, at 1 it lies 4 mm below it."""


def _move_lids(weights: FloatArray, names: tuple[str, ...], rng: np.random.Generator) -> None:
    """Eyes shut, one winks, both half shut, or open as far as people's are: the neutral lids are artists' wide ones."""
    kind = rng.choice(4, p=(0.16, 0.06, 0.13, 0.65))
    winks = rng.choice(["Left", "Right"])
    usual = rng.beta(1.0, 5.0)
    for index, name in enumerate(names):
        if not name.startswith("eyeBlink"):
            continue
        if kind == 0 or (kind == 1 and name.endswith(winks)):
            weights[index] = rng.uniform(*_SHUT)
        else:
            weights[index] = rng.uniform(0.3, 0.7) if kind == 2 else usual + rng.normal(0.0, 0.03)
    if kind < 3:
        wide = [index for index, name in enumerate(names) if name.startswith("eyeWide")]
        weights[wide] = 0.0


def without_side(name: str) -> str:
    """An ARKit name without Left or Right, but where they say which way and not which half."""
    if name in ("mouthLeft", "mouthRight", "jawLeft", "jawRight"):
        return name
    return name.removesuffix("Left").removesuffix("Right")


def _forbid_contradictions(weights: FloatArray, names: tuple[str, ...], rng: np.random.Generator) -> None:
    """Lips close no further than the jaw opens; the mouth and the jaw go to one side only."""
    place = {name: index for index, name in enumerate(names)}
    for pair in (("mouthLeft", "mouthRight"), ("jawLeft", "jawRight")):
        if all(name in place and weights[place[name]] > 0 for name in pair):
            weights[place[pair[rng.integers(2)]]] = 0.0
    if "mouthClose" in place and "jawOpen" in place:
        weights[place["mouthClose"]] = min(weights[place["mouthClose"]], max(weights[place["jawOpen"]], 0.0))


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
