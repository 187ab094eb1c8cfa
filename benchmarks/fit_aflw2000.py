"""How near fitted landmarks lie to AFLW2000-3D's.

    python benchmarks/fit_aflw2000.py --data DIR [--landmarks-file FILE]

Takes the first `--count` photographs of the list whose |yaw| is below `--max-yaw` degrees, in the list's order, and
prints the NME (per cent of the root of the published landmark box's area) of the points that the fit was given, of its
first stage and of its last, against the published and the re-annotated points.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tfface import fit
    from tfface.evaluation.landmark_set import LandmarkSet
    from tfface.fitting.result import FittedFace


@dataclass(frozen=True)
class Options:
    """Fits photographs of AFLW2000-3D and measures the landmarks."""

    data: Path
    """The benchmark's folder (`docs/evaluation.md`)."""
    landmarks_file: Path | None = None
    """dlib's 68-point file; without it the network's landmarks."""
    model: str | None = None
    """The network: a preset or the folder of an exported model."""
    count: int = 10
    """How many photographs."""
    max_yaw: float = 30.0
    """Turned less than this, in degrees."""
    steps: int = 120
    """Of the photometric stage."""
    pictures: Path | None = None
    """A folder for the pictures of the stages: research photographs, to look at and not to pass on."""


def main(argv: list[str] | None = None) -> int:
    """Prints a line a photograph and the means."""
    import numpy as np
    import tyro

    from tfface import fit
    from tfface.evaluation.aflw2000 import read_aflw2000
    from tfface.io.image import write_image

    options = tyro.cli(Options, args=argv, description=__doc__)
    data = read_aflw2000(options.data)
    assert data.yaw_deg is not None
    chosen = np.flatnonzero(np.abs(data.yaw_deg) < options.max_yaw)[: options.count]
    arguments = fit.Arguments((), landmarks_file=options.landmarks_file, model=options.model, steps=options.steps)
    source = fit.landmark_source(arguments)
    print("NME %: points, first stage, last stage against", " | ".join(data.truths))
    rows = []
    for index in chosen:
        face, seconds = _fit(data.images[index], source, arguments)
        rows.append([_error(points, data, name, index) for name in data.truths for points in _points(face)])
        print(f"{data.names[index]} {_line(rows[-1])}  {seconds:.1f} s", flush=True)
        if options.pictures:
            write_image(options.pictures / f"{Path(data.names[index]).stem}.jpg", face.stages())
    print(f"mean {_line(np.mean(rows, axis=0))}\nworst {_line(np.max(rows, axis=0))}")
    return 0


def _fit(path: Path, source: fit.Source, arguments: fit.Arguments) -> tuple[FittedFace, float]:
    from tfface.fit import photo_of
    from tfface.fitting.person import fit_person
    from tfface.io.image import read_image

    begin = time.process_time()
    face = fit_person([photo_of(read_image(path), source, arguments)], arguments.steps)[0]
    return face, time.process_time() - begin


def _points(face: FittedFace) -> list[NDArray[np.floating]]:
    from tfface.face.open_model import load_open_face

    first = face.first.vertices()[load_open_face().landmarks68]
    return [face.seen_landmarks, first[:, :2], face.landmarks68[:, :2]]


def _error(points: NDArray[np.floating], data: LandmarkSet, name: str, index: int) -> float:
    from tfface.evaluation.landmark_set import OFFSET_PX
    from tfface.metrics.landmarks import box_area_root, nme_2d

    published = next(iter(data.truths.values()))
    size = box_area_root(published[index][None])
    return float(nme_2d(points[None] + OFFSET_PX, data.truths[name][index][None], size)[0])


def _line(values: NDArray[np.floating] | list[float]) -> str:
    return " ".join(f"{value:5.2f}" for value in values)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
