"""Expressions: the 52 ARKit units of MakeHuman's face-unit targets, turned into the mean face's frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.identity import MM_PER_DM, IdentityModel
from tfface.face.build.targets import Targets
from tfface.geometry.align import fit_similarity


def build_expressions(
    base_cage: NDArray[np.float64], targets: Targets, identity: IdentityModel
) -> tuple[list[str], NDArray[np.float32]]:
    """Names, sorted, and displacements `[52,C,3]` in millimetres at weight 1.

    The mean face is pitched a little against the base mesh; the displacements turn with it. `tongueOut` moves only what
    the cage has of it (the lips), since the cage has no tongue.
    """
    points = base_cage[identity.aligned] * MM_PER_DM
    target = identity.mean[identity.aligned]
    rotation = fit_similarity(points, target, with_scale=False).rotation.T
    names = sorted(targets.expression)
    basis = np.stack([targets.expression[name] @ rotation * MM_PER_DM for name in names])
    return names, basis.astype(np.float32)
