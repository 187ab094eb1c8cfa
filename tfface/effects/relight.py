"""Light from elsewhere on a face in a photograph.

The light of the photograph is what its skin's texture was fitted with (`tfface.viz.skin`): nine harmonics a colour.
Another light is nine harmonics too, fitted to the irradiance that each direction of a surface gets: from a panorama
(Ramamoorthi and Hanrahan 2001) or from one direction. The photograph is multiplied by the ratio of both on the head's
surface; the ratio fades away beside the head, so hair is lit like the skull under it and no edge shows. Light from one
direction casts the head's own shadows on it (`tfface.effects.shadow`); hair casts none.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.effects.on_photo import HeadOnPhoto, head_on_photo
from tfface.effects.shadow import lit_share, to_light
from tfface.errors import UserError
from tfface.face.open_model import MAX_LEVEL, load_albedo_basis, load_open_face
from tfface.geometry.harmonics import harmonic_functions
from tfface.geometry.ibug68 import CHIN
from tfface.result import FaceResult
from tfface.viz.chart_albedo import chart_albedo
from tfface.viz.skin import head_light
from tfface.viz.texture import pull_push

FloatArray = NDArray[np.floating]
DIRECTIONS = {
    "left": (-70.0, 15.0),
    "right": (70.0, 15.0),
    "above": (0.0, 75.0),
    "below": (0.0, -60.0),
    "front": (0.0, 10.0),
    "behind": (150.0, 30.0),
}
"""Azimuth (to the picture's right) and elevation in degrees of where the light comes from."""
AMBIENT = 0.25
"""Of a directed light's strength, from everywhere."""
NUM_NORMALS = 600
PANORAMA_ROWS = 64
LIMITS = (0.25, 2.2)
"""Between which the photograph's colours are multiplied."""
FADE = 0.02
"""Of the head's size: over so much the new light fades away beside it."""
NECK_MM = 45.0
"""So far below the chin the new light fades away."""
SOFT = 0.012
"""Of the head's size: the ratio is smoothed by so much, since lips, lids and nostrils are not known to the pixel."""
SMOOTH_PIXELS = 256
GAMMA = 2.2


def directed_light(azimuth_deg: float, elevation_deg: float, colour: FloatArray | None = None) -> NDArray[np.float64]:
    """The light `[9,3]` from one direction with a little from everywhere.

    Args:
        azimuth_deg: 0 is from the camera, 90 from the picture's right.
        elevation_deg: 90 is from straight above.
        colour: `[3]`, white by default.

    Raises:
        UserError: these are not angles.
    """
    if not (abs(azimuth_deg) <= 360 and abs(elevation_deg) <= 90):
        raise UserError(
            f"The light's direction {azimuth_deg:g}, {elevation_deg:g} is out of range: give an azimuth up to 360 and "
            "an elevation up to 90 degrees."
        )
    normals = _sphere(NUM_NORMALS)
    amount = AMBIENT + np.clip(normals @ to_light(azimuth_deg, elevation_deg), 0, None)
    return _fitted(normals, amount[:, None] * (np.ones(3) if colour is None else np.asarray(colour)))


def panorama_light(panorama: FloatArray) -> NDArray[np.float64]:
    """The light `[9,3]` of an equirectangular panorama `[H,W,3]`, linear light of any scale.

    Its middle is what the camera sees behind the head (so it lights the head from behind), its left and right border
    lie behind the camera, its upper border is up.

    Raises:
        UserError: it is dark all over.
    """
    rows, columns = PANORAMA_ROWS, 2 * PANORAMA_ROWS
    small = cv2.resize(np.asarray(panorama, np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    elevation = (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi
    azimuth = ((np.arange(columns) + 0.5) / columns - 0.5) * 2 * np.pi  # 0: away from the camera
    level, up = np.cos(elevation)[:, None], np.sin(elevation)[:, None] * np.ones(columns)
    directions = np.stack([level * np.sin(azimuth), up, -level * np.cos(azimuth)], axis=-1).reshape(-1, 3)
    radiance = (small * level[..., None]).reshape(-1, 3)
    if not (np.isfinite(radiance).all() and radiance.max() > 0):
        raise UserError("The panorama is dark all over: give a picture of the surroundings.")
    normals = _sphere(NUM_NORMALS)
    return _fitted(normals, np.clip(normals @ directions.T, 0, None) @ radiance)


def relit(
    result: FaceResult, light: FloatArray, strength: float = 1.0, shadows_from: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """The photograph `[H,W,3]` with the head in another light of the same brightness.

    Args:
        light: `[9,3]` harmonics (`tfface.geometry.harmonics`) in the picture's frame (x right, y up, z to the camera),
            of linear light.
        strength: 0 leaves the photograph as it is, 1 is the new light.
        shadows_from: azimuth and elevation of a `directed_light`, which then casts shadows.
    """
    where = head_on_photo(result)
    ratio = where.values(np.log(_ratio(result, np.asarray(light, np.float64), shadows_from))) * strength
    ratio = _beside_too(ratio, where)
    return where.changed(result.image, lambda colours: colours * np.exp(ratio))


def _ratio(result: FaceResult, light: FloatArray, shadows_from: tuple[float, float] | None) -> NDArray[np.float64]:
    """By what the photograph's colours are multiplied on each vertex `[61129,3]`."""
    own = chart_albedo(load_albedo_basis(), result.albedo_coefficients, SMOOTH_PIXELS)
    seen, normals, old, usual = head_light(result.image, result.head_points, own, result.head_seen)
    linear = np.stack(harmonic_functions(*normals.T), axis=-1) @ light
    new = np.maximum(linear, 1e-3 * max(float(linear.max()), 1e-9)) ** (1 / GAMMA)
    chosen = seen > 0.5 if (seen > 0.5).any() else np.ones(len(seen), bool)
    new *= usual.mean() / new[chosen].mean()
    if shadows_from is not None:
        direction = to_light(*shadows_from)
        direct = np.clip(normals @ direction, 0, None)
        triangles = load_open_face().head(MAX_LEVEL).triangles
        reached = lit_share(np.asarray(result.head_points * [1, -1, 1]), triangles, direction)
        new *= ((AMBIENT + direct * reached) / (AMBIENT + direct))[:, None] ** (1 / GAMMA)
    return np.clip(new / old, *LIMITS) ** _above_the_neck()


@lru_cache(maxsize=1)
def _above_the_neck() -> NDArray[np.float64]:
    """`[61129,1]` 1 on the head, fading to 0 down the neck, where the model ends and the photograph goes on."""
    face = load_open_face()
    height = face.head(MAX_LEVEL).vertices(face.mean)[:, 1] - face.mean_face()[face.landmarks68[CHIN], 1]
    return np.clip(1 + height / NECK_MM, 0, 1)[:, None]


def _beside_too(values: FloatArray, where: HeadOnPhoto) -> NDArray[np.float32]:
    """The field `[h,w,3]` carried on smoothly beside the head, where it fades to 0."""
    height, width = values.shape[:2]
    shows = where.shows.astype(np.float32)
    small = (SMOOTH_PIXELS, SMOOTH_PIXELS)
    # A vertex at the silhouette sees nothing of the face; what is carried on begins a little inside.
    inner = (cv2.distanceTransform(where.shows.astype(np.uint8), cv2.DIST_L2, 5) > 0.02 * where.size_px) * np.float32(1)
    spread, share = (
        np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA), part.dtype)
        for part in (values * inner[..., None], inner)
    )
    around = cv2.GaussianBlur(pull_push(spread, share[..., None]), (0, 0), 6.0)
    around = cv2.resize(around, (width, height))
    rim = np.clip(cv2.distanceTransform(where.shows.astype(np.uint8), cv2.DIST_L2, 5) / (0.05 * where.size_px), 0, 1)
    away = cv2.distanceTransform(1 - shows.astype(np.uint8), cv2.DIST_L2, 5) / (FADE * where.size_px)
    fade = np.clip(1 - away, 0, 1)
    fade = fade * fade * (3 - 2 * fade)
    soft = cv2.GaussianBlur(np.where(where.shows[..., None], values, around), (0, 0), SOFT * where.size_px)
    own = rim[..., None] * soft + (1 - rim[..., None]) * around
    return np.asarray(own * fade[..., None], np.float32)


def _sphere(count: int) -> NDArray[np.float64]:
    """Unit vectors `[count,3]` spread evenly (Fibonacci's spiral)."""
    place = np.arange(count) + 0.5
    z, turn = 1 - 2 * place / count, np.pi * (1 + 5**0.5) * place
    around = np.sqrt(1 - z * z)
    return np.stack([around * np.cos(turn), around * np.sin(turn), z], axis=-1)


def _fitted(normals: FloatArray, irradiance: FloatArray) -> NDArray[np.float64]:
    functions = np.stack(harmonic_functions(*normals.T), axis=-1)
    return np.asarray(np.linalg.lstsq(functions, irradiance, rcond=None)[0], np.float64)
