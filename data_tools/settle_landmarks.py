"""Where on our mesh a benchmark's 68 landmarks lie: `python data_tools/settle_landmarks.py --data AFLW2000-3D`.

Data sets mean other places by "the corner of the eye" than our mesh does, and annotate what they mean by fitting meshes
of their own. For each landmark, and the one on the other side of the face with it, this chooses the vertex that lies
nearest to the references on average over yaw bins and truths, not far from where it is, under a network's meshes of
the photographs. It prints `VERTICES_3D` for `tfface/face/landmarks.py`, what the choice does to the error, and, because
the photographs that choose should not be those that judge, the same for halves: chosen on one, measured on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tyro
from numpy.typing import NDArray

from tfface.cli import run
from tfface.errors import UserError

FloatArray = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Options:
    """Choose the vertices of the 68 landmarks on annotated photographs."""

    data: Path
    """AFLW2000-3D's folder, or one with reference.npz and images."""
    model: str = "mnv2_points"
    """Preset or SavedModel folder whose meshes are taken for the truth."""
    radius_mm: float = 5.0
    """How far a landmark may move on the mean face."""
    rest: float = 0.05
    """By how much the error must fall for each millimetre moved, in per cent of the face's size."""


@dataclass(frozen=True)
class Photographs:
    """Meshes and truths of N photographs.

    Attributes:
        vertices: `[N,V,2]` in pixels.
        truths: each `[N,68,2]` in the same pixels.
        weights: `[N]` that make yaw bins count alike.
    """

    vertices: NDArray[np.float32]
    truths: tuple[FloatArray, ...]
    weights: FloatArray

    def part(self, chosen: Indices) -> Photographs:
        """Some of the photographs."""
        return Photographs(self.vertices[chosen], tuple(truth[chosen] for truth in self.truths), self.weights[chosen])

    @cached_property
    def sizes(self) -> tuple[FloatArray, ...]:
        """For each truth `[N]` the face's size in pixels, as AFLW2000-3D takes it."""
        from tfface.metrics.landmarks import box_area_root

        return tuple(box_area_root(truth) for truth in self.truths)

    def errors(self, landmark: int, candidates: Indices) -> FloatArray:
        """`[len(candidates)]` the mean error in per cent of the face's size if they were that landmark."""
        seen = self.vertices[:, candidates]
        total = np.zeros(len(candidates))
        for truth, size in zip(self.truths, self.sizes, strict=True):
            off = np.linalg.norm(seen - truth[:, landmark, None], axis=-1) / size[:, None]
            total += self.weights @ off / self.weights.sum()
        return 100 * total / len(self.truths)

    def score(self, landmarks: Indices) -> float:
        """The mean error of all landmarks."""
        return float(np.mean([self.errors(number, landmarks[[number]]) for number in range(68)]))


def settle(
    photographs: Photographs, landmarks: Indices, mean_mm: FloatArray, mirror: Indices, radius_mm: float, rest: float
) -> Indices:
    """The vertices `[68]` that lie nearest to the truths.

    Args:
        photographs: what judges.
        landmarks: `[68]` the vertices so far.
        mean_mm: `[V,3]` the mean face, symmetric in x.
        mirror: `[V]` the vertex on the other side.
        radius_mm, rest: as `Options` say.
    """
    settled = landmarks.copy()
    number_of = {int(vertex): number for number, vertex in enumerate(landmarks)}
    for number, vertex in enumerate(landmarks):
        other = number_of[int(mirror[vertex])]
        if other < number:
            continue
        moved = np.linalg.norm(mean_mm - mean_mm[vertex], axis=-1)
        near = np.flatnonzero((moved < radius_mm) & ((mirror == np.arange(len(mirror))) | (other != number)))
        errors = (photographs.errors(number, near) + photographs.errors(other, mirror[near])) / 2
        settled[number] = near[np.argmin(errors + rest * moved[near])]
        settled[other] = mirror[settled[number]]
    return settled


def read_photographs(options: Options) -> Photographs:
    """The network's meshes and the truths.

    Raises:
        UserError: there is no photograph, or one cannot be read: all of them decide.
    """
    from tfface.cli import progress_bar
    from tfface.evaluation.aflw2000 import read_aflw2000
    from tfface.evaluation.landmark_set import OFFSET_PX
    from tfface.evaluation.networks import NetworkPredictor
    from tfface.io.image import read_image
    from tfface.metrics.landmarks import yaw_bin
    from tfface.runtime import find_network

    data = read_aflw2000(options.data)
    if not data.images:
        raise UserError(f"{options.data} has no photograph beside its landmarks; see docs/evaluation.md")
    predictor = NetworkPredictor(find_network(options.model), options.model)
    with progress_bar() as bar:
        items = bar.track(list(zip(data.images, data.boxes, strict=True)), description="meshes")
        meshes = [predictor.vertices([(read_image(image), box)])[:, :2].astype(np.float32) for image, box in items]
    assert data.yaw_deg is not None
    bins = yaw_bin(data.yaw_deg)
    weights = 1 / np.bincount(bins)[bins]
    truths = tuple(truth[..., :2] - OFFSET_PX for truth in data.truths.values())
    return Photographs(np.stack(meshes), truths, weights)


def main(argv: Sequence[str] | None = None) -> int:
    """Chooses and prints; returns the exit code."""
    options = tyro.cli(Options, args=argv, description=__doc__)
    from tfface.face.open_model import load_open_face

    face = load_open_face()
    mesh = face.face(2)
    photographs = read_photographs(options)
    before = face.landmarks68

    def choose(part: Photographs) -> Indices:
        return settle(part, before, mesh.vertices(face.mean), mesh.mirror, options.radius_mm, options.rest)

    order = np.random.default_rng(0).permutation(len(photographs.weights))
    halves = [photographs.part(half) for half in np.array_split(order, 2)]
    judged = [second.score(choose(first)) for first, second in (halves, halves[::-1])]
    settled = choose(photographs)
    print(f"error {photographs.score(before):.2f} %; now {photographs.score(settled):.2f} %")
    print(f"chosen on one half, measured on the other: {np.mean(judged):.2f} %")
    changed = np.flatnonzero(settled != face.landmarks68_2d)
    print("VERTICES_3D =", {int(number): int(settled[number]) for number in changed})
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
