"""Writes the faces of many photographs, each under a name that is free or its own, and tells of them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfface.io.formats import FileOptions
from tfface.io.results import about, free_names, photograph
from tfface.result import FaceResult

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Saved:
    """A face that was saved, and the name of its results."""

    photo: Path
    base: Path
    result: FaceResult


@dataclass
class Saver:
    """Saves the faces of photographs; in any thread.

    Attributes:
        out: folder of the results.
        made_with: what decides how they come out (`tfface.io.results.about`).
        files, mat, overwrite: as `FaceResult.save` has them.
        detailed: gives a face detail before it is saved, if any.
    """

    out: Path
    made_with: dict[str, Any]
    files: FileOptions
    mat: bool = False
    overwrite: bool = False
    detailed: Callable[[FaceResult], FaceResult] | None = None
    _names: threading.Lock = field(default_factory=threading.Lock)
    _taken: set[str] = field(default_factory=set)

    def __call__(self, photo: Path, stem: str, results: list[FaceResult]) -> list[Saved]:
        source = photograph(photo)
        with self._names:
            names = free_names(self.out, stem, len(results), source, self.overwrite, self._taken)
            self._taken.update(names)
        for number, (name, result) in enumerate(zip(names, results, strict=True)):
            origin = about(source, number, len(results), self.made_with)
            detailed_face = result if self.detailed is None else self.detailed(result)
            detailed_face.save(self.out, name, self.mat, self.overwrite, origin, self.files)
        return [Saved(photo, self.out / name, result) for name, result in zip(names, results, strict=True)]


def tell_results(saved: list[Saved], console: Console) -> None:
    """Prints a line a face."""
    for each in saved:
        ends = (".obj", ".glb", ".ply", ".json")
        suffix = next(end for end in ends if each.base.with_name(each.base.name + end).is_file())
        _warn_of_doubt(each.result, each.photo)
        yaw, pitch, roll = each.result.pose.degrees
        took = sum(each.result.timings_ms.values())
        console.print(
            f"{each.photo} -> {each.base}{suffix}  "
            f"yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees, {took:.0f} ms",
            markup=False,
            soft_wrap=True,
        )


def _warn_of_doubt(result: FaceResult, photo: Path) -> None:
    if result.doubtful:
        ends = " ".join(f"{value:.0f}" for value in result.box)
        print(
            f"tfface predict: {photo}: what was found at {ends} may not be a face (score {result.score:.2f}): look at "
            "its overlay; --min-score leaves such out, --box says where the face is.",
            file=sys.stderr,
        )
