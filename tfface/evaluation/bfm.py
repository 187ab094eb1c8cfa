"""Dense truth of AFLW2000-3D from the user's own Basel Face Model file, which nobody may hand on.

The file is the BFM of 300W-LP in either of its forms (`tfface.face.readers.bfm_300wlp`). An image's vertices are its
`Shape_Para` and `Exp_Para` on that model, placed by its `Pose_Para` (`tfface.geometry.conventions`). Each image is
checked against its own `pt3d_68`.

Our vertices are another topology: the BFM's mean is laid onto ours by a similarity (68 points, then ICP), and each of
its vertices takes the nearest point of our mean's surface, once and for all. Vertices farther than `REACH_MM` from it
(neck, ears' backs, inner mouth) are left out. This correspondence is itself off by a millimetre or two, a floor that
methods trained on the BFM do not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.correspondence import Correspondence
from tfface.face.linear_face import LinearFace
from tfface.face.open_model import OpenFace
from tfface.face.readers import bfm_300wlp
from tfface.geometry.align import fit_similarity
from tfface.geometry.conventions import points_from_matlab, pose_from_300wlp
from tfface.geometry.icp import NearestOnMesh, icp, inverse, move
from tfface.io.image import image_size
from tfface.io.reading import read_matlab_numbers, sibling
from tfface.metrics.dense import dense_nme
from tfface.metrics.landmarks import box_area_root

FloatArray = NDArray[np.floating]
REACH_MM = 4.0
_AGREE_PX = 1.5


def correspond(bfm: LinearFace, face: OpenFace, level: int = 2) -> tuple[NDArray[np.int64], Correspondence]:
    """Those vertices `[M]` of the BFM that lie on our face, and where.

    Raises:
        UserError: less than half of it lies there: the file holds something else.
    """
    from trimesh.triangles import points_to_barycentric

    surface = face.face(level)
    ours = surface.vertices(face.cage()).astype(np.float64)
    theirs = bfm.mean.astype(np.float64)
    start = inverse(fit_similarity(theirs[bfm.landmarks68], ours[face.landmarks(level, 68)]))
    index = NearestOnMesh(ours, surface.triangles)
    motion = icp(index, theirs, start)
    placed = move(inverse(motion), theirs)
    nearest, triangle = index(placed)
    kept = np.flatnonzero(np.linalg.norm(nearest - placed, axis=-1) <= REACH_MM)
    if len(kept) < len(theirs) / 4:
        raise UserError(f"only {len(kept)} of the BFM's {len(theirs)} vertices lie on our face: is it the right file?")
    corners = surface.triangles[triangle[kept]].astype(np.int64)
    return kept, Correspondence(corners, points_to_barycentric(ours[corners], nearest[kept]))


@dataclass(frozen=True)
class BfmTruth:
    """AFLW2000-3D's whole faces. `heights` `[N]` are the pictures'; `files` their `.mat`; `correspond` gives `kept` and
    `correspondence`."""

    bfm: LinearFace
    kept: NDArray[np.int64]
    correspondence: Correspondence
    files: list[Path]
    heights: list[int]
    note: str = field(default="")

    def measure(self, index: int, predicted: FloatArray) -> dict[str, float]:
        """Dense NME in per cent over the box of the 68 true points, in 2D and in 3D with raw and centred depth."""
        truth, points = self.item(index)
        at = self.correspondence(np.asarray(predicted, np.float64))
        size = box_area_root(points[None])
        kept = truth[self.kept][None]
        rules = {"dense_2d": None, "dense_3d_raw": "raw", "dense_3d_centred": "centred"}
        return {key: float(dense_nme(at[None], kept, rule, size)[0]) for key, rule in rules.items()}  # type: ignore[arg-type]

    def item(self, index: int) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        """Vertices `[V,3]` and the file's own 68 points `[68,3]` in pixels.

        Raises:
            UserError: they do not agree.
        """
        data = read_matlab_numbers(self.files[index], ("Shape_Para", "Exp_Para", "Pose_Para", "pt3d_68"))
        shape = self.bfm.vertices(data["Shape_Para"], data["Exp_Para"])
        vertices = pose_from_300wlp(data["Pose_Para"], self.heights[index]).to_image(shape)
        points = points_from_matlab(data["pt3d_68"].T)
        off = np.linalg.norm(vertices[self.bfm.landmarks68, :2] - points[:, :2], axis=-1).mean()
        if off > _AGREE_PX:
            raise UserError(
                f"the BFM's points lie {off:.1f} px from pt3d_68: the `bfm` file is not the one it was made with"
            )
        return vertices, points


def _height(image: Path) -> int:
    """0 where the picture cannot be read: that is reported when it is asked about."""
    try:
        return image_size(image)[1]
    except UserError:
        return 0


def bfm_truth(file: Path, images: list[Path], face: OpenFace) -> BfmTruth:
    """The dense truth of AFLW2000-3D's `images`, whose `.mat` files lie beside them.

    Raises:
        UserError: the model or one of them cannot be used.
    """
    found_mats = [(image, sibling(image, (".mat",))) for image in images]
    missing = next((image for image, mat in found_mats if mat is None), None)
    if missing is not None:
        raise UserError(f"{missing} has no .mat beside it: dense figures need AFLW2000-3D's for each photograph")
    files = [mat for _, mat in found_mats if mat is not None]
    heights = [_height(image) for image in images]
    bfm = bfm_300wlp.read(file)
    kept, found = correspond(bfm, face)
    share = 100 * len(kept) / (len(bfm.mean))
    note = (
        f"dense: {len(kept)} of the BFM's vertices ({share:.0f} %), which lie within {REACH_MM:g} mm of our mean "
        "face, by nearest points; NME over the 68 true points' box"
    )
    return BfmTruth(bfm, kept, found, files, heights, note)
