"""What a network found in a picture, as a linear model of the face has it, and how far that may be trusted.

A network that learnt to err little says of what it barely sees what is usual: in the points it finds, identity shows
only by the share `1 / (1 + a sigma^b)`, the less the less sure it is (sigma in pixels). Every picture of a person errs
to the same side by that, so it has to be part of what is expected, not of the noise; and points of a picture err
together, for which their deviations are inflated. What else an identity shows as, alike in all pictures, is a matrix;
being expected, it costs nothing where pictures are many. What a solution (`tfface.face.several`) of a few still errs,
a second matrix takes back: linear regression of true identities on found ones. `Trust` holds these numbers, which
`data_tools/calibrate_points.py` measures for a network on synthetic people and writes beside its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.layout import CAMERA_SIZES, Layout
from tfface.face.open_model import load_open_face
from tfface.face.position_map import PositionMap
from tfface.io.files import atomic_path
from tfface.io.reading import read_arrays, reading

FloatArray = NDArray[np.floating]
PERSPECTIVE_DEVIATION = 0.3
"""Of the camera's numbers after the third, which the network's own step leaves as they are."""


_ARRAYS = ("usual", "shows", "readout")


@dataclass(frozen=True, eq=False)
class Trust:
    """How far a network's points may be trusted.

    Attributes:
        shrinkage: a and b of this module's text.
        inflation: by which deviations are multiplied.
        usual: `[I]` the identity that is expected of people before any picture; None: the mean face.
        shows: `[I,I]` takes an identity (a row) to the one that points show; None: to itself.
        readout: `[I,I]` takes a found identity, less the usual one, to what it means; None: to itself.
        strange: pictures whose `Together.strangeness` is larger show another person: few of one person have that.
    """

    shrinkage: tuple[float, float] = (0.55, 0.65)
    inflation: float = 2.0
    usual: FloatArray | None = None
    shows: FloatArray | None = None
    readout: FloatArray | None = None
    strange: float = 0.03

    def share(self, deviations: FloatArray) -> FloatArray:
        """By which share identity shows in points of these deviations in pixels."""
        scale, power = self.shrinkage
        return np.asarray(1 / (1 + scale * deviations**power))

    def begin(self, size: int) -> FloatArray:
        """The identity `[I]`, of `size` coefficients, before any picture."""
        return np.zeros(size) if self.usual is None else self.usual

    def shown(self, identity: FloatArray) -> FloatArray:
        """The identity `[I]` that points show of a true one."""
        return identity if self.shows is None else np.asarray(identity @ self.shows)

    def meant(self, identity: FloatArray) -> FloatArray:
        """The identity `[I]` that a found one means."""
        if self.readout is None:
            return identity
        usual = self.begin(len(identity))
        return np.asarray(usual + (identity - usual) @ self.readout)

    def write(self, path: Path) -> None:
        """Writes the numbers (beside a network's weights the file is called `io.files.TRUST_FILE`)."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        stored = {name: np.zeros(0) if array is None else array for name, array in arrays.items()}
        numbers = np.array([*self.shrinkage, self.inflation, self.strange])
        with atomic_path(path) as beside, beside.open("wb") as file:
            halves: dict[str, Any] = {name: array.astype(np.float16) for name, array in stored.items()}
            np.savez_compressed(file, numbers=numbers, face_model=load_open_face().checksum, **halves)

    @classmethod
    def read(cls, path: Path) -> Trust:
        """What `write` wrote.

        Raises:
            UserError: the file holds something else, or was made with another face model.
        """
        advice = "calibrate the network again (data_tools/calibrate_points.py)"
        arrays = read_arrays(path, "a calibration of points", ("numbers", "face_model"), advice)
        if str(arrays["face_model"]) != load_open_face().checksum:
            raise UserError(f"{path} was made with another face model: {advice}.")
        with reading(path, "a calibration of points", advice):
            scale, power, inflation, strange = (float(number) for number in arrays["numbers"])
            given = {name: arrays[name] for name in _ARRAYS if name in arrays and arrays[name].size}
            stored = {name: array.astype(np.float64) for name, array in given.items()}
        return cls((scale, power), inflation, strange=strange, **stored)


@dataclass(frozen=True, eq=False)
class Found:
    """What a network found in one picture, in pixels of its 256-pixel crop.

    Attributes:
        unmoved_coefficients: `[N]` those that its heads gave, before they were moved to the points.
        points: `[M,2]`.
        point_deviations: `[M]`.
        differences: `[P,2]` of pairs of points, the first less the second.
        difference_deviations: `[P]`.
    """

    unmoved_coefficients: FloatArray
    points: FloatArray
    point_deviations: FloatArray
    differences: FloatArray
    difference_deviations: FloatArray

    @classmethod
    def of(cls, answers: Mapping[str, NDArray[np.floating]], index: int) -> Found:
        """Of picture number `index` in what an exported network answers (`docs/conventions.md`)."""
        return cls(*(np.asarray(answers[name][index], np.float64) for name in cls.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class PointModel:
    """The points that a network finds, as a linear model about the face's centre.

    Attributes:
        layout: of the network's coefficients.
        mean: `[M,3]` mm.
        basis: `[M,K,3]` mm a unit of identity and expression.
        pairs: `[P,2]` of points.
        deviations: how far the heads err in expression, turn (3) and camera.
        looks: in how many pictures each point was looked for (2: in the mirrored one too).
        trust: in points.
        confidences_of: which identities C-Net weighs, where the network has it (`ModelConfig.confidences_of`).
    """

    layout: Layout
    mean: FloatArray
    basis: FloatArray
    pairs: NDArray[np.int64]
    deviations: FloatArray
    looks: int
    trust: Trust = field(default_factory=Trust)
    confidences_of: str | None = None

    def check(self, answers: Mapping[str, NDArray[np.floating]]) -> None:
        """Sees to it that a network answers all that `Found` holds, of these points and pairs.

        Raises:
            UserError: it does not.
        """
        points, pairs = len(self.mean), len(self.pairs)
        shapes: dict[str, tuple[int, ...]] = {"points": (points, 2), "point_deviations": (points,)}
        shapes |= {"differences": (pairs, 2), "difference_deviations": (pairs,)}
        complete = all(name in answers and answers[name].shape[1:] == shape for name, shape in shapes.items())
        if not complete or "unmoved_coefficients" not in answers:
            raise UserError("The network does not tell the points of its tfface.json: export the model again.")

    @classmethod
    def from_card(cls, card: Mapping[str, Any], trust: Path | None = None) -> PointModel | None:
        """Of an exported network's `tfface.json`, and its calibration's file if it has one; None of one that tells no
        points.

        Raises:
            UserError: its list of points is malformed.
        """
        if "points" not in card:
            return None
        with reading("tfface.json", "a list of points", "export the model again"):
            layout = Layout.from_card(card["coefficients"])
            facts = card["points"]
            face, texels = load_open_face(), np.asarray(facts["texels"], np.int64)
            parts = face.linear_at(PositionMap(face, int(facts["map_size"])).cage_matrix[texels]).astype(np.float64)
            deviations = np.asarray(facts["unmoved_deviations"], np.float64)[layout.identity :]
            deviations = np.append(deviations, [PERSPECTIVE_DEVIATION] * (CAMERA_SIZES[layout.camera] - 3))
            pairs, looks = np.asarray(facts["pairs"], np.int64), int(facts["looks"])
        basis = np.ascontiguousarray(parts[1:].transpose(1, 0, 2))
        known = Trust.read(trust) if trust is not None and trust.is_file() else Trust()
        weighs = card.get("confidences_of")
        return cls(layout, parts[0], basis, pairs, deviations, looks, known, None if weighs is None else str(weighs))
