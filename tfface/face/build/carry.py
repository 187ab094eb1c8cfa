"""Fields of a scanned mesh carried to our cage: what its skin does, the cage's skin does, and the rest follows.

A field is an offset per vertex (an identity mode, an expression). Where our surface has sure partners on the scan, the
cage's skin is solved for so that the subdivided surface has the partners' offsets; elsewhere (inside of lids, lips and
ears) the solution bends as little as may be. The pit behind the lips follows the lips as it does on MakeHuman's own
people. What the eyes' membranes do is given (`tfface.face.build.eyes`): the scan's eyes say little of ours.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sparse_linalg
from numpy.typing import NDArray

from tfface.face.build.cage import LEFT_EYE, MOUTH, NECK, RIGHT_EYE, SKIN, Cage
from tfface.face.build.registration import Partners, graph_laplacian
from tfface.face.open_model import Surface

FloatArray = NDArray[np.floating]
BENDING = 0.02
REST = 1e-6
MM_PER_DM = 100.0


class Carrier:
    """Carries fields from one scan to the cage that lies on it.

    Args:
        cage: its parts.
        surface: of the cage, subdivided, whose vertices have the `partners`.
    """

    def __init__(self, cage: Cage, surface: Surface, partners: Partners) -> None:
        self.cage, self.partners = cage, partners
        kind = vertex_kind(cage)
        self.skin, self.pit = np.flatnonzero(kind <= NECK), np.flatnonzero(kind == MOUTH)
        self.lip_weights = lip_weights(cage, self.pit)
        self.sure = np.flatnonzero(partners.sure)
        rows = surface.matrix[self.sure].tocsc()
        self.eye_vertices = np.concatenate([cage.eye(side) for side in (0, 1)])
        self.eye_rows = rows[:, self.eye_vertices]
        lips = np.searchsorted(self.skin, cage.lip_loop)
        spread = sp.coo_matrix((np.ones(len(lips)), (np.arange(len(lips)), lips)), shape=(len(lips), len(self.skin)))
        self.rows = (rows[:, self.skin] + rows[:, self.pit] @ sp.csr_matrix(self.lip_weights) @ spread).tocsr()
        skin_faces = cage.faces[cage.part <= NECK].astype(np.int64)
        laplacian = graph_laplacian(
            np.where(skin_faces >= 0, np.searchsorted(self.skin, skin_faces), -1), len(self.skin)
        )
        system = self.rows.T @ self.rows + BENDING * laplacian.T @ laplacian + REST * sp.identity(len(self.skin))
        self.solve = sparse_linalg.splu(system.tocsc()).solve

    def __call__(self, offsets: FloatArray, eyes: FloatArray | None = None) -> NDArray[np.float64]:
        """The scan's offsets `[K,N,3]` as offsets of the cage `[K,C,3]`, in the cage's frame.

        Args:
            offsets: in the scan's frame.
            eyes: `[K,282,3]` those of the left and the right membrane; still by default.
        """
        fields = np.asarray(offsets, np.float32)
        result = np.zeros((len(fields), self.rows.shape[1] + len(self.pit) + len(self.eye_vertices), 3))
        if eyes is not None:
            result[:, self.eye_vertices] = eyes
        wanted = self.partners.offsets(fields)[:, self.sure].astype(np.float64)
        wanted -= np.stack([self.eye_rows @ field for field in result[:, self.eye_vertices]])
        right = self.rows.T @ wanted.transpose(1, 0, 2).reshape(len(self.sure), -1)
        solved = self.solve(np.asarray(right)).reshape(len(self.skin), len(fields), 3)
        result[:, self.skin] = solved.transpose(1, 0, 2)
        result[:, self.pit] = np.einsum("pl,klj->kpj", self.lip_weights, result[:, self.cage.lip_loop])
        return result


def seat_mouth(cage: Cage, shape: FloatArray) -> NDArray[np.float64]:
    """A cage `[C,3]` mm with the pit behind its lips made anew, as `build_cage` makes it."""
    result, pit = np.array(shape, np.float64), np.flatnonzero(vertex_kind(cage) == MOUTH)
    result[pit] = lip_weights(cage, pit) @ result[cage.lip_loop] + cage.offset[pit] * MM_PER_DM
    return result


def vertex_kind(cage: Cage) -> NDArray[np.int64]:
    """`[C]` the part of each cage vertex; those of a loop belong to the skin."""
    kind = np.full(cage.weights.shape[0], -1)
    for part in (MOUTH, RIGHT_EYE, LEFT_EYE, NECK, SKIN):
        chosen = cage.faces[cage.part == part]
        kind[chosen[chosen >= 0]] = part
    return kind


def lip_weights(cage: Cage, pit: NDArray[np.int64]) -> NDArray[np.float64]:
    """`[P,38]` what each vertex of the pit takes from each of the lip loop, as the cage was built."""
    base = np.asarray(cage.weights[cage.lip_loop].argmax(1)).ravel()
    return np.asarray(cage.weights[pit][:, base].todense())
