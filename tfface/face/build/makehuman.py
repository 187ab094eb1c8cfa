"""Reading the CC0 MakeHuman data: the base mesh, its mirror table, and its targets (sparse displacements).

Lengths are decimetres in the files and here. The base mesh has 19,158 vertices (body, clothes helpers, eyes).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

HEAD_CHART, TORSO_CHART = 0, 2


@dataclass(frozen=True)
class BaseMesh:
    """The base mesh: `vertices [19158,3]` dm, `uv`, and per face its vertices, uvs, and group name."""

    vertices: NDArray[np.float64]
    uv: NDArray[np.float64]
    quads: list[list[int]]
    uv_quads: list[list[int]]
    groups: list[str]

    def body_charts(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Quads `[Q,4]` of the body, their uv indices, and which connected UV chart each lies in."""
        body = [i for i, group in enumerate(self.groups) if group == "body"]
        quads = np.array([self.quads[i] for i in body])
        uv_quads = np.array([self.uv_quads[i] for i in body])
        pairs = np.concatenate([uv_quads[:, [0, 1]], uv_quads[:, [1, 2]], uv_quads[:, [2, 3]]])
        graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(self.uv),) * 2)
        label = connected_components(graph, directed=False)[1]
        return quads, uv_quads, label[uv_quads[:, 0]]

    def group_vertices(self, name: str) -> NDArray[np.int64]:
        """The vertices of a named group, sorted."""
        return np.unique(
            [v for quad, group in zip(self.quads, self.groups, strict=True) if group == name for v in quad]
        )


def read_base(path: Path) -> BaseMesh:
    """The base mesh from its OBJ file."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    quads, uv_quads, groups, group = [], [], [], ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif kind == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif kind == "g":
            group = rest.split()[0]
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            quads.append([int(c[0]) - 1 for c in corners])
            uv_quads.append([int(c[1]) - 1 for c in corners])
            groups.append(group)
    return BaseMesh(np.array(vertices), np.array(uv), quads, uv_quads, groups)


def read_target(path: Path, num_vertices: int) -> NDArray[np.float64]:
    """A target as dense displacements `[V,3]`; `.gz` or plain text, lines of `vertex dx dy dz`."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    displacement = np.zeros((num_vertices, 3))
    if rows:
        table = np.array([[float(x) for x in row[:4]] for row in rows])
        displacement[table[:, 0].astype(int)] = table[:, 1:]
    return displacement
