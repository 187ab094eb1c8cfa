"""Spherical harmonics of order 2 in Deep3D's order, for arrays of any library that overloads arithmetic.

With a unit normal n, `colour_c = albedo_c * sum_k Y_k(n) gamma_ck`, where
`Y = [a0, -a1 ny, a1 nz, -a1 nx, a2 nx ny, -a2 ny nz, a2 (3 nz^2 - 1) / (2 sqrt 3), -a2 nx nz, a2 (nx^2 - ny^2) / 2]`,
a0 = pi / sqrt(4 pi) = 0.886227, a1 = 2 pi / sqrt(4 pi) = 1.772454 and a2 = 3 sqrt(5) pi / sqrt(24 pi) = 2.427032: the
real spherical harmonics times (pi, 2 pi / sqrt 3, 2 pi / sqrt 8), as in Deep3DFaceReconstruction (Deng et al. 2019)
after Ramamoorthi and Hanrahan 2001. `AMBIENT` is added to the constant coefficient of each colour, so that zeros are an
even light of 0.709.
"""

from __future__ import annotations

import math
from typing import Any

A0 = math.pi / math.sqrt(4 * math.pi)
A1 = 2 * math.pi / math.sqrt(4 * math.pi)
A2 = 3 * math.sqrt(5) * math.pi / math.sqrt(24 * math.pi)
AMBIENT = 0.8


def harmonic_functions(x: Any, y: Any, z: Any) -> list[Any]:
    """The nine functions at unit normals (x, y, z), each of the shape of x."""
    return [
        0 * x + A0,
        -A1 * y,
        A1 * z,
        -A1 * x,
        A2 * x * y,
        -A2 * y * z,
        A2 * 0.5 / math.sqrt(3) * (3 * z * z - 1),
        -A2 * x * z,
        A2 * 0.5 * (x * x - y * y),
    ]
