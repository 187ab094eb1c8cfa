"""One photograph to the record of its largest face, for weak supervision.

The face is detected and its mesh found by a prediction network; its 68 landmarks are the mesh's, or those of a dlib
shape predictor (Kazemi and Sullivan 2014; more exact on frontal faces, wrong on profiles, hence compared with the
mesh). It is cropped as Deep3D does, and masks are made: skin by colour, the mesh's skin, the hull of 81 landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tfface.data.shards import photos
from tfface.data.sources import face_masks, skin
from tfface.detect.base import Detection, Detector
from tfface.detect.landmark_file import LandmarkFile
from tfface.detect.registry import load_detector
from tfface.errors import UserError, item_error
from tfface.face.open_model import load_open_face
from tfface.geometry.align import transform_points
from tfface.geometry.pos import deep3d_crop, five_points
from tfface.inference import Reconstructor
from tfface.io.image import read_image
from tfface.result import FaceResult
from tfface.runtime import Network


@dataclass(frozen=True)
class PrepareSettings:
    """How photographs become records.

    Attributes:
        folder: of the photographs.
        network: finds the mesh.
        size: side of the crops in pixels.
        detector: a name of `tfface.detect.registry`.
        min_score: least score of a face; None for the detector's own.
        landmarks_file: dlib's shape predictor (68 or 81 points), or None for the mesh's landmarks.
        max_disagreement: mean distance of those from the mesh's, as a part of the face's size (the root of its landmark
            box's area), beyond which a face is left out.
        min_face: least span of the landmarks in pixels of the photograph.
    """

    folder: Path
    network: Network
    size: int = 224
    detector: str = "auto"
    landmarks_file: Path | None = None
    max_disagreement: float = 0.15
    min_face: float = 40.0
    min_score: float | None = None


class PhotoPreparer:
    """Makes records; loads its networks once.

    Raises:
        UserError: the detector, the network or the landmarks file is not usable.
    """

    def __init__(self, settings: PrepareSettings) -> None:
        self.settings = settings
        self._points = None if settings.landmarks_file is None else LandmarkFile(settings.landmarks_file)
        self._reconstruct = Reconstructor(
            settings.network, _Largest(load_detector(settings.detector, settings.min_score))
        )

    def __call__(self, name: str) -> photos.PhotoRecord | str:
        """The record of the photograph of this name, or the reason why there is none: nothing ends the run."""
        try:
            return self.record(name)
        except Exception as error:
            return item_error(error)

    def record(self, name: str) -> photos.PhotoRecord:
        """The record of the largest face.

        Raises:
            UserError: the photograph cannot be read, shows no face, too small a one, or its landmarks disagree.
        """
        image, size = read_image(self.settings.folder / name), self.settings.size
        result = self._reconstruct(image)[0]
        landmarks, outline = self._landmarks(image, result)
        self._check_size(landmarks)
        crop = deep3d_crop(five_points(landmarks) - 0.5, (image.shape[1], image.shape[0]), size)
        picture = photos.cut_crop(image, crop)
        vertices = transform_points(crop.matrix, result.vertices)
        mesh = face_masks.mesh_mask(vertices, result.triangles, size, size, face_masks.skin_vertices(load_open_face()))
        hull = face_masks.hull_mask(transform_points(crop.matrix, outline), size, size)
        points = np.asarray(transform_points(crop.matrix, landmarks), np.float32)
        return photos.PhotoRecord(name, picture, points, skin.skin_mask(picture), _grey(mesh), _grey(hull), crop)

    def _landmarks(
        self, image: NDArray[np.uint8], result: FaceResult
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """The 68 points and the 81 that the hull is of, in pixels of the photograph."""
        outline = result.vertices[load_open_face().landmarks81][:, :2]
        if self._points is None:
            return outline[:68], outline
        points = self._points(image, result.box)
        self._check_agreement(points[:68], outline[:68])
        return points[:68], points if len(points) == len(outline) else outline

    def _check_size(self, landmarks: NDArray[np.floating]) -> None:
        span = float(np.ptp(landmarks, axis=0).max())
        if not span >= self.settings.min_face:
            raise UserError(f"The face spans {span:.0f} pixels, fewer than `min_face={self.settings.min_face:g}`.")

    def _check_agreement(self, points: NDArray[np.floating], known: NDArray[np.floating]) -> None:
        apart = float(np.linalg.norm(points - known, axis=1).mean() / np.sqrt(np.prod(np.ptp(known, axis=0))))
        if not apart <= self.settings.max_disagreement:
            raise UserError(f"Landmarks and mesh are {100 * apart:.0f} % of the face apart (`max_disagreement`).")


class _Largest:
    """A detector that gives the largest face only, and says so where there is none."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        found = self._detector.detect(image)[:1]
        if not found:
            raise UserError("No face was found.")
        return found


def check_settings(settings: PrepareSettings) -> None:
    """Looks at what `PhotoPreparer` will need, as far as that is cheap: before many processes ask for it.

    Raises:
        UserError: as `PhotoPreparer`.
    """
    load_detector(settings.detector, settings.min_score)
    if settings.landmarks_file is not None:
        LandmarkFile(settings.landmarks_file)


def _grey(mask: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(mask * 255 + 0.5, np.uint8)
