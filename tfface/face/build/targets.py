"""MakeHuman's targets as displacements of the cage, and the modifiers they form.

A modifier is one slider: a positive and a negative target (`nose-scale-depth-incr`, `-decr`), with a left and a right
half where it is sided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.face.build.cage import Cage
from tfface.face.build.makehuman import read_target

SECTIONS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose", "asym")
OPPOSITES = {
    "decr": "incr",
    "down": "up",
    "backward": "forward",
    "in": "out",
    "concave": "convex",
    "compress": "uncompress",
}
Modifier = tuple[str, str]


@dataclass(frozen=True)
class Targets:
    """Displacements `[C,3]` in decimetres: `local` and `macro` identity targets, and ARKit `expression` units."""

    local: dict[str, NDArray[np.float32]]
    macro: dict[str, NDArray[np.float32]]
    expression: dict[str, NDArray[np.float32]]


def read_targets(data: Path, cage: Cage, num_base: int) -> Targets:
    """All targets that move the head. `data` is the folder that holds `mpfb2` and `faceunits01`."""

    def displacement(path: Path) -> NDArray[np.float32]:
        return np.asarray(cage.weights @ read_target(path, num_base), np.float32)

    def name(path: Path) -> str:
        return path.name.removesuffix(".gz").removesuffix(".target")

    folder = data / "mpfb2" / "targets"
    local = {
        f"{section}/{name(path)}": displacement(path)
        for section in SECTIONS
        for path in sorted((folder / section).glob("*.target.gz"))
    }
    local = {key: value for key, value in local.items() if np.abs(value).max() > 1e-6}
    macro = {name(p): displacement(p) for p in sorted((folder / "macrodetails").glob("*.target.gz"))}
    units = data / "faceunits01" / "targets" / "faceunits"
    expression = {name(p): displacement(p) for p in sorted(units.glob("*.target"))}
    return Targets(local, macro, expression)


def find_modifiers(names: list[str]) -> dict[Modifier, dict[str, str]]:
    """`{(section/slider, side): {"pos": target, "neg": target}}`; side is "l", "r" or "" where there is one only."""
    modifiers: dict[Modifier, dict[str, str]] = {}
    for key in names:
        section, name = key.split("/")
        if section == "asym":
            modifiers.setdefault((f"asym/{name[:-2]}", ""), {})["pos" if name.endswith("-l") else "neg"] = key
            continue
        sided = re.match(r"^([lr])-(.*)$", name)
        side, core = sided.groups() if sided else ("", name)
        slider, sign = _slider(core)
        modifiers.setdefault((f"{section}/{slider}", side), {})[sign] = key
    return modifiers


def _slider(core: str) -> tuple[str, str]:
    for negative, positive in OPPOSITES.items():
        for ending, sign in ((negative, "neg"), (positive, "pos")):
            if core.endswith(f"-{ending}"):
                return f"{core.removesuffix(ending)}{negative}-{positive}", sign
    return core, "pos"
