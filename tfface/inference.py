"""From photographs to faces through an exported network.

Detect, crop, predict, crop again from the network's own 68 landmarks, predict, and bring the map back: with the crop's
matrix A (image to crop, length scale a), `(u, v) = A^-1 (u', v')` and `depth = depth' / a`. The networks' own code is
not needed: a SavedModel with the contract of `docs/conventions.md` is.

Heads that are turned in the picture are turned upright for the network (seed 003) and back afterwards: by the roll of
the network's own landmarks, and, where no upright detector vouches for it, by the quarter turn of four that the network
is surest of (`tfface.geometry.upright`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, Detector
from tfface.detect.registry import load_detector
from tfface.errors import UserError
from tfface.face.decoded import DecodedFace, averaged
from tfface.face.layout import Layout
from tfface.face.open_model import load_open_face
from tfface.geometry.align import (
    Box,
    check_box,
    crop_transform,
    invert_transform,
    transform_points,
)
from tfface.geometry.upright import QUARTER_TURNS_RAD, WIGGLE_RAD, next_crop, restlessness
from tfface.io.image import warp_image
from tfface.result import FaceResult, position_tables

MAP_PIXELS = 256
REFINE_LIMITS = (0.4, 2.5)
DETECTORS_OF_ANY_ROLL = ("given", "mtcnn")
"""Boxes that do not say which way up the face is."""
Image = NDArray[np.uint8]
_NO_SIDE_BOX = "Side pictures need side boxes: give one box for each."


class Reconstructor:
    """Photographs to `FaceResult`s.

    Args:
        saved_model: folder of a SavedModel with its `tfface.json`.
        detector: a name of `tfface.detect.registry`, or a detector.
        refine: how often to crop again from the network's own landmarks.
        batch_size: crops in one call of the network.
        upright: find out which way up a face is where its box was given, or where a detector found it that also finds
            heads on their side; and turn crops that are taken again by the roll of the landmarks.

    Raises:
        UserError: when the folder is no such model or was made for another face model.
    """

    def __init__(
        self,
        saved_model: str | os.PathLike[str],
        detector: str | Detector = "auto",
        refine: int = 1,
        batch_size: int = 16,
        upright: bool = True,
    ) -> None:
        self.card = read_card(saved_model)
        self.model_name = str(self.card["model"])
        self.num_views, self.image_size = int(self.card["views"]), int(self.card["image_size"])
        described = self.card.get("coefficients")
        self.layout = Layout.from_card(described) if described else None
        self._serve = _load_serve(Path(saved_model))
        self._detector = detector
        self.refine, self.batch_size, self.upright = refine, batch_size, upright

    def __call__(
        self,
        image: Image,
        box: Box | None = None,
        side_image: Image | None = None,
        side_box: Box | None = None,
    ) -> list[FaceResult]:
        """Reconstructs every face of a photograph, the largest first; with a side photograph, its largest face.

        Args:
            image: `[H,W,3]` uint8 RGB.
            box: `(left, top, right, bottom)` in pixels around the face (brows and ears to chin); None detects.
            side_image, side_box: the same face from the side, for networks of two views.

        Raises:
            UserError: when there is no face, or the number of photographs is not the network's.
        """
        self._check_views(side_image)
        start = time.perf_counter()
        faces = self._find(image, box, "the photograph")
        side = None
        if side_image is not None:
            faces = faces[:1]
            side_face = self._find(side_image, side_box, "the side photograph")[0]
            side = self._crop(side_image, side_face.crop_box(), side_face.roll_rad)[0]
        detected = time.perf_counter()
        faces = [self._turned_upright(image, face) for face in faces]
        boxes, rolls = [face.crop_box() for face in faces], [face.roll_rad for face in faces]
        maps, said, boxes, rolls = self._predict_faces(image, boxes, rolls, side)
        spent = {"detect": detected - start, "network": time.perf_counter() - detected}
        timings = {name: seconds * 1000 for name, seconds in spent.items()}
        return [
            self._result(image, replace(face, roll_rad=roll), position_map, numbers, final, timings)
            for face, position_map, numbers, final, roll in zip(faces, maps, said, boxes, rolls, strict=True)
        ]

    def as_set(self, results: Sequence[FaceResult], weights: Sequence[float] | None = None) -> list[FaceResult]:
        """The same person in several photographs: each face with the set's mean identity and albedo.

        Args:
            results: of this model, a face a photograph.
            weights: `[N]` confidence in each, at least 0; all alike by default.

        Raises:
            UserError: weights that do not fit, or a model without coefficients.
        """
        decoded = [result.decoded for result in results if result.decoded is not None]
        if len(decoded) < len(results):
            raise UserError(
                f"The model {self.model_name} says no coefficients to average: choose an R-Net with --model."
            )
        means = averaged(decoded, None if weights is None else np.asarray(weights, np.float64))
        return [result.with_coefficients(mean) for result, mean in zip(results, means, strict=True)]

    def predict_crops(
        self,
        images: Sequence[Image],
        boxes: Sequence[Box],
        side_images: Sequence[Image] | None = None,
        side_boxes: Sequence[Box] | None = None,
        rolls_rad: Sequence[float] | None = None,
    ) -> NDArray[np.float32]:
        """Position maps `[N,256,256,3]` in image pixels of the faces in given square boxes, one pass, no refinement.

        Args:
            images: N pictures `[H,W,3]` uint8 RGB (a picture may come several times).
            boxes: the crop of each.
            side_images, side_boxes: N side views, for networks of two views.
            rolls_rad: by how much the head in each crop is turned (0).
        """
        if not len(images):
            return np.zeros((0, MAP_PIXELS, MAP_PIXELS, 3), np.float32)
        self._check_views(side_images)
        rolls = rolls_rad if rolls_rad is not None else [0.0] * len(images)
        crops = [self._crop(*item)[0] for item in zip(images, boxes, rolls, strict=True)]
        if side_images is not None:
            if side_boxes is None:
                raise UserError(_NO_SIDE_BOX)
            sides = [self._crop(*item)[0] for item in zip(side_images, side_boxes, strict=True)]
            crops = [np.concatenate(pair, axis=-1) for pair in zip(crops, sides, strict=True)]
        maps = self._run(np.stack(crops))[0]
        for index, (box, roll) in enumerate(zip(boxes, rolls, strict=True)):
            back = invert_transform(crop_transform(box, MAP_PIXELS, roll))
            maps[index] = transform_points(back, maps[index])
        return maps

    def predict_box(
        self,
        image: Image,
        box: Box,
        side_image: Image | None = None,
        side_box: Box | None = None,
        roll_rad: float = 0.0,
    ) -> NDArray[np.float32]:
        """The position map `[256,256,3]` in image pixels of the face in a square box, refined as prediction does.

        Args:
            image: `[H,W,3]` uint8 RGB.
            box: the first crop.
            side_image, side_box: the side view, for networks of two views.
            roll_rad: by how much the head is turned.
        """
        self._check_views(side_image)
        if side_image is not None and side_box is None:
            raise UserError(_NO_SIDE_BOX)
        side = None if side_image is None else self._crop(side_image, check_box(side_box))[0]
        return self._predict_faces(image, [check_box(box)], [roll_rad], side)[0][0]

    def find_roll(self, image: Image, box: Box) -> float:
        """By how much the head in a square box is turned, in radians (counter-clockwise): any angle.

        Four quarter turns, each also a little to both sides, and once more from the landmarks: sixteen crops.
        """
        turns = len(QUARTER_TURNS_RAD)
        rolls = [turn + wiggle for wiggle in (0.0, WIGGLE_RAD, -WIGGLE_RAD) for turn in QUARTER_TURNS_RAD]
        first, left, right = np.split(self._landmarks([image] * len(rolls), [box] * len(rolls), rolls), 3)
        again = [next_crop(points, check_box(box), turn) for points, turn in zip(first, QUARTER_TURNS_RAD, strict=True)]
        boxes, rolls = [square for square, _ in again], [roll for _, roll in again]
        second = self._landmarks([image] * turns, boxes, rolls)
        others = zip(left, right, second, strict=True)
        doubts = [
            restlessness(points, other, check_box(box), turn)
            for points, other, turn in zip(first, others, QUARTER_TURNS_RAD, strict=True)
        ]
        return float(rolls[int(np.argmin(doubts))])

    def _landmarks(self, images: Sequence[Image], boxes: Sequence[Box], rolls: Sequence[float]) -> NDArray[np.float32]:
        """68 landmarks `[N,68,3]` in image pixels, one pass."""
        return position_tables(MAP_PIXELS).landmarks(self.predict_crops(images, boxes, rolls_rad=rolls))

    def _turned_upright(self, image: Image, face: Detection) -> Detection:
        """The detection with the roll of its head, where that is in doubt."""
        if not self.upright or self.num_views > 1 or face.detector not in DETECTORS_OF_ANY_ROLL:
            return face
        return replace(face, roll_rad=self.find_roll(image, face.crop_box()))

    def _predict_faces(
        self,
        image: Image,
        boxes: Sequence[NDArray[np.float64]],
        rolls: Sequence[float],
        side: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], list[DecodedFace | None], list[NDArray[np.float64]], list[float]]:
        """Maps in image pixels, coefficients where the network says them, and the boxes and rolls of the last pass."""
        for turn in range(self.refine + 1):
            crops, matrices = zip(*(self._crop(image, *item) for item in zip(boxes, rolls, strict=True)), strict=True)
            views = [crop if side is None else np.concatenate([crop, side], axis=-1) for crop in crops]
            maps, said = self._run(np.stack(views))
            for index, matrix in enumerate(matrices):
                maps[index] = transform_points(invert_transform(matrix), maps[index])
            if turn < self.refine:
                boxes, rolls = zip(*(self._next(*item) for item in zip(maps, boxes, rolls, strict=True)), strict=True)
        return maps, said, list(boxes), list(rolls)

    def _next(
        self, position_map: NDArray[np.float32], box: NDArray[np.float64], roll_rad: float
    ) -> tuple[NDArray[np.float64], float]:
        """The crop of the predicted landmarks; the old one where theirs is absurd (the network saw no face)."""
        points = position_tables(MAP_PIXELS).landmarks(position_map)
        found, roll = next_crop(points, box, roll_rad, self.upright)
        side = box[2] - box[0]
        ratio, shift = (found[2] - found[0]) / side, np.abs(found[:2] + found[2:] - box[:2] - box[2:]).max() / 2 / side
        if not (REFINE_LIMITS[0] < ratio < REFINE_LIMITS[1] and shift < 0.5):
            return box, roll_rad
        return found, roll

    def _crop(self, image: Image, box: Box, roll_rad: float = 0.0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The network's input `[S,S,3]` and the matrix from the image to a crop of the map's 256 pixels."""
        matrix = crop_transform(box, self.image_size, roll_rad)
        crop = warp_image(image, matrix, self.image_size, self.image_size)
        return np.asarray(crop / 255, np.float32), crop_transform(box, MAP_PIXELS, roll_rad)

    def _run(self, crops: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[DecodedFace | None]]:
        """Position maps `[N,256,256,3]` in pixels of the 256-pixel crops, and what an R-Net's coefficients say."""
        parts = [self._serve(crops[i : i + self.batch_size]) for i in range(0, len(crops), self.batch_size)]
        maps = np.concatenate([part["position_map"] for part in parts])
        if self.layout is None:
            return maps, [None] * len(maps)
        return maps, [DecodedFace(self.layout, numbers) for part in parts for numbers in part["coefficients"]]

    def _find(self, image: Image, box: Box | None, what: str) -> list[Detection]:
        if box is not None:
            left, top, right, bottom = (float(value) for value in check_box(box))
            return [Detection((left, top, right, bottom), 1.0, "given")]
        if isinstance(self._detector, str):
            self._detector = load_detector(self._detector)
        faces = self._detector.detect(image)
        if not faces:
            raise UserError(f"No face was found in {what}: give --box left top right bottom, or a clearer picture.")
        return faces

    def _check_views(self, side: object) -> None:
        given = 1 if side is None else 2
        if given != self.num_views:
            need = {1: "one photograph", 2: "a front and a side photograph"}
            raise UserError(
                f"The model {self.model_name} takes {need.get(self.num_views, self.num_views)}, but {given} was given: "
                "choose another model with --model, or other photographs."
            )

    def _result(
        self,
        image: Image,
        face: Detection,
        position_map: NDArray[np.float32],
        decoded: DecodedFace | None,
        box: NDArray[np.float64],
        timings: dict[str, float],
    ) -> FaceResult:
        score = None if face.detector == "given" else face.score
        roll_deg = float(np.degrees(face.roll_rad))
        return FaceResult(
            image, position_map, box, self.model_name, timings, roll_deg, score, decoded, doubtful=face.doubtful
        )


def read_card(saved_model: str | os.PathLike[str]) -> dict[str, Any]:
    """The `tfface.json` of a SavedModel folder.

    Raises:
        UserError: when the folder holds no such model, or one for another face model.
    """
    folder = Path(saved_model)
    path = folder / "tfface.json"
    if not path.is_file() or not (folder / "saved_model.pb").is_file():
        raise UserError(
            f"{folder} is not an exported model (saved_model.pb and tfface.json): run `python -m tfface.export`."
        )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        checksum = card["face_model"]["checksum"]
        missing = {"model", "views", "image_size"} - set(card)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is broken ({error}): export the model again.") from error
    if missing:
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}: export the model again.")
    if checksum != load_open_face().checksum:
        raise UserError(f"{folder} was trained for another face model than this tfface has: export or train it again.")
    return dict(card)


def _load_serve(folder: Path) -> Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    try:
        module = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{folder} cannot be loaded as a SavedModel ({error}): export the model again.") from error
    serve = getattr(module, "serve", None)
    if serve is None:
        raise UserError(f"{folder} has no `serve` function: export the model with `python -m tfface.export`.")

    def run(crops: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        # copies: the array behind a TensorFlow tensor is read-only
        return {name: np.array(answer, np.float32) for name, answer in serve(tf.constant(crops)).items()}

    run.module = module  # type: ignore[attr-defined]  # its variables live as long as it does
    return run
