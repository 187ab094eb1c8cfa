"""The points that networks find in pictures: the 68 landmarks, then points all over the face, far from each other.

Networks have learnt these very points, so they are a table and not found anew: neither another mean face nor moved
landmarks may change them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError

_RESOLUTION = 64
# fmt: off
_TEXELS = (
    1668, 1988, 2437, 3013, 3209, 3341, 3474, 3482, 3679, 3493, 3501, 3378, 3254, 3066, 2490, 2043, 1723, 1361,
    1173, 1176, 1179, 1245, 1250, 1188, 1191, 1194, 1390, 1503, 1695, 1887, 2143, 2393, 2396, 2399, 2403, 2406,
    1619, 1430, 1432, 1561, 1687, 1685, 1574, 1447, 1449, 1644, 1706, 1704, 2838, 2649, 2589, 2591, 2594, 2662,
    2857, 3047, 3107, 3103, 3100, 3032, 2903, 2717, 2655, 2722, 2920, 2913, 2911, 2910, 2, 61, 31, 367, 399,
    1017, 1029, 2447, 2480, 485, 538, 1866, 1909, 1226, 1010, 21, 10, 53, 39, 849, 747, 800, 1464, 2442, 2485,
    2896, 2927, 2132, 2155, 635, 351, 341, 3803, 3812, 1935, 1968, 1459, 516, 1403, 779, 564, 790, 1413, 2041,
    1990, 3589, 3642, 1945, 1958, 154, 46, 2828, 2867, 3360, 3180, 3155, 392, 2579, 2604, 869, 362, 1671, 1484,
    859, 687, 3637, 3594, 376, 1070, 1078, 79, 227, 2871, 2824, 1166, 1784, 2083, 1649, 3240, 3223, 2163, 2124,
    210, 1678, 595, 2231, 2184, 937, 545, 1635, 2075, 2129, 2158, 3085, 3122, 1159, 134, 268, 57, 1284, 2582,
    2601, 655, 994, 669, 990, 2924, 2899, 2326, 2345, 242, 35, 679, 1083, 3152, 3183, 3291, 1691, 1106, 3675,
    3684, 171, 1874, 1901, 3413, 3434, 910, 754, 983, 1269, 649, 534, 294, 347, 556, 2703, 2736, 309, 1826,
    1201, 2616, 2567, 524, 2611, 2572, 2413, 2386, 488, 344, 676, 1594, 3364, 151, 1898, 1877, 1443, 1436, 251,
    729, 402, 2254, 2289, 631, 3344, 3375, 1605, 221, 1120, 1653, 2181, 2234, 477, 1415, 821, 709, 3029, 3050,
    1831, 1906, 3275, 3316, 1337, 3553, 1711, 3235, 2273, 2619, 2564,
)
# fmt: on
"""Texels of the flattened map of 64 x 64: of `landmarks68_2d` as they lay when the table was made, then the others."""


@lru_cache(maxsize=8)
def point_texels(resolution: int, count: int) -> NDArray[np.int32]:
    """Texels `[count]` of the flattened map, all different; coarse maps skip points whose texel is taken.

    Raises:
        UserError: so many points are not known, or the map is too coarse for them.
    """
    chosen = list(dict.fromkeys(_at(resolution).tolist()))[:count]
    if len(chosen) < count:
        raise UserError(f"model.points: a map of {resolution} x {resolution} has {len(chosen)} points, not {count}.")
    return np.array(chosen, np.int32)


def landmark_points(resolution: int, count: int) -> NDArray[np.int32]:
    """Which of the points stand for the 68 landmarks `[68]`; -1 where there are too few points."""
    place = {int(texel): index for index, texel in enumerate(point_texels(resolution, count))}
    return np.array([place.get(int(texel), -1) for texel in _at(resolution)[:68]], np.int32)


def landmark_texels(resolution: int) -> NDArray[np.int32]:
    """The texels `[68]` of the points that stand for the landmarks."""
    return _at(resolution)[:68]


def _at(resolution: int) -> NDArray[np.int32]:
    rows, columns = np.divmod(np.array(_TEXELS), _RESOLUTION)
    share = (resolution - 1) / (_RESOLUTION - 1)
    return np.asarray(np.round(rows * share) * resolution + np.round(columns * share), np.int32)
