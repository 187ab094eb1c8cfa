"""Several photographs of one person to one shape: who is in them, what that person looks like without expression."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.decoded import averaged
from tfface.face.found import PointModel
from tfface.face.head_mesh import head_mesh
from tfface.face.several import solve_alone, solve_together, useful
from tfface.io.files import mark_of
from tfface.io.formats import FileOptions
from tfface.io.model import WRITERS
from tfface.io.results import ENDS, own_name
from tfface.result import FaceResult
from tfface.viz.head_model import head_model
from tfface.viz.skin import merged_skin

FloatArray = NDArray[np.floating]
WAYS = {
    "together": "solved from all photographs' points together",
    "cnet": "mean weighted by C-Net's confidences",
    "both": "solved from all points together, weighted by C-Net's confidences",
    "mean": "mean",
}
"""How photographs share an identity."""
SOLVED, WEIGHED = ("together", "both"), ("cnet", "both")
"""Those that need points, and C-Net."""


def check_way(way: str, several: bool = True) -> None:
    """Sees to it that `way` makes sense.

    Args:
        several: whether photographs of one person are taken together.

    Raises:
        UserError: there is no such way, or nothing to take together.
    """
    if way not in WAYS:
        raise UserError(f"`way={way}` does not exist: choose {', '.join(WAYS)}.")
    if not several:
        raise UserError("`way` goes with several photographs of one person: give several, or the folder of a `set`.")


def best_way(result: FaceResult, points: PointModel | None) -> str:
    """The best of `WAYS` by measurement (docs/several.md) that the network of a result can go."""
    if points is not None:
        return "together"
    return "mean" if result.confidences is None else "cnet"


def of_one_person(
    results: Sequence[FaceResult],
    points: PointModel | None,
    weights: Sequence[float] | None = None,
    same_moment: bool = False,
    way: str | None = None,
) -> list[FaceResult]:
    """The same person in several photographs: each face with the set's identity and albedo.

    Identity is solved from the points that the network found in all of them (`tfface.face.several`), or what `way`
    says, and `FaceResult.strangeness` says which photographs may show somebody else; without points, or with weights,
    it is the photographs' mean. Albedo is the mean.

    Args:
        results: of one network with coefficients, a face a photograph.
        points: of the network, if it finds any.
        weights: `[N]` confidence in each, at least 0, for a weighted mean.
        same_moment: the expression is one, too.
        way: one of `WAYS`; None: the best.

    Raises:
        UserError: weights that do not fit, no results, or a way that the network cannot go.
    """
    way = "mean" if weights is not None or not results else way or best_way(results[0], points)
    check_way(way)
    unsure = any(each.confidences is None for each in results)
    if (points is None and way in SOLVED) or (unsure and way in WEIGHED):
        raise UserError(f"This network cannot go the way {way!r} to one identity (docs/several.md): choose mean.")
    decoded = [result.decoded for result in results if result.decoded is not None]
    means = averaged(decoded, None if weights is None else np.asarray(weights, np.float64))
    found = [result.found for result in results if result.found is not None]
    if points is None or way == "mean":
        if way == "cnet":
            means = [mean.with_identity(weighed(results, None)) for mean in means]
        return [result.with_coefficients(mean) for result, mean in zip(results, means, strict=True)]
    confidences = np.array([result.confidences for result in results]) if way in WEIGHED else None
    solved = solve_together(found, points, same_moment, confidences=confidences if way == "both" else None)
    if way == "cnet":
        solved = solved.with_identity(weighed(results, points), points.layout)
    every = zip(results, means, solved.coefficients, solved.strangeness, solved.worth, strict=True)
    return [
        replace(result.with_coefficients(mean.moved_to(numbers)), strangeness=float(strange), worth=float(worth))
        for result, mean, numbers, strange, worth in every
    ]


def weighed(results: Sequence[FaceResult], points: PointModel | None) -> FloatArray:
    """The identity `[I]` that C-Net makes of results of one network: the mean, weighted by its confidences, of what
    each photograph's points show alone, or of what the network says (as it was trained)."""
    if points is None or points.confidences_of == "heads":
        each = [result.decoded.parts["identity"] for result in results if result.decoded is not None]
    else:
        each = [solve_alone(result.found, points) for result in results if result.found is not None]
    confidences = np.array([result.confidences for result in results], np.float64)
    return np.asarray((confidences * np.array(each)).sum(axis=0) / confidences.sum(axis=0))


@dataclass(frozen=True)
class Doubts:
    """Photographs of a set, by their numbers, that are not like the others.

    Attributes:
        strangers: they seem to show another person.
        useless: they show next to nothing of the face.
    """

    strangers: list[int]
    useless: list[int]


def doubts(together: Sequence[FaceResult], points: PointModel | None) -> Doubts:
    """Which photographs of `of_one_person` are in doubt; of strangers only the strangest, since one makes others so."""
    if points is None or any(face.strangeness is None or face.worth is None for face in together):
        return Doubts([], [])
    strangeness = np.array([face.strangeness for face in together], np.float64)
    worth = np.array([face.worth for face in together], np.float64)
    useless = np.flatnonzero(~useful(worth)).tolist()
    strangest = int(strangeness.argmax())
    return Doubts([strangest] * bool(strangeness[strangest] > points.trust.strange), useless)


def save_neutral(
    faces: Sequence[FaceResult],
    folder: str | os.PathLike[str],
    stem: str,
    overwrite: bool = False,
    files: FileOptions | None = None,
    source: Mapping[str, str] | None = None,
) -> list[Path]:
    """Writes the shared face without expression as STEM_neutral.obj, .glb and so on: the same head, cut and furnished,
    that `FaceResult.save` writes, its texture merged from all photographs.

    Args:
        faces: of `of_one_person`.
        folder, stem, overwrite: as `FaceResult.save` has them.
        files: which of its meshes, and how fine; the first format's file comes first.
        source: of which photographs it is, as `tfface.io.results.photograph` says it: another's results are left as
            they are, and these called STEM_neutral-2.

    Raises:
        UserError: a file of such a name is there that tfface did not write; or the disk takes no more.
    """
    decoded, wanted = faces[0].decoded, (files or FileOptions()).check()
    assert decoded is not None
    whose = source or {"name": "", "sha256": ""}
    name = own_name(Path(folder), f"{stem}_neutral", whose, ENDS, overwrite)
    size = wanted.texture_size or max(each.texture_size for each in faces)
    skin = merged_skin([each.skin(size, wanted.texture == "albedo") for each in faces])
    identity, expression = decoded.parts["identity"], np.zeros(decoded.layout.expression, np.float32)
    mesh = head_mesh(wanted.mesh, wanted.level)
    model = head_model(mesh, identity, expression, skin, faces[0].iris, wanted.morphs, name)
    if source is not None:
        model = replace(model, mark=mark_of(source["sha256"]))
    kinds = [kind for kind in wanted.formats if kind in WRITERS]
    return [path for kind in kinds for path in WRITERS[kind](Path(folder) / f"{name}.{kind}", model)]
