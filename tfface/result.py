"""What a reconstruction is, and the files it becomes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.decoded import DecodedFace
from tfface.face.found import Found
from tfface.face.head_mesh import head_mesh
from tfface.face.layout import CROP_SIZE
from tfface.face.metric import metric_coefficients, reference_pose
from tfface.face.open_model import MAX_LEVEL, load_albedo_basis, load_open_face
from tfface.face.position_map import position_tables
from tfface.face.trimmed import trimmed_face
from tfface.geometry.align import Pose, crop_transform, invert_transform, transform_points
from tfface.geometry.camera import Camera
from tfface.geometry.pos import five_points
from tfface.geometry.raster import depth_of
from tfface.io.files import MARK, atomic_path, json_text, write_text
from tfface.io.formats import FileOptions
from tfface.io.image import write_image
from tfface.io.mesh import Mesh
from tfface.io.model import WRITERS, Model
from tfface.io.results import refuse_foreign_results
from tfface.io.warp import warp_image
from tfface.summary import summary_of
from tfface.viz.detail import DISPLACEMENT_NOTE, Detail, write_maps
from tfface.viz.head_model import head_model, iris_colour, with_detail
from tfface.viz.model_view import model_view
from tfface.viz.overlay import Window, blend, draw_window, face_window, render_colored, shrunk
from tfface.viz.posed_head import modelled_head, posed_head
from tfface.viz.sheet import contact_sheet
from tfface.viz.skin import SkinTexture, skin_texture
from tfface.viz.texture import face_texture, vertex_colors
from tfface.viz.visible import head_normals, seen_vertices, texels_a_pixel

TEXTURE_SIZE = 1024
SHEET_PIXELS = 640
OVERLAY_PIXELS = 960


@dataclass(frozen=True, eq=False)
class FaceResult:
    """One face of one photograph.

    Attributes:
        image: `[H,W,3]` uint8 RGB, the photograph.
        position_map: `[256,256,3]` float32, u, v and depth in pixels of the photograph.
        box: `[4]` the square crop that the network saw (before it was turned by `crop_roll_deg`).
        crop_roll_deg: by how much a head that lay on its side was turned upright for the network.
        score: of the detection; None for a box that was given.
        timings_ms: milliseconds by step.
        model: the network's name.
        decoded: what the network's coefficients say, of networks that have them.
        landmark_deviations_px: `[68]` how far the network expects each of `landmarks68_2d` to be off, a standard
            deviation along u and along v in pixels of the photograph; None of networks that do not know.
        doubtful: whether few faces have so low a score: it may be none.
        found: the points that the network found, of networks that tell them (`tfface.face.found`).
        confidences: `[I]` C-Net's in each identity coefficient, of networks that have it
            (`tfface.models.layers.confidences`).
        strangeness, worth: of a photograph in a set, how likely it shows somebody else and how much it says of the
            shape (`tfface.face.several.Together`).
        preset: the name of the weights: a preset's, or that of the folder that they lie in.
        detail: what a detail network adds (`tfface.detailing`).
    """

    image: NDArray[np.uint8]
    position_map: NDArray[np.float32]
    box: NDArray[np.float64]
    model: str
    timings_ms: Mapping[str, float]
    crop_roll_deg: float = 0.0
    score: float | None = None
    decoded: DecodedFace | None = None
    landmark_deviations_px: NDArray[np.float32] | None = None
    doubtful: bool = False
    found: Found | None = None
    confidences: NDArray[np.float32] | None = None
    strangeness: float | None = None
    worth: float | None = None
    preset: str | None = None
    detail: Detail | None = None

    @cached_property
    def vertices(self) -> NDArray[np.float32]:
        """`[53833,3]` u, v and depth (larger is nearer) in pixels of the photograph."""
        return position_tables(len(self.position_map)).to_vertices(self.position_map)

    @property
    def triangles(self) -> NDArray[np.int32]:
        """`[F,3]` of the face crop, counter-clockwise from outside."""
        return load_open_face().face(2).triangles

    @property
    def landmarks68(self) -> NDArray[np.float32]:
        """`[68,3]` u, v and depth in pixels of the photograph, points of the head as in 300W-LP (`face.landmarks`)."""
        return self.vertices[load_open_face().landmarks68]

    @property
    def landmarks68_2d(self) -> NDArray[np.float32]:
        """`[68,3]` the same as dlib places them, jaw points where a frontal face ends in the picture."""
        return self.vertices[load_open_face().landmarks68_2d]

    @property
    def landmarks5(self) -> NDArray[np.float64]:
        """`[5,2]` middles of the eyes, tip of the nose, corners of the mouth, in pixels of the photograph."""
        return five_points(self.landmarks68)

    @cached_property
    def pose(self) -> Pose:
        """Where the face stands; `.degrees` gives yaw, pitch, roll."""
        return reference_pose(self.vertices)

    @cached_property
    def vertices_mm(self) -> NDArray[np.float32]:
        """`[53833,3]` in the face frame, without the camera's perspective (`tfface.face.metric`)."""
        face = load_open_face()
        return face.face(2).vertices(face.cage(*self.shape))

    @property
    def camera(self) -> Camera:
        """What takes `vertices_mm` back to the photograph, nearly."""
        return self._metric[2]

    @property
    def shape(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Identity `[150]` and expression `[52]` of the face model: what the mesh is made of."""
        return self._metric[:2]

    @cached_property
    def _metric(self) -> tuple[NDArray[np.float32], NDArray[np.float32], Camera]:
        return metric_coefficients(self.vertices)

    @cached_property
    def texture(self) -> NDArray[np.uint8]:
        """`[1024,1024,3]` uint8 RGB from the photograph, hidden parts filled."""
        return face_texture(self.image, self.vertices, position_tables(TEXTURE_SIZE))

    @cached_property
    def head_points(self) -> NDArray[np.floating]:
        """`[61129,3]` the whole head in the photograph (u, v, depth in pixels)."""
        return posed_head(self.vertices, self._modelled)

    @cached_property
    def _modelled(self) -> NDArray[np.float32]:
        return modelled_head(*self.shape, self.camera)

    @cached_property
    def camera_error_px(self) -> float:
        """By how much `camera` misses `vertices` when it looks at `vertices_mm`, on average."""
        beside = (self.camera.project(self.vertices_mm) - self.vertices)[:, :2]
        return float(np.sqrt(np.einsum("vc,vc->v", beside, beside)).mean())

    @cached_property
    def head_normals(self) -> NDArray[np.float32]:
        """`[61129,3]` of `head_points`, y up."""
        return head_normals(self.head_points)

    @cached_property
    def texture_size(self) -> int:
        """Of files, where no other is asked for: as many texels as the photograph has pixels of the face."""
        if self.detail is not None:
            return TEXTURE_SIZE
        return TEXTURE_SIZE // 2 if texels_a_pixel(self.head_points, self.head_seen, TEXTURE_SIZE) > 2 else TEXTURE_SIZE

    @property
    def albedo_coefficients(self) -> NDArray[np.floating] | None:
        """`[A]` of the face model's albedo, where they are known."""
        return None if self.decoded is None else self.decoded.parts["albedo"]

    def skin(self, size: int = TEXTURE_SIZE, unlit: bool = False) -> SkinTexture:
        """The skin's texture in the chart of the whole head, and where each texel comes from; `unlit` without the
        photograph's light."""
        if (size, unlit) not in self._skins:
            basis, albedo = load_albedo_basis(), self.albedo_coefficients
            seen, normals = self.head_seen, self.head_normals
            self._skins[size, unlit] = skin_texture(
                self.image, self.head_points, basis, albedo, size, unlit, seen, normals
            )
        return self._skins[size, unlit]

    @cached_property
    def _skins(self) -> dict[tuple[int, bool], SkinTexture]:
        return {}

    @cached_property
    def iris(self) -> tuple[float, float, float]:
        """The eyes' colour, sRGB in [0,1]."""
        return iris_colour(self.image, *self.shape, self.camera, self.head_points, self.head_seen)

    @cached_property
    def head_seen(self) -> NDArray[np.float32]:
        """`[61129]` how well the photograph shows each of `head_points`."""
        hiding = load_open_face().head(MAX_LEVEL - 1).triangles  # a level's vertices come first among the next one's
        return seen_vertices(self.head_points, hiding, self.head_normals)

    def head(
        self,
        kind: str = "face",
        level: int = 2,
        texture_size: int = TEXTURE_SIZE,
        blend_shapes: bool = False,
        name: str = "head",
        unlit: bool = False,
    ) -> Model:
        """The mesh that people take away: skin, eyes, teeth, gums, tongue and mouth, mm about the head's centre.

        Args:
            kind: `face`, `head` or `full` (`tfface.face.head_mesh`).
            level: of subdivision, 0 to 2.
            texture_size: side of the skin's texture.
            blend_shapes: the 52 ARKit expressions as morph targets.
            unlit: a skin without the photograph's light.
        """
        mesh, skin = head_mesh(kind, level), self.skin(texture_size, unlit)
        model = head_model(mesh, *self.shape, skin, self.iris, blend_shapes, name)
        return model if self.detail is None else with_detail(model, mesh, self.detail, self.detail_maps(texture_size))

    def detail_maps(self, size: int = TEXTURE_SIZE) -> dict[str, NDArray[Any]]:
        """`Detail.maps` of a face that has `detail`."""
        assert self.detail and self.decoded
        return self.detail.maps(self.decoded.parts["albedo"], *self.shape, size)

    def mesh(self, textured: bool) -> Mesh:
        """The face crop in the face frame in millimetres, with its texture or with vertex colours."""
        face = load_open_face()
        if textured:
            return Mesh(self.vertices_mm, self.triangles, uv=face.face(2).uv, texture=self.texture)
        return Mesh(self.vertices_mm, self.triangles, colors=vertex_colors(self.texture, face))

    def overlay(self, size: int = OVERLAY_PIXELS) -> NDArray[np.uint8]:
        """The face's part of the photograph with the mesh and the landmarks over it, `[size,size,3]`."""
        return shrunk(self._window.overlay, size)

    @cached_property
    def _window(self) -> Window:
        """The face's part of the photograph, plain, with that, and its depth."""
        shown, window = trimmed_face(), face_window(self.vertices)
        vertices, sizes = shown.matrix @ self.vertices, (OVERLAY_PIXELS, SHEET_PIXELS)
        return draw_window(self.image, vertices, shown.triangles, self.landmarks68, window, *sizes)

    def sheet(self, size: int = SHEET_PIXELS) -> NDArray[np.uint8]:
        """Photograph, overlay, mesh turned by 45 degrees, and depth, side by side."""
        plain, overlay, depth = (shrunk(picture, size) for picture in self._window)
        clay = model_view(head_model(head_mesh("face", 2), *self.shape, None), size, 45.0, skin_as_clay=True)
        pictures = [plain, overlay, clay, depth]
        return contact_sheet(pictures, ["photograph", "overlay", "turned by 45 degrees", "depth"], 4, size)

    def depth_image(self) -> tuple[NDArray[np.uint16], float]:
        """The photograph's depth `[H,W]` uint16 (0 where there is no face, 65535 nearest), and pixels per level."""
        depth = depth_of(self.vertices, self.triangles, *self.image.shape[:2])
        low, high = float(self.vertices[:, 2].min()), float(self.vertices[:, 2].max())
        step = max(high - low, 1e-6) / 65534
        levels = np.where(np.isfinite(depth), np.clip((depth - low) / step, 0, 65534) + 1, 0)
        return np.asarray(np.round(levels), np.uint16), step

    @property
    def _crop_matrix(self) -> NDArray[np.float64]:
        """From pixels of the photograph to those of the 256-pixel crop that the network saw."""
        return crop_transform(self.box, CROP_SIZE, float(np.radians(self.crop_roll_deg)))

    def with_coefficients(self, decoded: DecodedFace) -> FaceResult:
        """The face that these coefficients mean over the same crop."""
        points = decoded.camera.project(decoded.vertices_mm)
        points[:, 2] -= points[:, 2].min()
        placed = transform_points(invert_transform(self._crop_matrix), points)
        maps = position_tables(CROP_SIZE).from_vertices(placed)
        return replace(self, decoded=decoded, position_map=maps, detail=None)

    def colours(self, size: int = SHEET_PIXELS) -> NDArray[np.uint8]:
        """Photograph, the face in its predicted light over it and alone, and its albedo, side by side."""
        assert self.decoded is not None
        matrix = crop_transform(face_window(self.vertices), size)
        plain, shown = warp_image(self.image, matrix, size, size), trimmed_face()
        points = transform_points(matrix, shown.matrix @ self.vertices)
        lit, own = (
            render_colored(points, shown.triangles, size, size, shown.matrix @ colours)
            for colours in (self.decoded.shaded, self.decoded.albedo)
        )
        pictures = [plain, blend(plain, lit), blend(np.zeros_like(plain), lit), blend(np.zeros_like(plain), own)]
        return contact_sheet(pictures, ["photograph", "shaded, over it", "shaded", "albedo"], 4, size)

    def mat(self) -> dict[str, NDArray[Any]]:
        """The fields of Deep3DFaceReconstruction's `.mat` files (`tfface.face.decoded`).

        Raises:
            UserError: the network predicts no coefficients.
        """
        if self.decoded is None:
            raise UserError(f"The model {self.model} predicts no coefficients: `mat` needs an R-Net.")
        crop = warp_image(self.image, self._crop_matrix, CROP_SIZE, CROP_SIZE)
        return self.decoded.mat(crop, transform_points(self._crop_matrix, self.vertices))

    def summary(self) -> dict[str, Any]:
        """What NAME.json holds."""
        return summary_of(self)

    def save(
        self,
        folder: str | os.PathLike[str],
        stem: str,
        mat: bool = False,
        overwrite: bool = False,
        about: Mapping[str, Any] | None = None,
        files: FileOptions | None = None,
    ) -> list[Path]:
        """Writes what `files` asks for and, last, STEM.json; each whole or not at all.

        By default that is STEM.obj with .mtl and _texture.png, .glb, _overlay.png, _sheet.png, _depth.png and
        _origin.png; of a network with coefficients also _colours.png, and with `mat` STEM.mat.

        Args:
            folder: where to; made when it is missing.
            stem: what the results are called.
            mat: also Deep3D's fields.
            overwrite: also what tfface did not write.
            about: goes into STEM.json first (`tfface.io.results.about`).
            files: which files, and how fine.

        Returns:
            the files' paths.

        Raises:
            UserError: a file of such a name is there that tfface did not write; or the disk takes no more.
        """
        target, begin = Path(folder), time.perf_counter()
        wanted = (files or FileOptions()).check()
        if not overwrite:
            refuse_foreign_results(target, stem)
        formats = {*wanted.formats, *(["mat"] if mat else [])}
        textured = formats & {*WRITERS, "png"}
        size = wanted.texture_size or (self.texture_size if textured else TEXTURE_SIZE)
        written = [self._save_mat(target / f"{stem}.mat")] if "mat" in formats else []
        if formats & set(WRITERS):
            unlit = wanted.texture == "albedo"
            model = self.head(wanted.mesh, wanted.level, size, wanted.morphs, stem, unlit)
            for kind in WRITERS:
                written += WRITERS[kind](target / f"{stem}.{kind}", model) if kind in formats else []
        meshes = time.perf_counter()
        note: dict[str, Any] = {}
        if "png" in formats:
            pictures, note = self._pictures(size)
            for name, picture in pictures.items():
                written.append(target / f"{stem}_{name}.png")
                write_image(written[-1], picture, result=True)
        if self.detail is not None:
            written += write_maps(self.detail_maps(size), target, stem)
            note["detail"] = {"network": self.detail.network, "displacement_png": DISPLACEMENT_NOTE}
        spent = {"meshes": (meshes - begin) * 1000, "pictures": (time.perf_counter() - meshes) * 1000}
        content = {"software": MARK, **(about or {}), **self.summary(), **note}
        content["timings_ms"] = {**content["timings_ms"], **{name: round(value, 2) for name, value in spent.items()}}
        written.append(target / f"{stem}.json")
        write_text(written[-1], json_text(content))
        return written

    def _save_mat(self, path: Path) -> Path:
        import scipy.io

        with atomic_path(path) as beside, beside.open("w+b") as file:
            scipy.io.savemat(file, self.mat(), do_compression=True)
            file.seek(0)
            file.write(f"MATLAB 5.0 MAT-file, {MARK}".encode().ljust(116))
        return path

    def _pictures(self, texture_size: int) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The pictures by name, and what NAME.json says of them."""
        depth, step = self.depth_image()
        origin = self.skin(texture_size).origin
        pictures: dict[str, NDArray[Any]] = {
            "overlay": self.overlay(),
            "sheet": self.sheet(),
            "depth": depth,
            "origin": origin,
        }
        if self.decoded is not None:
            pictures["colours"] = self.colours()
        return pictures, {
            "depth_png": {"px_per_level": step, "convention": "0: no face; larger is nearer"},
            "origin_png": "where the texture comes from: green seen, blue mirrored, red made up",
        }
