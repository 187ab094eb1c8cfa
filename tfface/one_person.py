"""Several photographs of one person to one shape: who is in them, what that person looks like without expression."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfface.face.decoded import averaged
from tfface.face.found import PointModel
from tfface.face.open_model import load_open_face
from tfface.face.several import solve_together, useful
from tfface.io.files import refuse_foreign
from tfface.io.mesh import Mesh, write_mesh
from tfface.result import TEXTURE_SIZE, FaceResult, position_tables
from tfface.viz.texture import merged_texture, vertex_colors


def of_one_person(
    results: Sequence[FaceResult],
    points: PointModel | None,
    weights: Sequence[float] | None = None,
    same_moment: bool = False,
) -> list[FaceResult]:
    """The same person in several photographs: each face with the set's identity and albedo.

    Identity is solved from the points that the network found in all of them (`tfface.face.several`), and
    `FaceResult.strangeness` says which photographs may show somebody else; without points, or with weights, it is the
    photographs' mean. Albedo is the mean.

    Args:
        results: of one network with coefficients, a face a photograph.
        points: of the network, if it finds any.
        weights: `[N]` confidence in each, at least 0, for a weighted mean.
        same_moment: the expression is one, too.

    Raises:
        UserError: weights that do not fit, or no results.
    """
    decoded = [result.decoded for result in results if result.decoded is not None]
    means = averaged(decoded, None if weights is None else np.asarray(weights, np.float64))
    found = [result.found for result in results if result.found is not None]
    if points is None or weights is not None or len(found) < len(results):
        return [result.with_coefficients(mean) for result, mean in zip(results, means, strict=True)]
    solved = solve_together(found, points, same_moment)
    every = zip(results, means, solved.coefficients, solved.strangeness, solved.worth, strict=True)
    return [
        replace(result.with_coefficients(mean.moved_to(numbers)), strangeness=float(strange), worth=float(worth))
        for result, mean, numbers, strange, worth in every
    ]


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
    faces: Sequence[FaceResult], folder: str | os.PathLike[str], stem: str, overwrite: bool = False
) -> list[Path]:
    """Writes STEM_neutral.obj and .glb: the shared face without expression, its texture merged from all photographs.

    Raises:
        UserError: a file of such a name is there that tfface did not write; or the disk takes no more.
    """
    face, decoded = load_open_face(), faces[0].decoded
    assert decoded is not None
    paths = [Path(folder) / f"{stem}_neutral{end}" for end in (".obj", ".glb")]
    if not overwrite:
        refuse_foreign(paths)
    surface = face.face(2)
    vertices = surface.vertices(face.cage(decoded.parts["identity"]))
    views = [(each.image, each.vertices) for each in faces]
    texture = merged_texture(views, position_tables(TEXTURE_SIZE))
    write_mesh(paths[0], Mesh(vertices, surface.triangles, colors=vertex_colors(texture, face)))
    write_mesh(paths[1], Mesh(vertices, surface.triangles, uv=surface.uv, texture=texture))
    return paths
