"""Makes the shards of `tfface.data.shards.detail`: synthetic people with wrinkles, or photographs, and what a frozen
base predicts of them.

The base sees each photograph once, here, and not in every step of training. Its crop is the true landmarks' box, moved
and scaled a little: about what prediction's second look has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.config import ModelConfig
from tfface.data.shards import detail as detail_records
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator, Person, SyntheticView
from tfface.data.synthetic.shard_set import ShardSet
from tfface.errors import UserError, item_error
from tfface.geometry.align import CROP_SIZE, box_from_landmarks, crop_transform, square_box, transform_points
from tfface.inference import Reconstructor
from tfface.io.examples import write_records
from tfface.io.image import read_image
from tfface.io.warp import warp_image
from tfface.result import FaceResult
from tfface.runtime import find_network
from tfface.training.detail_truth import DetailTruth, TrueFace
from tfface.viz.base_crop import base_of
from tfface.viz.unwrapped import Unwrapped, unwrap

FloatArray = NDArray[np.floating]

DETAIL_SETTINGS = SyntheticSettings(
    image_size=384,
    level=2,
    wrinkles=True,
    enlarge=1.1,
    centre_jitter=0.03,
    size_jitter=(0.95, 1.1),
    front_yaw_deg=50.0,
    camera_strength=0.5,
)
SHIFT, SCALE = 0.015, (0.97, 1.05)
"""Of the box that the base sees, about the true one."""


class DetailMaker:
    """Records of people by their seeds.

    Args:
        base: of `tfface.runtime.find_network`: an R-Net's name or folder.
        settings: of the pictures, with wrinkles.
    """

    def __init__(self, base: str, settings: SyntheticSettings = DETAIL_SETTINGS) -> None:
        self.generator = FaceGenerator(settings)
        self.base = Reconstructor(find_network(base, coefficients=True), recrop=0)

    def seen(self, seed: int) -> tuple[SyntheticView, Person, FaceResult]:
        """A person's photograph, the person, and what the base says."""
        view, person = self.generator.photograph(seed, seed)
        rng = np.random.default_rng(seed)
        box = box_from_landmarks(view.camera.project(person.landmarks))
        side = box[2] - box[0]
        centre = (box[:2] + box[2:]) / 2 + side * rng.uniform(-SHIFT, SHIFT, 2)
        square = square_box(centre, side * rng.uniform(*SCALE))
        return view, person, self.base.faces_in_boxes([view.image], [square])[0]

    def __call__(self, seed: int) -> bytes:
        """The record of a person."""
        view, person, face = self.seen(seed)
        true = TrueFace(person, view.camera, len(view.image))
        return _record(face, true.seen_by, view.camera.project(person.landmarks))


def photograph_record(network: Reconstructor, path: Path) -> bytes:
    """The record of the largest face of a photograph, without a truth.

    Args:
        network: an R-Net.

    Raises:
        UserError: it shows no face.
    """
    faces = network(read_image(path))
    face = max(faces, key=lambda each: float(np.prod(each.box[2:] - each.box[:2])))
    return _record(face, _unknown, face.landmarks68)


def _record(face: FaceResult, truth_of: Callable[[Unwrapped], DetailTruth], landmarks_px: FloatArray) -> bytes:
    """What the base says of a face, and the truth behind it."""
    assert face.decoded is not None
    base = unwrap(face.image, face.vertices, face.decoded)
    truth, size = truth_of(base), detail_records.CROP_PIXELS
    maps: dict[str, Any] = {name: getattr(base, name) for name in ("photo", "albedo", "shaded", "tilt", "seen")}
    maps |= {"displacement": truth.displacement, "albedo_offset": truth.albedo, "weight": truth.weight}
    maps["crop"] = warp_image(face.image, crop_transform(face.box, size), size, size)
    landmarks = transform_points(crop_transform(face.box, CROP_SIZE), landmarks_px)
    return detail_records.encode(maps, face.decoded.coefficients, landmarks[:, :2])


def _unknown(base: Unwrapped) -> DetailTruth:
    nothing = np.zeros_like(base.seen)
    return DetailTruth(nothing, np.zeros_like(base.albedo), base.normal, nothing)


def shown_to(config: ModelConfig, seeds: Iterable[int], base: str = "rnet_points") -> NDArray[np.float32]:
    """What a network of detail is shown of people `[N,S,S,C]`."""
    maker = DetailMaker(base, replace(DETAIL_SETTINGS, bank_size=8))
    return np.stack([_shown(config, *maker.seen(seed)[::2]) for seed in seeds])


def _shown(config: ModelConfig, view: SyntheticView, face: FaceResult) -> NDArray[np.float32]:
    assert face.decoded is not None
    size = config.image_size
    if config.space == "uv":
        return unwrap(view.image, face.vertices, face.decoded).inputs(size)
    crop = warp_image(view.image, crop_transform(face.box, size), size, size) / np.float32(255)
    return np.asarray(np.concatenate([crop, base_of(face.decoded, size)["render"]], axis=-1), np.float32)


@dataclass(frozen=True)
class DetailSet(ShardSet):
    """A set of such shards; `base` is the R-Net's name or folder."""

    base: str = "rnet_points"

    @cached_property
    def _maker(self) -> DetailMaker:
        return DetailMaker(self.base, self.settings)

    def _record(self, number: int) -> bytes:
        return self._maker(number)

    def make(self, index: int) -> None:
        """Makes one shard in this process, unless it is there."""
        if not self.path(index).exists():
            write_records(self.path(index), [self._record(number) for number in self.seeds(index)])

    def card(self) -> dict[str, Any]:
        """What `dataset.json` says of the set."""
        network = find_network(self.base, coefficients=True)
        if "coefficients" not in network.card:
            raise UserError(
                f"{self.base} predicts no coefficients: detail is made on top of an R-Net; name one as `base`."
            )
        kind = {"kind": detail_records.KIND, "base": self.base, "base_digest": network.digest()}
        return {**super().card(), **kind}

    def _check_people(self) -> None:
        """Pictures are not compared: the base's digest and the settings say enough."""


@dataclass(frozen=True)
class DetailPhotographs(DetailSet):
    """Shards of photographs that show a face (`with_faces`), for `detail.photographs`."""

    photographs: tuple[Path, ...] = ()

    @cached_property
    def _network(self) -> Reconstructor:
        return Reconstructor(find_network(self.base, coefficients=True))

    @classmethod
    def of_photographs(cls, folder: Path, photographs: Sequence[Path], per_shard: int, base: str) -> DetailPhotographs:
        """The set of these."""
        return cls(folder, len(photographs), per_shard, 0, DETAIL_SETTINGS, base, tuple(photographs))

    def seeds(self, index: int) -> range:
        """The photographs in a shard, by their numbers."""
        everybody = super().seeds(index)
        return range(everybody.start, min(everybody.stop, len(self.photographs)))

    def _record(self, number: int) -> bytes:
        return photograph_record(self._network, self.photographs[number])

    def card(self) -> dict[str, Any]:
        """What `dataset.json` says of the set."""
        names = "\n".join(path.name for path in self.photographs)
        return {**super().card(), "photographs": hashlib.sha256(os.fsencode(names)).hexdigest()}


def with_faces(photographs: Iterable[Path], base: str) -> tuple[list[Path], list[str]]:
    """Those that show a face to a base, and a sentence for each of the others."""
    network, good, failures = Reconstructor(find_network(base, coefficients=True)), [], []
    for path in photographs:
        try:
            network.find(read_image(path))
        except Exception as error:  # whatever one photograph does, the others are made
            failures.append(item_error(error, path))
        else:
            good.append(path)
    return good, failures
