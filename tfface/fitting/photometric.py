"""Second stage: every visible vertex shall have the colour of the photograph where it lands, in TensorFlow.

The first stage's sum goes on, and losses of weak training join it (Deng et al. 2019, with their weights); Adam over the
coefficients themselves minimises

    1.92 photometric + 5 flattening + 10 white light + 1.5e-3 (first stage's sum + 0.2 |d|^2)

with d the albedo's coefficients. Many photographs hold a network's coefficients, one holds these: hence landmarks and
prior weigh more than in training. All is done on crops of 224 pixels. The photograph is read at the vertices
(`tfface.losses.sampled_photometric`): no rasteriser, and what it leaves out, the silhouette, is the landmarks' part.
Between rounds of steps the visible vertices are found anew (z-buffer), those whose colour the model cannot explain
(hair, glasses, a hand) lose their weight by Geman and McClure's rule, and the photograph gets sharper. The light starts
from a linear fit to the mean albedo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfface.face.morphable import MorphableModel
from tfface.face.open_model import load_open_face
from tfface.fitting.coefficients import Coefficients
from tfface.fitting.landmarks import (
    DISTANCE_STD,
    FITTED_EXPRESSION_STD,
    USUAL_DISTANCE_MM,
    camera_of,
    exactness,
    landmark_model,
    pose_of,
)
from tfface.geometry.harmonics import AMBIENT
from tfface.losses import coefficients as priors
from tfface.losses.landmarks import squared_landmarks
from tfface.losses.photometric import ROBUST_WEIGHT
from tfface.losses.sampled_photometric import sampled_colours
from tfface.losses.sampling import sample
from tfface.render import camera
from tfface.render.shade import harmonics, shade, vertex_normals
from tfface.viz.texture import visibility

CROP_PX = 224
LEVEL = 1
BLUR_PX = (2.0, 1.0, 0.0, 0.0)  # of the photograph, a round each
OUTLIER = 0.15  # a colour that is off by this much counts a quarter
PART_WEIGHTS = (1.0, 0.0, 0.3, 0.3, 0.0)  # skin, neck, eyes, mouth: the model knows no teeth and no gaze
FIRST_STAGE_WEIGHT, ALBEDO_SHARE = 1.5e-3, 0.2
UNITS = {"identity": 1.0, "albedo": 1.0, "expression": 0.3, "light": 0.15, "angles": 0.03, "centre": 1.0, "sizes": 0.03}
RATE = 0.06
FloatArray = NDArray[np.floating]
Progress = Callable[[int], None]


class PhotometricStage:
    """Fits one person's photographs; the model's tables are made once.

    Args:
        images: for each photograph its crop `[224,224,3]` uint8 RGB.
        landmarks: for each `[68,2]` in the crop's pixels.
        contour: the jaw points lie on the silhouette, as in `tfface.fitting.landmarks`.
    """

    def __init__(
        self, images: Sequence[NDArray[np.uint8]], landmarks: Sequence[FloatArray], contour: bool = False
    ) -> None:
        self.model = MorphableModel(load_open_face(), LEVEL)
        self.part = np.array(PART_WEIGHTS, np.float32)[load_open_face().face(LEVEL).vertex_part]
        self.pictures = np.stack(images).astype(np.float32) / 255
        count, width = len(images), self.model.num_identity + self.model.num_expression
        self.image, self.seen = tf.Variable(self.pictures), tf.Variable(tf.zeros([count, self.model.num_vertices]))
        self.targets, self.contour = np.stack(landmarks).astype(np.float32), contour
        self.mean68, self.basis68 = tf.Variable(tf.zeros([count, 68, 3])), tf.Variable(tf.zeros([count, width, 68, 3]))

    def __call__(
        self, start: Sequence[Coefficients], steps: int = 120, progress: Progress | None = None
    ) -> list[Coefficients]:
        """Coefficients over the crops, from those of the first stage."""
        self.x = {name: tf.Variable(value / UNITS[name], dtype=tf.float32) for name, value in _unknowns(start).items()}
        self._start_light()
        optimiser = _Adam(list(self.x.values()))
        for turn, blur in enumerate(BLUR_PX):
            self._prepare(blur, turn > 0)
            rate = RATE * (1.0 if turn < len(BLUR_PX) - 1 else 0.3)
            for _ in range(turn, steps, len(BLUR_PX)):  # the rounds share the steps
                self._step(optimiser, tf.constant(rate))
                if progress:
                    progress(1)
        return self._coefficients()

    @tf.function
    def _step(self, optimiser: _Adam, rate: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.add_n(list(self.losses().values()))
        optimiser(tape.gradient(loss, list(self.x.values())), rate)
        self.x["expression"].assign(tf.clip_by_value(self.x["expression"], 0.0, 1.0 / UNITS["expression"]))
        return loss

    def losses(self) -> dict[str, tf.Tensor]:
        """Each weighted loss, summed over the photographs."""
        x = self._values()
        view, normals = self._view(x)
        points, landmarks = _pixels(view), _pixels(self._landmark_view(x))
        albedo = self.model.albedo(x["albedo"])
        colours = shade(albedo, normals, x["light"])
        count = len(self.pictures)
        shares = (1.0 / count, 1.0, ALBEDO_SHARE / count)  # the person's own are counted once
        distance = (x["sizes"][:, 1] - np.log(USUAL_DISTANCE_MM)) / DISTANCE_STD
        prior = priors.regularisation(x["identity"], x["expression"] / FITTED_EXPRESSION_STD, x["albedo"], shares)
        each = {
            "photometric": ROBUST_WEIGHT * sampled_colours(self.image, points, colours, self.seen),
            "landmarks": 68 * FIRST_STAGE_WEIGHT * squared_landmarks(landmarks, self.targets, exactness() ** 2),
            "regularisation": FIRST_STAGE_WEIGHT * (prior + distance**2),
            "flattening": priors.FLATTENING_WEIGHT * priors.flat_reflectance(albedo, self.part),
            "white_light": priors.MONOCHROMATIC_WEIGHT * priors.monochromatic_light(x["light"]),
        }
        return {name: tf.reduce_sum(value) for name, value in each.items()}

    def _values(self) -> dict[str, tf.Tensor]:
        """The unknowns in their own units, `[B,*]`; identity and albedo are the person's, the rest a photograph's."""
        count = len(self.pictures)
        return {
            name: tf.tile(value * UNITS[name], [count // value.shape[0], 1])  # [1,*] of the person to all photographs
            for name, value in self.x.items()
        }

    def _view(self, x: dict[str, tf.Tensor]) -> tuple[camera.View, tf.Tensor]:
        """The vertices as the cameras see them, and their normals in the cameras' frames."""
        vertices = self.model.shape(x["identity"], x["expression"])
        view = _seen_by(x, vertices - tf.constant(load_open_face().centre, tf.float32))
        return view, vertex_normals(view.eye, self.model.triangles)

    def _landmark_view(self, x: dict[str, tf.Tensor]) -> camera.View:
        joint = tf.concat([x["identity"], x["expression"]], axis=-1)
        return _seen_by(x, self.mean68 + tf.einsum("bk,bknd->bnd", joint, self.basis68))

    def _prepare(self, blur_px: float, known: bool) -> None:
        """A round's photographs, what of the face they show, and which vertices are its landmarks."""
        from scipy.ndimage import gaussian_filter

        sharp, found = self.pictures, self._coefficients()
        self.image.assign(gaussian_filter(sharp, (0, blur_px, blur_px, 0)) if blur_px else sharp)
        models = [landmark_model(*part, self.contour) for part in zip(found, self.targets, strict=True)]
        self.mean68.assign(np.stack([mean for mean, _ in models]))
        self.basis68.assign(np.stack([basis for _, basis in models]))
        seen = np.stack([visibility(part.vertices(LEVEL), self.model.triangles) for part in found]) * self.part
        if known:
            seen = seen / (1.0 + (self._errors() / OUTLIER) ** 2) ** 2
        self.seen.assign(seen)

    def _errors(self) -> NDArray[np.float32]:
        """How far each vertex's colour is off, `[B,V]`."""
        x = self._values()
        view, normals = self._view(x)
        colours = shade(self.model.albedo(x["albedo"]), normals, x["light"])
        there = sample(self.image, _pixels(view))
        return tf.norm(there - colours, axis=-1).numpy()

    def _start_light(self) -> None:
        """White light of least squares for the albedo at hand."""
        self._prepare(BLUR_PX[0], False)
        x = self._values()
        view, normals = self._view(x)
        there = sample(self.image, _pixels(view)).numpy()
        system = (self.model.albedo(x["albedo"])[..., None, :] * harmonics(normals)[..., None]).numpy()
        lights = [_fit_light(*part) for part in zip(system, there, self.seen.numpy(), strict=True)]
        self.x["light"].assign(np.stack(lights).astype(np.float32) / UNITS["light"])

    def _coefficients(self) -> list[Coefficients]:
        values = {name: value.numpy().astype(np.float64) for name, value in self._values().items()}
        poses = np.concatenate([values["angles"], values["centre"], values["sizes"]], axis=1)
        return [
            Coefficients(
                values["identity"][0],
                values["expression"][k],
                values["albedo"][0],
                values["light"][k],
                camera_of(poses[k]),
            )
            for k in range(len(poses))
        ]


def _seen_by(x: dict[str, tf.Tensor], points: tf.Tensor) -> camera.View:
    """Points `[B,N,3]` about the face's centre through the cameras."""
    yaw, pitch, roll = tf.unstack(x["angles"], axis=-1)
    rotation = camera.euler_matrix(tf.stack([pitch, yaw, roll], axis=-1))
    distance = tf.exp(x["sizes"][:, 1])
    return camera.face_camera(points, rotation, tf.exp(x["sizes"][:, 0]) * distance, distance, x["centre"])


def _pixels(view: camera.View) -> tf.Tensor:
    return view.points[..., :2] / view.points[..., 3:]


def _unknowns(start: Sequence[Coefficients]) -> dict[str, NDArray[np.float64]]:
    poses = np.stack([pose_of(part.camera) for part in start])
    return {
        "identity": start[0].identity[None],
        "albedo": start[0].albedo[None],
        "expression": np.stack([part.expression for part in start]),
        "light": np.stack([part.light for part in start]),
        "angles": poses[:, :3],
        "centre": poses[:, 3:5],
        "sizes": poses[:, 5:],
    }


def _fit_light(
    system: FloatArray, colours: FloatArray, weights: FloatArray, ridge: float = 1e-2
) -> NDArray[np.float64]:
    """`[27]`: the same nine harmonics for the three colours.

    Args:
        system: `[V,9,3]` albedo times harmonics.
        colours: `[V,3]`.
        weights: `[V]`.
    """
    root = np.sqrt(weights / max(weights.sum(), 1e-6))[:, None]
    left = (system.transpose(0, 2, 1) * root[..., None]).reshape(-1, 9)
    right = ((colours - AMBIENT * system[:, 0]) * root).ravel()
    white = np.linalg.solve(left.T @ left + ridge * np.eye(9), left.T @ right)
    return np.tile(white, 3)


class _Adam:
    """Adam (Kingma and Ba 2015) over a few variables; Keras' own keeps a learning rate a variable and costs more."""

    def __init__(self, variables: list[tf.Variable]) -> None:
        self.variables = variables
        self.moments = [(tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
        self.count = tf.Variable(0.0)

    def __call__(self, gradients: list[Any], rate: tf.Tensor) -> None:
        self.count.assign_add(1.0)
        first, second = 1.0 - 0.9**self.count, 1.0 - 0.99**self.count
        for variable, gradient, (mean, square) in zip(self.variables, gradients, self.moments, strict=True):
            mean.assign(0.9 * mean + 0.1 * gradient)
            square.assign(0.99 * square + 0.01 * gradient**2)
            variable.assign_sub(rate * (mean / first) / (tf.sqrt(square / second) + 1e-8))
