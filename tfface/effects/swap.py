"""One photograph's face on the head of another: its texture on the other's shape, cloned in without a seam.

The clone keeps the texture's gradients and takes the colours at the border from the photograph (Perez et al. 2003,
OpenCV's `seamlessClone`), so light and skin tone become the second photograph's.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tfface.effects.on_photo import HeadOnPhoto, head_on_photo
from tfface.errors import UserError
from tfface.face.open_model import load_open_face
from tfface.result import FaceResult

BORDER = 0.015
"""Of the head's size: so far inside the face's outline the clone ends."""
LEAST_PIXELS = 24
TEXTURE_SIZE = 1024


def swapped(source: FaceResult, target: FaceResult) -> NDArray[np.uint8]:
    """The target's photograph `[H,W,3]` with the source's face.

    Raises:
        UserError: the target's face is too small, or lies outside its photograph.
    """
    where = head_on_photo(target)
    mask = face_mask(target, where)
    rows, columns = np.nonzero(mask)
    if not len(rows) or min(np.ptp(rows), np.ptp(columns)) < LEAST_PIXELS:
        raise UserError("The face to be replaced shows too few pixels: give a photograph in which it is larger.")
    painted = where.texture(source.skin(TEXTURE_SIZE).colours)
    under = np.ascontiguousarray(target.image[where.window])
    over = np.where(where.shows[..., None], painted * 255 + 0.5, under).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(mask)
    middle = (left + width // 2, top + height // 2)
    picture = target.image.copy()
    inside = mask[..., None] > 0  # the clone rounds pixels beside the mask, too, and changes the mask
    cloned = cv2.seamlessClone(over, under, mask, middle, cv2.NORMAL_CLONE)
    picture[where.window] = np.where(inside, cloned, under)
    return picture


def face_mask(result: FaceResult, where: HeadOnPhoto) -> NDArray[np.uint8]:
    """`[h,w]` 255 where the window shows the face from forehead to jaw, a little inside its outline."""
    face = load_open_face()
    points = result.vertices[face.landmarks_of(81), :2] - [where.left, where.top]
    outline = cv2.convexHull(np.round(points).astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros(where.triangle_id.shape, np.uint8), outline, 255)
    mask[~where.shows] = 0
    mask[[0, -1]] = mask[:, [0, -1]] = 0
    reach = 2 * max(round(BORDER * where.size_px), 1) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return np.asarray(cv2.erode(mask, kernel, borderValue=0), np.uint8)
