"""From photographs to faces through an exported network.

Detect, crop, predict, crop again from the network's own 68 landmarks, predict, and bring the map back: with the crop's
matrix A (image to crop, length scale a), `(u, v) = A^-1 (u', v')` and `depth = depth' / a`. The networks' own code is
not needed: an exported one with the contract of `docs/conventions.md` is (`tfface.runtime`).

Heads that are turned in the picture are turned upright for the network (Zhou 2021) and back afterwards: by the roll of
the network's own landmarks, and, where no upright detector vouches for it, by the quarter turn of four that the network
is surest of (`tfface.geometry.upright`).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tfface.detect.base import Detection, Detector
from tfface.detect.registry import load_detector
from tfface.errors import UserError
from tfface.face.decoded import DecodedFace
from tfface.face.found import Found, PointModel
from tfface.face.layout import Layout
from tfface.face.position_map import position_tables
from tfface.geometry.align import (
    CROP_SIZE,
    MAP_SIZE,
    Box,
    check_box,
    check_recrop,
    crop_transform,
    invert_transform,
    square_box,
    transform_map,
)
from tfface.geometry.upright import QUARTER_TURNS_RAD, WIGGLE_RAD, landmark_instability, next_crop
from tfface.io.files import TRUST_FILE
from tfface.io.warp import warp_image
from tfface.one_person import of_one_person
from tfface.result import FaceResult
from tfface.runtime import AGAIN, CROPS_AT_ONCE, Network, find_network

RECROP_SIZE_RATIO, CLOSER = (0.4, 2.5), 0.85
"""Of a crop that is taken again: how its size may differ, and its side over `box_from_landmarks`', to see more."""
LOOKS_AGREE = 0.08
"""Two looks whose landmarks lie within this part of the face's size agree: their mean errs less than either."""
DETECTORS_OF_ANY_ROLL = ("given", "mtcnn")
"""Boxes that do not say which way up the face is."""
Image = NDArray[np.uint8]


class Reconstructor:
    """Photographs to `FaceResult`s.

    Args:
        model: a preset's name, or the folder of an exported model or of a training run (`tfface.weights`); None: the
            best preset for one photograph. Or what `tfface.runtime.find_network` found.
        detector: a name of `tfface.detect.registry`, or a detector.
        recrop: how often to crop again from the network's own landmarks; None: once, or as the network's card says.
        batch_size: crops in one call of the network; None: as many as pay.
        upright: find out which way up a face is where its box was given, or where a detector found it that also finds
            heads on their side; and turn crops that are taken again by the roll of the landmarks.
        runtime: `onnx`, `tflite` or `tensorflow` (`tfface.runtime`); None for the one that the model's files are for.

    Raises:
        UserError: there is no such model, or it was made for another face model.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Network | None = None,
        detector: str | Detector = "auto",
        recrop: int | None = None,
        batch_size: int | None = None,
        upright: bool = True,
        runtime: str | None = None,
    ) -> None:
        network = model if isinstance(model, Network) else find_network(model, runtime=runtime)
        self.card = network.card
        if self.card["model"] == "detail":
            raise UserError(f"{network.folder} gives detail to a face, and finds none: name it with `detail_model`.")
        self.model_name = str(self.card["model"])
        self.preset = re.sub("-[0-9a-f]{16}$", "", network.folder.name)  # the cache's exports are named by a digest too
        self.num_views, self.image_size = int(self.card["views"]), int(self.card["image_size"])
        self.layout = Layout.from_card(self.card["coefficients"]) if self.card.get("coefficients") else None
        self.points = PointModel.from_card(self.card, network.folder / TRUST_FILE)
        self._serve = network.open()
        self._detector = detector
        self.recrop = check_recrop(network.looks - 1 if recrop is None else recrop)
        self.batch_size, self.upright = batch_size or CROPS_AT_ONCE[network.runtime], upright

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
        faces = self.find(image, box)
        side = None
        if side_image is not None:
            faces = faces[:1]
            side_face = self.find(side_image, side_box, "the side photograph")[0]
            side = self._crop(side_image, side_face.crop_box(), side_face.roll_rad)[0]
        spent = time.perf_counter() - start
        return self.reconstruct([(image, face) for face in faces], [spent] * len(faces), side)

    def find(self, image: Image, box: Box | None = None, what: str = "the photograph") -> list[Detection]:
        """The faces of a photograph, the largest first; or the one in a given box.

        Args:
            image: `[H,W,3]` uint8 RGB.
            box: `(left, top, right, bottom)` in pixels around the face (brows and ears to chin); None detects.
            what: the photograph is called.

        Raises:
            UserError: there is no face.
        """
        if box is not None:
            left, top, right, bottom = check_box(box).tolist()
            return [Detection((left, top, right, bottom), 1.0, "given")]
        if isinstance(self._detector, str):
            self._detector = load_detector(self._detector)
        faces = self._detector.detect(image)
        if not faces:
            raise UserError(f"No face was found in {what}: give its `box`, or a clearer picture.")
        return faces

    def reconstruct(
        self,
        found: Sequence[tuple[Image, Detection]],
        spent: Sequence[float] | None = None,
        side: NDArray[np.float32] | None = None,
    ) -> list[FaceResult]:
        """Reconstructs faces that were found, of as many photographs as they are of, in batches of the network.

        Args:
            found: photographs `[H,W,3]` uint8 RGB, each with one of its faces, by `find`.
            spent: seconds that finding each took, for the results' `timings_ms`.
            side: the crop `[S,S,3]` of one face's side view, for networks of two views.
        """
        self._check_views(side)
        start = time.perf_counter()
        faces = [self._turned_upright(image, face) for image, face in found]
        images = [image for image, _ in found]
        boxes, rolls = [face.crop_box() for face in faces], [face.roll_rad for face in faces]
        answers = self._predict_faces(images, boxes, rolls, side)
        each_ms = (time.perf_counter() - start) * 1000 / max(len(faces), 1)
        return [
            self._result(image, face, answer, {"detect": seconds * 1000, "network": each_ms})
            for image, face, answer, seconds in zip(images, faces, answers, spent or [0.0] * len(faces), strict=True)
        ]

    def as_set(
        self,
        results: Sequence[FaceResult],
        weights: Sequence[float] | None = None,
        same_moment: bool = False,
        way: str | None = None,
    ) -> list[FaceResult]:
        """The same person in several photographs: each face with the set's identity and albedo.

        `tfface.one_person.of_one_person` says how.

        Args:
            results: of this model, a face a photograph.
            weights: `[N]` confidence in each, at least 0, for a weighted mean.
            same_moment: the expression is one, too.
            way: one of `tfface.one_person.WAYS`; None: the best that the model can.

        Raises:
            UserError: weights that do not fit, a model without coefficients, or one that cannot go that way.
        """
        if any(result.decoded is None for result in results):
            raise UserError(
                f"The model {self.model_name} predicts no coefficients to average: choose an R-Net with `model`."
            )
        return of_one_person(results, self.points, weights, same_moment, way)

    def crops(self, faces: Sequence[FaceResult]) -> NDArray[np.float32]:
        """What the network saw of faces in its last look, `[N,S,S,3]`."""
        rolls = [float(np.radians(face.crop_roll_deg)) for face in faces]
        return np.stack([self._crop(face.image, face.box, roll)[0] for face, roll in zip(faces, rolls, strict=True)])

    def predict_crops(
        self,
        images: Sequence[Image],
        boxes: Sequence[Box],
        rolls_rad: Sequence[float] | None = None,
    ) -> NDArray[np.float32]:
        """Position maps `[N,256,256,3]` in image pixels of the faces in given square boxes, one pass, no crop again.

        Args:
            images: N pictures `[H,W,3]` uint8 RGB (a picture may come several times).
            boxes: the crop of each.
            rolls_rad: by how much the head in each crop is turned (0).
        """
        if not len(images):
            return np.zeros((0, MAP_SIZE, MAP_SIZE, 3), np.float32)
        self._check_views(None)
        rolls = rolls_rad if rolls_rad is not None else [0.0] * len(images)
        return self._look(images, boxes, rolls, None)["position_map"]

    def predict_box(
        self,
        image: Image,
        box: Box,
        side_image: Image | None = None,
        side_box: Box | None = None,
        roll_rad: float = 0.0,
    ) -> NDArray[np.float32]:
        """The position map `[256,256,3]` in image pixels of the face in a square box, cropped again as prediction
        does.

        Args:
            image: `[H,W,3]` uint8 RGB.
            box: the first crop.
            side_image, side_box: the side view, for networks of two views.
            roll_rad: by how much the head is turned.
        """
        self._check_views(side_image)
        if side_image is not None and side_box is None:
            raise UserError("A side picture needs a side box: give `side_box`.")
        side = None if side_image is None or side_box is None else self._crop(side_image, check_box(side_box))[0]
        return self._predict_faces([image], [check_box(box)], [roll_rad], side)[0].position_map

    def faces_in_boxes(self, images: Sequence[Image], boxes: Sequence[Box]) -> list[FaceResult]:
        """The upright face of each picture in its square box `(left, top, right, bottom)`, seen as in prediction."""
        squares = [check_box(box) for box in boxes]
        answers = self._predict_faces(images, squares, [0.0] * len(squares), None)
        given = [Detection((float(a), float(b), float(c), float(d)), 1.0, "given") for a, b, c, d in squares]
        return [self._result(*each, {}) for each in zip(images, given, answers, strict=True)]

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
            landmark_instability(points, other, check_box(box), turn)
            for points, other, turn in zip(first, others, QUARTER_TURNS_RAD, strict=True)
        ]
        return float(rolls[int(np.argmin(doubts))])

    def _landmarks(self, images: Sequence[Image], boxes: Sequence[Box], rolls: Sequence[float]) -> NDArray[np.float32]:
        """68 landmarks `[N,68,3]` in image pixels, one pass."""
        return position_tables(MAP_SIZE).landmarks(self.predict_crops(images, boxes, rolls_rad=rolls))

    def _turned_upright(self, image: Image, face: Detection) -> Detection:
        """The detection with the roll of its head, where that is in doubt."""
        if not self.upright or self.num_views > 1 or face.detector not in DETECTORS_OF_ANY_ROLL:
            return face
        return replace(face, roll_rad=self.find_roll(image, face.crop_box()))

    def _predict_faces(
        self,
        images: Sequence[Image],
        boxes: Sequence[NDArray[np.float64]],
        rolls: Sequence[float],
        side: NDArray[np.float32] | None,
    ) -> list[_Answer]:
        """What the network says of each face, in pixels of its image: the last look, or where two agree their mean (of
        networks that give maps alone; coefficients are those of one look)."""
        before = None
        for turn in range(self.recrop + 1):
            outputs = self._look(images, boxes, rolls, side)
            maps = outputs["position_map"]
            if turn < self.recrop:
                boxes, rolls = zip(*(self._next(*item) for item in zip(maps, boxes, rolls, strict=True)), strict=True)
                before = maps
        if before is not None and self.layout is None:
            outputs["position_map"] = np.stack([_agreed(*pair) for pair in zip(before, maps, strict=True)])
        return [self._answer(outputs, index, *place) for index, place in enumerate(zip(boxes, rolls, strict=True))]

    def _look(
        self,
        images: Sequence[Image],
        boxes: Sequence[Box],
        rolls: Sequence[float],
        side: NDArray[np.float32] | None,
    ) -> dict[str, NDArray[np.float32]]:
        """What the network predicts of each face, its maps in pixels of its image."""
        crops, matrices = zip(*(self._crop(*item) for item in zip(images, boxes, rolls, strict=True)), strict=True)
        outputs = self._run(np.stack([crop if side is None else np.concatenate([crop, side], -1) for crop in crops]))
        maps = outputs["position_map"]
        for index, matrix in enumerate(matrices):
            maps[index] = transform_map(invert_transform(matrix), maps[index])
        return outputs

    def _answer(
        self, outputs: dict[str, NDArray[np.float32]], index: int, box: NDArray[np.float64], roll_rad: float
    ) -> _Answer:
        """The face of number `index` in what `_run` gave for crops of `box`, its map in image pixels."""
        decoded = None if self.layout is None else DecodedFace(self.layout, outputs["coefficients"][index])
        deviations = outputs.get("landmark_deviations")
        if deviations is not None:
            deviations = deviations[index] * np.float32((box[2] - box[0]) / CROP_SIZE)
        found = None if self.points is None else Found.of(outputs, index)
        confidences = outputs["confidences"][index] if "confidences" in outputs else None
        return _Answer(outputs["position_map"][index], decoded, deviations, box, roll_rad, found, confidences)

    def _next(
        self, position_map: NDArray[np.float32], box: NDArray[np.float64], roll_rad: float
    ) -> tuple[NDArray[np.float64], float]:
        """The crop of the predicted landmarks; the old one where theirs is absurd (the network saw no face)."""
        points = position_tables(MAP_SIZE).landmarks(position_map)
        found, roll = next_crop(points, box, roll_rad, self.upright)
        side = box[2] - box[0]
        ratio, shift = (found[2] - found[0]) / side, np.abs(found[:2] + found[2:] - box[:2] - box[2:]).max() / 2 / side
        if not (RECROP_SIZE_RATIO[0] < ratio < RECROP_SIZE_RATIO[1] and shift < 0.5):
            return box, roll_rad
        return square_box((found[:2] + found[2:]) / 2, CLOSER * (found[2] - found[0])), roll

    def _crop(self, image: Image, box: Box, roll_rad: float = 0.0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """The network's input `[S,S,3]` and the matrix from the image to a crop of the map's 256 pixels."""
        matrix = crop_transform(box, self.image_size, roll_rad)
        crop = warp_image(image, matrix, self.image_size, self.image_size)
        return np.asarray(crop / 255, np.float32), crop_transform(box, CROP_SIZE, roll_rad)

    def _run(self, crops: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """What the network says of N crops (docs/conventions.md): `position_map` `[N,256,256,3]` and more, by name."""
        parts = [self._serve(crops[i : i + self.batch_size]) for i in range(0, len(crops), self.batch_size)]
        if self.layout is not None and "coefficients" not in parts[0]:
            raise UserError(f"{self.model_name} should predict coefficients, as its tfface.json says: {AGAIN}.")
        if self.points is not None:
            self.points.check(parts[0])
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _check_views(self, side: object) -> None:
        given = 1 if side is None else 2
        if given != self.num_views:
            need = {1: "one photograph", 2: "a front and a side photograph"}[self.num_views]
            advice = "choose another model with `model`, or other photographs"
            raise UserError(f"The model {self.model_name} takes {need}, but {given} was given: {advice}.")

    def _result(self, image: Image, face: Detection, answer: _Answer, timings: dict[str, float]) -> FaceResult:
        return FaceResult(
            image,
            answer.position_map,
            answer.box,
            self.model_name,
            timings,
            crop_roll_deg=float(np.degrees(answer.roll_rad)),
            score=None if face.detector == "given" else face.score,
            decoded=answer.decoded,
            landmark_deviations_px=answer.deviations_px,
            doubtful=face.doubtful,
            found=answer.found,
            confidences=answer.confidences,
            preset=self.preset,
        )


def _agreed(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of two looks' maps `[256,256,3]` in image pixels; the second where their landmarks lie far apart."""
    points = position_tables(MAP_SIZE).landmarks(np.stack([first, second]))[..., :2]
    size = np.sqrt(np.ptp(points[1], axis=0).prod())
    if not np.linalg.norm(points[0] - points[1], axis=-1).mean() < LOOKS_AGREE * size:
        return second
    mean = np.asarray((first + 2 * second) / 3, np.float32)  # the second saw more of what is small
    mean[..., 2] -= mean[..., 2].min()
    return mean


@dataclass(frozen=True)
class _Answer:
    """What a network says of one face, in pixels of the photograph, and the square crop that it saw last."""

    position_map: NDArray[np.float32]
    decoded: DecodedFace | None
    deviations_px: NDArray[np.float32] | None
    box: NDArray[np.float64]
    roll_rad: float
    found: Found | None = None
    confidences: NDArray[np.float32] | None = None
