"""A fitted face: a `FaceResult` that knows its coefficients, and the picture of how it was found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.face.open_model import PART_NAMES, load_albedo_basis, load_open_face
from tfface.face.trimmed import trimmed_face
from tfface.fitting.coefficients import Coefficients
from tfface.geometry.align import crop_transform, transform_points
from tfface.geometry.camera import Camera
from tfface.geometry.uv import bilinear_weights
from tfface.io.formats import FileOptions
from tfface.io.image import write_image
from tfface.io.results import refuse_foreign_results
from tfface.io.warp import warp_image
from tfface.result import FaceResult
from tfface.viz.overlay import blend, draw_landmarks, face_window, overlay, render_colored, turned_view
from tfface.viz.sheet import contact_sheet

STAGES_PIXELS = 480
STAGES = ("photograph and landmarks", "landmark fit", "photometric fit", "rendered", "shape", "albedo")


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedFace(FaceResult):
    """See `FaceResult`; meshes are the model's own, without the perspective of the photograph.

    Attributes:
        coefficients: of the fit, its camera over the photograph.
        first: of its first stage.
        seen_landmarks: `[68,2]` what it was fitted to, in the photograph's pixels.
    """

    coefficients: Coefficients
    first: Coefficients
    seen_landmarks: NDArray[np.float64]

    @cached_property
    def vertices(self) -> NDArray[np.float32]:
        """`[53833,3]` u, v and depth (larger is nearer) in pixels of the photograph."""
        return self.coefficients.vertices()

    @property
    def shape(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Identity `[150]` and expression `[52]` of the fit."""
        return self.coefficients.identity, self.coefficients.expression

    @property
    def camera(self) -> Camera:
        """The fit's, over the photograph."""
        return self.coefficients.camera

    @property
    def albedo_coefficients(self) -> NDArray[np.float64]:
        """`[A]` of the fit."""
        return self.coefficients.albedo

    def albedo(self) -> NDArray[np.float32]:
        """`[53833,3]` the fitted albedo of each vertex, sRGB values in [0,1]."""
        maps, surface = load_albedo_basis(), load_open_face().face(2)
        picture = maps.mean + np.tensordot(np.asarray(self.coefficients.albedo, np.float32), maps.basis, axes=1)
        texels, weights = bilinear_weights(surface.uv, len(picture))
        flat = picture.reshape(-1, 3)
        return np.clip(sum(flat[texels[:, k]] * weights[:, k, None] for k in range(4)), 0.0, 1.0)

    def stages(self, size: int = STAGES_PIXELS) -> NDArray[np.uint8]:
        """Photograph with its landmarks, both stages' meshes over it, the face rendered, its shape and its albedo."""
        matrix = crop_transform(face_window(self.vertices), size)
        plain = warp_image(self.image, matrix, size, size)
        meshes = [transform_points(matrix, part.vertices()) for part in (self.first, self.coefficients)]
        chosen, (shown, triangles) = load_open_face().landmarks68_2d, trimmed_face()
        albedo, fitted = self.albedo(), shown @ meshes[1]
        pictures = [
            draw_landmarks(plain, transform_points(matrix, self.seen_landmarks), 1.2),
            *(overlay(plain, shown @ mesh, triangles, mesh[chosen]) for mesh in meshes),
            blend(plain, render_colored(fitted, _skin_triangles(), size, size, shown @ self.lit(albedo))),
            turned_view(shown @ self.vertices_mm, triangles, size, 20.0),
            blend(np.full_like(plain, 34), render_colored(fitted, triangles, size, size, shown @ albedo)),
        ]
        return contact_sheet(pictures, STAGES, len(STAGES) // 2, size)

    def summary(self) -> dict[str, Any]:
        """As `FaceResult`'s, with the coefficients."""
        return {**super().summary(), "coefficients": self.coefficients.summary()}

    def save(
        self,
        folder: str | os.PathLike[str],
        stem: str,
        mat: bool = False,
        overwrite: bool = False,
        about: Mapping[str, Any] | None = None,
        files: FileOptions | None = None,
    ) -> list[Path]:
        """As `FaceResult`'s, and STEM_stages.png."""
        picture = Path(folder) / f"{stem}_stages.png"
        if not overwrite:
            refuse_foreign_results(Path(folder), stem)
        write_image(picture, self.stages(), result=True)
        return [*super().save(folder, stem, mat, overwrite, about, files), picture]

    def lit(self, albedo: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vertices' colours `[53833,3]` in the fitted light."""
        from tfface.render.shade import shade, vertex_normals

        eye = (self.vertices_mm @ self.coefficients.camera.rotation.T).astype(np.float32)
        normals = vertex_normals(eye[None], self.triangles)
        light = np.asarray(self.coefficients.light, np.float32)[None]
        return np.clip(shade(albedo[None], normals, light).numpy()[0], 0.0, 1.0)


def _skin_triangles() -> NDArray[np.int32]:
    """The face without eyes and mouth, of whose looks the model knows nothing."""
    shown, triangles = trimmed_face()
    of_skin = load_open_face().face(2).vertex_part < PART_NAMES.index("left eye")
    return triangles[(shown @ of_skin > 0.99)[triangles].all(axis=1)]
