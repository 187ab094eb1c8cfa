"""A head that plays what somebody else does in a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tfface.effects.views import model_with, seen_from
from tfface.io.model import Model
from tfface.result import FaceResult
from tfface.video.files import animation
from tfface.video.person import Performer

Turn = NDArray[np.floating]


def moving_head(result: FaceResult, performer: Performer, kind: str, turn: Turn | None = None) -> Model:
    """The person of a photograph with the animation of another: expressions and, unless a `turn` `[3,3]` is given for
    all of it, the head's turns. It stays in its place."""
    moments = performer.moments
    model = model_with(result, moments[0].expression, kind=kind, level=1, blend_shapes=True)
    moves = animation(performer, np.zeros((len(moments), 3)))
    if turn is not None:
        moves = replace(moves, rotations=np.repeat(Rotation.from_matrix(turn).as_quat()[None], len(moments), axis=0))
    return Model(model.name, model.meshes, model.weights, moves)


def pictures(
    result: FaceResult, performer: Performer, size: int, kind: str, turn: Turn | None = None
) -> Iterator[NDArray[np.uint8]]:
    """The same as pictures `[size,size,3]`, one a frame in which the other is seen."""
    for moment in performer.moments:
        model = model_with(result, moment.expression, kind=kind, level=1)
        turned = Rotation.from_quat(moment.quaternion).as_matrix() if turn is None else turn
        yield seen_from(model, turned, size, kind)
