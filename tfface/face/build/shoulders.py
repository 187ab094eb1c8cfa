"""Shoulders that go on where the cage's neck ends: MakeHuman's own (CC0), with what identity and expressions do.

MakeHuman's random people have shoulders and a head each, so a regression says which shoulders go with which identity
coefficients: broad ones with a man's face, small ones with a child's. It does not explain a neck completely. What it
leaves over of the cage's neck is carried on into the shoulders: its mean shifts all of them, the rest fades as a bent
sheet would have it. So the surface goes on over the old border for every face. Expressions bend
the sheet alone: shoulders stay where they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from tfface.face.build.cage import Cage
from tfface.face.build.identity import sample_people
from tfface.face.build.makehuman import TORSO_CHART, BaseMesh
from tfface.face.build.pooled import vertex_weights, without_rigid
from tfface.face.build.scanned import front_of
from tfface.face.build.targets import read_targets
from tfface.face.open_model import OpenFace
from tfface.geometry.cut import edges_of

FloatArray = NDArray[np.floating]
LOWEST_DM, WIDEST_DM = 4.2, 2.4
"""How far down and aside MakeHuman's torso is taken; the mesh is cut within it."""
PEOPLE = 1000
PRIOR = 0.1
"""How many of a hundred people's worth the regression leans towards no effect."""
STIFF = 0.03
"""How strongly the sheet is held where it is, in the unit of its bending."""
RINGS = 2
"""So many rings of the neck hold the sheet, that it goes on in their direction."""


def build_shoulders(base: BaseMesh, cage: Cage, data: Path, face: OpenFace) -> dict[str, NDArray[Any]]:
    """The arrays of `tfface.face.shoulders.Shoulders`.

    Args:
        base: MakeHuman's mesh; cage: of the head, out of it.
        data: MakeHuman's data (`tfface.face.build.targets`).
        face: the finished face model that the shoulders go with.
    """
    quads, added = torso_quads(base, cage)
    joined = _with_more(cage, added)
    targets = read_targets(data, joined, len(base.vertices))
    vertices = joined.apply(base.vertices)
    people = sample_people(vertices, targets, _mirror(vertices), PEOPLE, 0)[0]
    neck = _neck_rings(cage, quads)
    chosen = np.concatenate([neck, np.arange(len(face.mean), len(vertices))])
    mean, slopes = _regressed_on_identity(people, chosen, face)
    spread = _spread(np.concatenate([face.head(0).quads, quads]), len(vertices), neck, len(face.mean))
    result = []
    for known, regressed in ((face.mean[None], mean[None]), (face.id_basis, slopes), (face.exp_basis, None)):
        own, others = (0.0, 0.0) if regressed is None else (regressed[:, : len(neck)], regressed[:, len(neck) :])
        left_over = known[:, neck] - own
        shift = 0.0 if regressed is None else left_over.mean(1, keepdims=True)
        result.append(others + shift + np.einsum("en,kni->kei", spread, left_over - shift))
    return {
        "mean": result[0][0].astype(np.float32),
        "id_basis": result[1].astype(np.float16),
        "exp_basis": result[2].astype(np.float16),
        "quads": quads.astype(np.int16),
    }


def torso_quads(base: BaseMesh, cage: Cage) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Quads `[Q,4]` of neck, shoulders and chest that the cage does not have, the cage's vertices by their numbers and
    the others after them; and which of the base mesh those others are."""
    quads, _, chart = base.body_charts()
    torso = quads[chart == TORSO_CHART]
    select = cage.weights.tocsr()
    plain = np.flatnonzero(np.diff(select.indptr) == 1)
    number = np.full(len(base.vertices), -1)
    number[select.indices[select.indptr[plain]]] = plain
    there = {tuple(sorted(quad)) for quad in cage.faces.tolist()}
    places = base.vertices[torso]
    near = (places[..., 1] > LOWEST_DM).all(1) & (np.abs(places[..., 0]) < WIDEST_DM).all(1)
    new = [quad for quad in torso[near] if tuple(sorted(number[quad].tolist())) not in there]
    added = np.unique(np.array(new))
    added = added[number[added] < 0]
    number[added] = cage.weights.shape[0] + np.arange(len(added))
    return number[np.array(new)], added


def _with_more(cage: Cage, added: NDArray[np.int64]) -> Cage:
    """The cage with vertices of the base mesh after its own."""
    rows = sp.csr_matrix((np.ones(len(added)), (np.arange(len(added)), added)), (len(added), cage.weights.shape[1]))
    offset = np.concatenate([cage.offset, np.zeros((len(added), 3))])
    return replace(cage, weights=sp.vstack([cage.weights, rows]).tocsr(), offset=offset)


def _mirror(vertices: FloatArray) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(vertices).query(vertices * [-1, 1, 1])[1], np.int64)


def _neck_rings(cage: Cage, quads: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cage's vertices that the shoulders' quads share, and those next to them."""
    size = cage.weights.shape[0]
    ring = np.unique(quads[quads < size])
    edges = edges_of(cage.faces)
    for _ in range(RINGS - 1):
        ring = np.union1d(ring, edges[np.isin(edges[:, 0], ring), 1])
    return ring


def _regressed_on_identity(
    people: NDArray[np.float32], chosen: NDArray[np.int64], face: OpenFace
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean `[N,3]` mm of people `[P,V,3]` at the chosen vertices, and how much each identity coefficient moves it
    `[K,N,3]`."""
    size = len(face.mean)
    mean = people.mean(0, dtype=np.float64)
    front = front_of(face)
    weights = vertex_weights(face.mean, face.head(0).quads, front)
    deviations = without_rigid(people[:, :size] - mean[:size], face.mean.astype(np.float64), weights * front)
    basis = face.id_basis.astype(np.float64)
    lengths = np.einsum("kci,kci,c->k", basis, basis, weights)
    coefficients = np.einsum("pci,kci,c->pk", deviations, basis, weights, optimize=True) / lengths
    moved = (people[:, chosen] - mean[chosen]).reshape(len(people), -1)
    gram = coefficients.T @ coefficients + PRIOR * len(people) * np.eye(len(basis))
    slopes = np.linalg.solve(gram, coefficients.T @ moved)
    return mean[chosen], slopes.reshape(len(basis), len(chosen), 3)


def _spread(quads: NDArray[np.integer], count: int, held: NDArray[np.int64], first: int) -> NDArray[np.float64]:
    """`[E,H]` how much of the `held` vertices' offsets each vertex from `first` on takes: it bends as little as may be,
    and goes back to 0 far away."""
    edges = edges_of(np.asarray(quads))
    both = np.concatenate([edges, edges[:, ::-1]])
    links = sp.csr_matrix((np.ones(len(both)), tuple(both.T)), shape=(count, count))
    links.data[:] = 1.0
    laplace = sp.diags(np.asarray(links.sum(1)).ravel()) - links
    bending = (laplace.T @ laplace + STIFF * sp.identity(count)).tocsc()
    free = np.arange(first, count)
    solve = splu(bending[free][:, free].tocsc())
    return np.asarray(solve.solve(-bending[free][:, held].toarray()))
