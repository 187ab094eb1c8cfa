"""The open model's albedo basis: principal components of painted faces.

Beards are left out (a basis with beards has negative ones), and so is hair on the forehead. Values are sRGB, as in the
Basel model; components are stored in 8 bits, each with its own step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.colour import linear_to_srgb
from tfface.data.synthetic.head.albedo import SkinChart, SkinPainter, sample_skin
from tfface.face.open_model import OpenFace

RESOLUTION = 256
NO_HAIRLINE = 1000.0


def build_albedo_basis(face: OpenFace, num_faces: int, num_components: int) -> tuple[dict[str, NDArray[Any]], float]:
    """The asset `open_face_albedo`, and the share of the painted faces' variance that its components hold.

    Its arrays are `mean [R,R,3]` uint8, `basis [A,R,R,3]` int8, `steps [A]` float32.
    """
    chart = SkinChart(face, RESOLUTION)
    maps = np.stack([_paint(chart, index) for index in range(num_faces)])
    mean = maps.mean(0)
    deviations = (maps - mean).reshape(num_faces, -1)
    values, vectors = np.linalg.eigh((deviations @ deviations.T).astype(np.float64) / num_faces)
    best = np.argsort(-values)[:num_components]
    basis = vectors[:, best].T.astype(np.float32) @ deviations / np.float32(np.sqrt(num_faces))
    basis *= np.where(basis.sum(1, keepdims=True) < 0, -1, 1)  # the same signs in every build
    steps = np.abs(basis).max(1) / 127
    quantised = np.round(basis / steps[:, None]).astype(np.int8).reshape(num_components, RESOLUTION, RESOLUTION, 3)
    arrays = {"mean": np.round(mean * 255).astype(np.uint8), "basis": quantised, "steps": steps.astype(np.float32)}
    return arrays, float(values[best].sum() / values.sum())


def _paint(chart: SkinChart, index: int) -> NDArray[np.float32]:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([0xBA515, index])))
    skin = replace(sample_skin(rng), beard=0.0, hairline=NO_HAIRLINE)
    texture = SkinPainter(chart, skin, rng).paint()
    return linear_to_srgb((texture[..., :3].astype(np.float32) / 255) ** 2)
