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
    """What is printed of a face that was saved; the face itself, and all that was worked out of it, is let go.

    Attributes:
        base: its results' path without their endings.
        degrees: yaw, pitch and roll; milliseconds: what it took.
        doubt: where it is and its score, of one that may be no face.
    """

    photo: Path
    base: Path
    degrees: tuple[float, float, float]
    milliseconds: float
    doubt: str

    @classmethod
    def of(cls, photo: Path, base: Path, face: FaceResult) -> Saved:
        """Of a face that was saved."""
        ends = " ".join(f"{value:.0f}" for value in face.box)
        doubt = f"{ends} may not be a face (score {face.score:.2f})" if face.doubtful else ""
        return cls(photo, base, face.pose.degrees, sum(face.timings_ms.values()), doubt)


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
        return [Saved.of(photo, self.out / name, result) for name, result in zip(names, results, strict=True)]


def print_results(saved: list[Saved], console: Console) -> None:
    """Prints a line a face."""
    for each in saved:
        ends = (".obj", ".glb", ".ply", ".json")
        suffix = next(end for end in ends if each.base.with_name(each.base.name + end).is_file())
        if each.doubt:
            print(
                f"tfface predict: {each.photo}: what was found at {each.doubt}: look at its overlay; --min-score "
                "leaves such out, --box says where the face is.",
                file=sys.stderr,
            )
        yaw, pitch, roll = each.degrees
        console.print(
            f"{each.photo} -> {each.base}{suffix}  "
            f"yaw {yaw:.0f}, pitch {pitch:.0f}, roll {roll:.0f} degrees, {each.milliseconds:.0f} ms",
            markup=False,
            soft_wrap=True,
        )
