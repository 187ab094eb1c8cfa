"""Writes the faces of many photographs, each under a name that is free or its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfface.io.formats import FileOptions
from tfface.io.results import about, free_names, photograph
from tfface.result import FaceResult


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
            told = about(source, number, len(results), self.made_with)
            whole = result if self.detailed is None else self.detailed(result)
            whole.save(self.out, name, self.mat, self.overwrite, told, self.files)
        return [Saved(photo, self.out / name, result) for name, result in zip(names, results, strict=True)]
