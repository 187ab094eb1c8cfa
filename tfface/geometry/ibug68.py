"""What the 68 landmarks of iBUG's 300-W are (Sagonas et al. 2013), by their numbers; left and right are the picture's.

0-16 the jaw from ear to ear, 17-26 the brows, 27-30 the bridge of the nose and 31-35 its base, 36-41 and 42-47 the
eyes, 48-59 the outer and 60-67 the inner lips.
"""

from __future__ import annotations

import numpy as np

COUNT, NUM_JAW = 68, 17
JAW, WITHOUT_JAW = slice(0, 17), slice(17, 68)
LEFT_BROW, RIGHT_BROW, BROWS = slice(17, 22), slice(22, 27), slice(17, 27)
NOSE, NOSTRILS = slice(27, 36), slice(31, 36)
LEFT_EYE, RIGHT_EYE, EYES = slice(36, 42), slice(42, 48), slice(36, 48)
MOUTH, OUTER_LIPS, INNER_LIPS = slice(48, 68), slice(48, 60), slice(60, 68)
CHIN, NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, LOWER_LIP = 8, 27, 30, 33, 57
JAW_ENDS = (0, 16)
OUTER_EYES, MOUTH_CORNERS = (36, 45), (48, 54)
EYE_CORNERS = (36, 39, 42, 45)

STROKES = (
    *((0, 17, False), (17, 22, False), (22, 27, False), (27, 31, False), (31, 36, False)),
    *((36, 42, True), (42, 48, True), (48, 60, True), (60, 68, True)),
)
"""The lines that are drawn through them: first, last + 1, closed."""

MIRRORED = np.concatenate(
    [
        *(np.arange(16, -1, -1), np.arange(26, 16, -1), np.arange(27, 31), np.arange(35, 30, -1)),
        *([45, 44, 43, 42, 47, 46], [39, 38, 37, 36, 41, 40]),
        *(np.arange(54, 47, -1), np.arange(59, 54, -1), np.arange(64, 59, -1), np.arange(67, 64, -1)),
    ]
)
"""`[68]` the landmark on the other side of the face."""
MIDLINE = tuple(int(i) for i in np.flatnonzero(np.arange(COUNT) == MIRRORED))
MIRROR_PAIRS = tuple((i, int(MIRRORED[i])) for i in range(COUNT) if i < MIRRORED[i])
"""The 58 landmarks off the midline, left and right."""

LIDS = ((37, 41), (38, 40), (43, 47), (44, 46))
"""Upper and lower lids."""
EXPRESSIVE_PAIRS = (
    *(*LIDS, (36, 39), (42, 45)),
    *((61, 67), (62, 66), (63, 65), (50, 58), (51, 57), (52, 56), (48, 54), (51, 62), (66, 57), (49, 59), (53, 55)),
    *((17, 36), (18, 37), (19, 37), (20, 38), (21, 39), (22, 42), (23, 43), (24, 44), (25, 44), (26, 45), (21, 22)),
    *((33, 51), (57, 8), (31, 35)),
)
"""Landmarks whose difference shows an expression: lids, lips, brows and lids, corners, lip and nose, chin."""
