"""Makes the shards of `tfface.data.detail_records`: synthetic people with wrinkles, and a frozen base's answers.

The base sees each photograph once, here, and not in every step of training. Its crop is the true landmarks' box, moved
and scaled a little: about what prediction's second look has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.config import ModelConfig
from tfface.data import detail_records
from tfface.data.shards import ShardSet
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator, Person, SyntheticView
from tfface.errors import UserError
from tfface.geometry.align import box_from_landmarks, crop_transform, square_box, transform_points
from tfface.inference import Reconstructor
from tfface.io.examples import write_records
from tfface.io.files import atomic_path
from tfface.io.image import warp_image
from tfface.result import FaceResult
from tfface.runtime import find_network
from tfface.training.detail_truth import TrueFace
from tfface.viz.base_crop import base_of
from tfface.viz.unwrapped import unwrap

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
        assert face.decoded is not None
        base = unwrap(view.image, face.vertices, face.decoded, detail_records.MAP_SIZE)
        truth = TrueFace(person, view.camera, len(view.image), detail_records.MAP_SIZE).seen_by(base)
        size = detail_records.CROP_PIXELS
        maps: dict[str, Any] = {name: getattr(base, name) for name in ("photo", "albedo", "shaded", "tilt", "seen")}
        maps |= {"displacement": truth.displacement, "albedo_offset": truth.albedo, "weight": truth.weight}
        maps["crop"] = warp_image(view.image, crop_transform(face.box, size), size, size)
        landmarks = transform_points(crop_transform(face.box, 256), view.camera.project(person.landmarks))
        return detail_records.encode(maps, face.decoded.coefficients, landmarks[:, :2])


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

    def make(self, index: int) -> None:
        """Makes one shard in this process, unless it is there."""
        if not self.path(index).exists():
            records = [self._maker(seed) for seed in self.seeds(index)]
            with atomic_path(self.path(index)) as beside:
                write_records(beside, records)

    def card(self) -> dict[str, Any]:
        """What `dataset.json` says of the set."""
        network = find_network(self.base, coefficients=True)
        if "coefficients" not in network.card:
            raise UserError(
                f"{self.base} predicts no coefficients: detail is made on top of an R-Net; name one (--base)."
            )
        kind = {"kind": detail_records.KIND, "base": self.base, "base_digest": network.digest()}
        return {**super().card(), **kind}

    def _check_people(self) -> None:
        """Pictures are not compared: the base's digest and the settings say enough."""
