"""Albedo and light read from the picture, where an R-Net's geometry has put the face.

Features that learnt where a face is forget how it is lit, and heads on them give everybody nearly the same light. But
colour is linear in the light, and in the albedo's components, once the geometry is known:

    colour_i = (mean_i + sum_k alpha_k basis_ik) * sum_j Y_j(n_i) (gamma_j + ambient)

so a few Gauss-Newton steps from the mean albedo under even light, each a small least-squares problem with a prior, find
both: texels of skin that face the camera are compared with the picture, and after the first step those that fit badly
(hair, hands, glasses, cast shadows) count less. Nothing here is learnt. Keras operations alone, float32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from tfface.face.layout import CROP_SIZE
from tfface.face.open_model import load_albedo_basis, load_open_face
from tfface.face.position_map import PositionMap
from tfface.geometry.harmonics import AMBIENT, harmonic_functions
from tfface.models.layers.coefficients import LayoutLayer, cross
from tfface.models.layers.solve import gauss_newton_step

STRIDE = 5
"""Every fifth texel along both axes of the 256-texel map: some 1,100 of skin."""
SKIN = (1, 3)
"""Regions of the face model: face and nose; eyes and lips vary too much."""
TAU = {"albedo": 1.0, "light": 0.6}
"""Standard deviations of people's albedo coefficients, and of light's from even light."""
NOISE = 0.3
"""Of a texel's colour, in [0,1]: so much because a thousand texels err together."""
OUTLIERS = (10.0, 0.3, 0.2, 0.15)
"""A colour farther off than this counts less, step by step: at first all are far off."""
LEAST_COSINE = 0.2
EVEN_LIGHT = np.array([AMBIENT] + 8 * [0.0], np.float32)


@keras.saving.register_keras_serializable(package="tfface")
class ColoursFromPicture(LayoutLayer):
    """Pictures `[B,S,S,3*views]` in [0,1], an R-Net's numbers `[B,N']` and their maps `[B,256,256,3]` in pixels of the
    crop to the numbers with albedo and light from the (first) picture.

    Args:
        layout: of the numbers, as a dict.
    """

    def build(self, input_shape: Any) -> None:
        self.texels = skin_texels(int(input_shape[2][1]))
        basis = load_albedo_basis()
        step = (len(basis.mean) - 1) / (int(input_shape[2][1]) - 1)
        rows, columns = (np.round(step * index).astype(int) for index in self.texels)
        self.mean = basis.mean[rows, columns]
        self.basis = np.moveaxis(basis.basis[:, rows, columns], 0, -1)  # [T,3,A]

    def call(self, inputs: Any) -> Any:
        pictures, numbers, pixels = inputs
        parts = self.layout.split(ops.cast(numbers, "float32"), raw=True)
        if not self.layout.light:
            return numbers
        places, normals = self.surface(pixels)
        colours, seen = _read(pictures, places)
        seen = seen * ops.cast(normals[..., 2:] > LEAST_COSINE, "float32")
        harmonics = ops.stack(harmonic_functions(*ops.unstack(normals, 3, axis=-1)), axis=-1)
        albedo, light = 0.0 * parts["albedo"], 0.0 * parts["light"]
        for outlier in OUTLIERS:
            light = self._light(albedo, light, harmonics, colours, seen, outlier)
            albedo = self._albedo(albedo, light, harmonics, colours, seen, outlier)
        parts["albedo"], parts["light"] = albedo, light
        return ops.concatenate(list(parts.values()), axis=-1)

    def surface(self, pixels: Any) -> tuple[Any, Any]:
        """u and v `[B,T,2]` of the texels, and their unit normals `[B,T,3]` (x right, y up, z towards the camera)."""
        size, upright = pixels.shape[1], np.array([1.0, -1.0, 1.0], np.float32)
        flat, here = ops.reshape(pixels, (-1, size * size, 3)), self.texels[0] * size + self.texels[1]
        right, left, below, above = (ops.take(flat, here + step, axis=1) for step in (1, -1, size, -size))
        normal = cross((below - above) * upright, (right - left) * upright)
        length = ops.sqrt(ops.sum(ops.square(normal), axis=-1, keepdims=True))
        return ops.take(flat, here, axis=1)[..., :2], normal / ops.maximum(length, 1e-6)

    def _light(self, albedo: Any, light: Any, harmonics: Any, colours: Any, seen: Any, outlier: float) -> Any:
        """The light `[B,L]` that fits best with this albedo; `light` is the last one, which says what fits badly."""
        surface, shading = self._surface_colours(albedo), self._shading(light, harmonics)
        kinds = self.layout.light // 9
        share = np.eye(3, dtype=np.float32) if kinds == 3 else np.ones((3, 1), np.float32)
        # not by an einsum of three: TFLite's converter refuses what TensorFlow makes of it
        jacobian = surface[..., None, None] * share[:, :, None] * harmonics[:, :, None, None, :]
        jacobian = ops.reshape(jacobian, (-1, *surface.shape[1:], self.layout.light))
        even = ops.einsum("btk,k->bt", harmonics, EVEN_LIGHT)[..., None]
        sigma = _sigma(colours - surface * shading, seen, outlier)
        return gauss_newton_step(jacobian, colours - surface * even, sigma, _same(TAU["light"], self.layout.light))

    def _albedo(self, albedo: Any, light: Any, harmonics: Any, colours: Any, seen: Any, outlier: float) -> Any:
        """The albedo `[B,A]` that fits best under this light."""
        shading = self._shading(light, harmonics)
        sigma = _sigma(colours - self._surface_colours(albedo) * shading, seen, outlier)
        jacobian = self.basis * shading[..., None]
        return gauss_newton_step(
            jacobian, colours - self.mean * shading, sigma, _same(TAU["albedo"], self.layout.albedo)
        )

    def _surface_colours(self, albedo: Any) -> Any:
        return self.mean + ops.einsum("tca,ba->btc", self.basis, albedo)

    def _shading(self, light: Any, harmonics: Any) -> Any:
        matrix = ops.reshape(light, (-1, self.layout.light // 9, 9)) + EVEN_LIGHT
        shading = ops.einsum("btk,bck->btc", harmonics, matrix)
        return ops.broadcast_to(shading, (*ops.shape(shading)[:2], 3))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[1]


@lru_cache(maxsize=2)
def skin_texels(resolution: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of texels of skin, neighbours included, all over the face."""
    regions = PositionMap(load_open_face(), resolution).regions
    skin = np.isin(regions, SKIN)
    inner = skin[1:-1, 1:-1] & skin[:-2, 1:-1] & skin[2:, 1:-1] & skin[1:-1, :-2] & skin[1:-1, 2:]
    rows, columns = np.nonzero(inner[::STRIDE, ::STRIDE])
    return rows * STRIDE + 1, columns * STRIDE + 1


def _sigma(residual: Any, seen: Any, outlier: float) -> Any:
    """The noise `[B,T,1]` that texels are credited with."""
    off = ops.sum(ops.square(residual), axis=-1, keepdims=True)
    return NOISE * (1.0 + off / outlier**2) / ops.maximum(seen, 1e-3)


def _same(tau: float, count: int) -> Any:
    return ops.full((count,), tau, dtype="float32")


def _read(pictures: Any, places: Any) -> tuple[Any, Any]:
    """Colours `[B,T,3]` of the pixels at `places` `[B,T,2]` (pixels of the crop), and whether they lie inside."""
    size = pictures.shape[1]
    pixel = ops.floor(places * (size / CROP_SIZE))
    inside = ops.all((pixel >= 0) & (pixel < size), axis=-1, keepdims=True)
    pixel = ops.cast(ops.clip(pixel, 0, size - 1), "int32")
    flat = ops.reshape(pictures[..., :3], (-1, size * size, 3))
    index = pixel[..., 1:] * size + pixel[..., :1]
    return ops.take_along_axis(flat, ops.repeat(index, 3, axis=-1), axis=1), ops.cast(inside, "float32")
