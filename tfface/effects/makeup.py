"""What was painted into a face's UV picture, on the photograph and on the head.

A picture without transparency is an edited copy of the texture; one with transparency is a layer of paint, shaded like
the skin under it. Only what differs from the texture is brought to the photograph, so everything else stays as it is to
the pixel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tfface.effects.on_photo import head_on_photo
from tfface.errors import UserError
from tfface.io.formats import TEXTURE_SIZES
from tfface.result import FaceResult
from tfface.viz.skin import SkinTexture

RED_GREEN_BLUE = np.array([0.299, 0.587, 0.114], np.float32)


def painted_texture(result: FaceResult, picture: NDArray[np.uint8]) -> SkinTexture:
    """The face's texture with what was painted.

    Args:
        picture: `[T,T,3]` an edited copy of `result.skin(T).colours`, or `[T,T,4]` a layer with transparency.

    Raises:
        UserError: it is not square, or of no texture's size.
    """
    height, width = picture.shape[:2]
    if height != width or width not in TEXTURE_SIZES:
        raise UserError(
            f"The UV picture has {width} x {height} pixels: textures are square, with a side of "
            f"{', '.join(map(str, TEXTURE_SIZES))}."
        )
    skin = result.skin(width)
    if picture.shape[2] == 3:
        return replace(skin, colours=picture)
    below = skin.colours.astype(np.float32)
    cover = picture[..., 3:] / np.float32(255)
    tone = below @ RED_GREEN_BLUE
    usual = float((tone * cover[..., 0]).sum() / max(float(cover.sum()), 1e-6))
    shaded = picture[..., :3] * (tone / max(usual, 1.0))[..., None]
    mixed = below + cover * (np.clip(shaded, 0, 255) - below)
    return replace(skin, colours=np.asarray(mixed + 0.5, np.uint8))


def made_up(result: FaceResult, painted: SkinTexture) -> NDArray[np.uint8]:
    """The photograph `[H,W,3]` with what differs between the painted texture and the face's own."""
    where, size = head_on_photo(result), len(painted.colours)
    change = where.texture(painted.colours) - where.texture(result.skin(size).colours)
    return where.changed(result.image, lambda colours: colours + change * where.shows[..., None])
