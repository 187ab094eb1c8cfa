"""One face's coefficients as shape, colours and camera, in NumPy: what prediction makes of an R-Net's second answer.

Colours are sRGB values in [0,1]: albedo is `mean + basis c` of the face model, shaded colours are
`albedo * sum_k Y_k(n) (gamma_k + 0.8 [k = 0])` with `tfface.geometry.harmonics` at the normals of the turned
face. Nothing here depends on TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.layout import CROP_SIZE, Layout, camera_of
from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.geometry.camera import Camera
from tfface.geometry.harmonics import AMBIENT, harmonic_functions
from tfface.geometry.pos import five_points
from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.geometry.uv import bilinear_weights

MM_PER_DM = 100.0


@dataclass(frozen=True, eq=False)
class DecodedFace:
    """A face as its coefficients say it, over the crop that the network saw.

    Attributes:
        layout: of the coefficients.
        coefficients: `[N]`.
    """

    layout: Layout
    coefficients: NDArray[np.float32]

    @cached_property
    def parts(self) -> dict[str, NDArray[np.float32]]:
        """The coefficients by name: identity, expression, albedo, angles, light, camera."""
        return self.layout.split(self.coefficients)

    @property
    def camera(self) -> Camera:
        """Over the 256-pixel crop."""
        return camera_of(self.parts["angles"], self.parts["camera"], self.layout.camera)

    @cached_property
    def vertices_mm(self) -> NDArray[np.float32]:
        """`[53833,3]` in the face frame, at the size that the coefficients say."""
        face = load_open_face()
        return face.face(2).vertices(face.cage(self.parts["identity"], self.parts["expression"]))

    @cached_property
    def albedo(self) -> NDArray[np.float32]:
        """`[53833,3]` the surface's own colour, clipped to [0,1]."""
        basis = load_albedo_basis()
        texture = basis.mean + np.tensordot(self.parts["albedo"], basis.basis, axes=1)
        texels, weights = bilinear_weights(load_open_face().face(2).uv, len(texture))
        colours = (texture.reshape(-1, 3)[texels] * weights[..., None]).sum(1)
        return np.asarray(np.clip(colours, 0, 1), np.float32)

    @cached_property
    def shaded(self) -> NDArray[np.float32]:
        """`[53833,3]` the colour under the predicted light, clipped to [0,1]."""
        if not self.layout.light:
            return self.albedo
        normals = vertex_normals(self.turned, load_open_face().face(2).triangles)
        return np.asarray(np.clip(self.albedo * self.shading(normals), 0, 1), np.float32)

    def shading(self, normals: NDArray[np.floating]) -> NDArray[np.float32]:
        """What the light makes of an albedo of 1 at unit normals `[...,3]` in the camera's axes: `[...,3]`."""
        light = np.zeros((1, 9)) if not self.layout.light else self.parts["light"].reshape(-1, 9)
        light = np.asarray(light + np.array([AMBIENT] + 8 * [0.0]), np.float32)
        functions = np.stack(harmonic_functions(*np.moveaxis(normals, -1, 0)), axis=-1)
        return np.broadcast_to(functions @ light.T, normals.shape)

    @cached_property
    def turned(self) -> NDArray[np.float32]:
        """`[53833,3]` the posed face in millimetres, in the camera's axes."""
        camera = self.camera
        return np.asarray((self.vertices_mm - camera.origin_mm) @ np.asarray(camera.rotation).T, np.float32)

    def moved_to(self, coefficients: NDArray[np.float32]) -> DecodedFace:
        """Other coefficients' shape and pose in this face's colours."""
        colours = {name: self.parts[name] for name in ("albedo", "light")}
        parts = {**self.layout.split(coefficients), **colours}
        return DecodedFace(self.layout, np.concatenate([*parts.values()]).astype(np.float32))

    def with_identity(self, identity: NDArray[np.floating]) -> DecodedFace:
        """The same with another identity `[I]`."""
        parts = {**self.parts, "identity": identity}
        return DecodedFace(self.layout, np.concatenate([*parts.values()]).astype(np.float32))

    def named(self) -> dict[str, Any]:
        """The coefficients as a person reads them, for JSON."""
        parts = {name: np.round(part.astype(np.float64), 5).tolist() for name, part in self.parts.items()}
        names = load_open_face().expression_names
        colours = parts["light"] if self.layout.light == 9 else np.reshape(parts["light"], (-1, 9)).tolist()
        return {
            "identity_sigma": parts["identity"],
            "expression_weights": dict(zip(names, parts["expression"], strict=True)),
            "albedo_sigma": parts["albedo"],
            "angles_rad": dict(zip(("pitch", "yaw", "roll"), parts["angles"], strict=True)),
            "light_harmonics": colours,
            "camera": {"kind": self.layout.camera, "numbers": parts["camera"]},
        }

    def mat(self, crop: NDArray[np.uint8], points: NDArray[np.floating]) -> dict[str, NDArray[Any]]:
        """What Deep3DFaceReconstruction's `.mat` files hold, under both of its published codes' names.

        Args:
            crop: `[256,256,3]` uint8 RGB, what the network saw.
            points: `[53833,3]` u, v and depth of the face in pixels of that crop.

        Shapes and units are upstream's: `face_shape` `[1,V,3]` is posed, in decimetres; colours lie in 0..255;
        `recon_img` is RGBA; landmarks are u and v in pixels of the crop. The sizes of the coefficients are ours.
        """
        face = load_open_face()
        triangles, chosen = face.face(2).triangles, face.landmarks68
        rgba = np.concatenate([self.shaded, np.ones_like(self.shaded[:, :1])], axis=1)
        drawn = rasterize(np.asarray(points, np.float32), triangles, CROP_SIZE, CROP_SIZE)
        picture = interpolate(drawn[0], drawn[1], triangles, rgba)
        posed = self.turned
        landmarks = np.asarray(points[chosen, :2], np.float32)
        parts = {name: part[None] for name, part in self.parts.items()}
        return {
            "cropped_img": crop,
            "recon_img": np.asarray(np.round(np.clip(picture, 0, 1) * 255), np.uint8),
            "coeff": self.coefficients[None],
            "face_shape": posed[None] / np.float32(MM_PER_DM),
            "face_texture": self.albedo[None] * 255,
            "face_color": self.shaded[None] * 255,
            "tri": triangles + 1,
            "lm_68p": landmarks,
            "lm_5p": five_points(landmarks).astype(np.float32),
            **{"id": parts["identity"], "exp": parts["expression"], "tex": parts["albedo"], "angle": parts["angles"]},
            **{"gamma": parts["light"], "trans": parts["camera"], "lm68": landmarks},
        }


def averaged(faces: list[DecodedFace], weights: NDArray[np.floating] | None = None) -> list[DecodedFace]:
    """The same person in several photographs: identity and albedo are the set's weighted means, the rest each one's.

    Deng et al. 2019, section 4: `sum_j c_j a_j / sum_j c_j`; the authors found plain averaging, all c alike, nearly as
    good as confidences that a network learns.

    Args:
        faces: of one layout.
        weights: `[N]` confidences, at least 0; all alike by default.

    Raises:
        UserError: no faces, faces of different layouts, or weights that do not fit.
    """
    if not faces or any(face.layout != faces[0].layout for face in faces):
        raise UserError("A set needs at least one face, all from the same model.")
    confidence = np.ones(len(faces)) if weights is None else np.asarray(weights, np.float64)
    if confidence.shape != (len(faces),) or (confidence < 0).any() or not confidence.sum() > 0:
        raise UserError(f"A set of {len(faces)} faces needs as many weights, none below 0 and one above: {confidence}.")
    share = confidence / confidence.sum()
    mean = {name: share @ np.stack([face.parts[name] for face in faces]) for name in ("identity", "albedo")}
    return [
        DecodedFace(face.layout, np.concatenate([*{**face.parts, **mean}.values()]).astype(np.float32))
        for face in faces
    ]
