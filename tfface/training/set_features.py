"""What C-Net learns from: R-Net's features and answers for sets of pictures, computed once for a run.

R-Net does not change, so each picture is looked at once, as prediction does; `features.npz` in the run's folder keeps
what came out. Synthetic people have a true identity; of people in photographs each picture's points are known, and how
far they pull at each identity coefficient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tfface import weights
from tfface.config import Config
from tfface.data.synthetic.people import CNET_SEED, STEP, People, spoilt
from tfface.errors import UserError, item_error
from tfface.face.found import PointModel
from tfface.face.several import Person
from tfface.inference import Reconstructor
from tfface.io.files import atomic_path
from tfface.io.image import list_images, read_image
from tfface.io.reading import read_arrays
from tfface.models.layers import confidences
from tfface.result import FaceResult

FILE = "features.npz"
Arrays = dict[str, NDArray[np.generic]]
Track = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True)
class Sets:
    """People in several pictures.

    Attributes:
        arrays: `features` `[N,K,sides,F]`, `identities` `[N,K,I]`, `shown` `[N,K]`, and `true` `[N,I]`, or
            `information` `[N,K,I,I]` and `vector` `[N,K,I]`.
        held_out: how many of them, the last ones, are not trained on.
    """

    arrays: Arrays
    held_out: int

    def __len__(self) -> int:
        return len(self.arrays["shown"])


def sets_of(config: Config, folder: Path, network: keras.Model, track: Track) -> Sets:
    """The sets of a run: what its folder holds, or made anew and kept there.

    Args:
        config, folder: of the run.
        network: with C-Net, its R-Net as `run.init` has it.
        track: wraps the people's numbers to show progress.

    Raises:
        UserError: the run was begun with other weights or data, or there are no people.
    """
    source, path = weights.find(config.run.init), folder / FILE
    settings = repr((config.sets, config.data.validation_size, config.data.seed, config.model))
    digest = hashlib.sha256(settings.encode() + source.file().read_bytes()).hexdigest()
    if path.is_file():
        arrays = read_arrays(path, "features of sets", ("digest", "shown"), "remove it, and it is made again")
        if str(arrays.pop("digest")) != digest:
            raise UserError(
                f"{folder} was begun with other sets or weights than {config.run.init} has now: take another `run.out`."
            )
    else:
        arrays = _looked_at(config, network, track)
        with atomic_path(path) as beside, beside.open("wb") as file:
            kept: dict[str, Any] = {**arrays, "digest": np.array(digest)}
            np.savez(file, **kept)
    count = len(arrays["shown"])
    held = config.data.validation_size if not config.sets.photos else max(1, round(config.data.shares[1] * count))
    return Sets(arrays, held)


def _looked_at(config: Config, network: keras.Model, track: Track) -> Arrays:
    reconstructor = Reconstructor(config.run.init, upright=bool(config.sets.photos))
    points = reconstructor.points
    if config.sets.photos and points is None:
        raise UserError(f"sets.photos: {config.run.init} finds no points to compare photographs by.")
    of_photos = _photographs(config, reconstructor) if config.sets.photos else None
    people = People(CNET_SEED + (config.data.seed << 24), config.sets.pictures)
    count = config.sets.people + config.data.validation_size if of_photos is None else len(of_photos)
    rows = []
    see = _Eye(network, config, reconstructor)
    for number in track(range(count)):
        if of_photos is None:
            true, results = _synthetic(people, number, config.sets.bad, reconstructor)
            rows.append({**see(results), "true": true.astype(np.float32)})
        else:
            results = of_photos[number]
            rows.append({**see(results), **_pull(results, points, config.sets.pictures)})
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _synthetic(
    people: People, number: int, bad: float, reconstructor: Reconstructor
) -> tuple[NDArray[np.floating], list[FaceResult]]:
    true, seen = people.photographs(number)
    rng = np.random.default_rng(people.seed + STEP * number)
    seen = [each.with_picture(spoilt(each.image, rng)) if rng.random() < bad else each for each in seen]
    return true, reconstructor.faces_in_boxes([each.image for each in seen], [each.box for each in seen])


def _photographs(config: Config, reconstructor: Reconstructor) -> list[list[FaceResult]]:
    """The largest face of each photograph of each person who has two or more."""
    found, root = [], Path(config.sets.photos)
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        faces = []
        for path in list_images(folder)[: config.sets.pictures]:
            try:
                faces.append(reconstructor(read_image(path))[0])
            except Exception as error:  # the others are learnt from
                print(f"tfface train: {path} is left out: {item_error(error)}")
        if len(faces) > 1:
            found.append(faces)
    if len(found) < 2:
        raise UserError(f"{root} holds fewer than 2 folders with 2 or more photographs of faces: one for each person.")
    return found


class _Eye:
    """Faces of one person to arrays of `config.sets.pictures` pictures."""

    def __init__(self, network: keras.Model, config: Config, reconstructor: Reconstructor) -> None:
        self._features, self._config = confidences.features(network), config
        self._reconstructor = reconstructor

    def __call__(self, results: list[FaceResult]) -> Arrays:
        config, points = self._config, self._reconstructor.points
        crops = self._reconstructor.crops(results)
        sides = [crops, crops[:, :, ::-1]] if config.model.mirror_average else [crops]
        seen = [self._features.predict_on_batch(np.ascontiguousarray(side)) for side in sides]
        if config.model.confidences_of == "heads":
            identities = np.stack([face.decoded.parts["identity"] for face in results if face.decoded is not None])
        else:
            assert points is not None
            identities = np.stack([_person(face, points).identity for face in results])
        shown = np.ones(len(results), np.float32)
        features = np.stack(seen, axis=1).astype(np.float16)
        arrays: Arrays = {"features": features, "identities": identities.astype(np.float32), "shown": shown}
        return {name: _padded(values, config.sets.pictures) for name, values in arrays.items()}


def _person(face: FaceResult, points: PointModel) -> Person:
    assert face.found is not None
    person = Person(points)
    person.add(face.found)
    return person


def _pull(results: list[FaceResult], points: PointModel | None, pictures: int) -> Arrays:
    """Each picture's information and vector, about what a found identity means."""
    assert points is not None
    people = [_person(face, points) for face in results]
    information = np.array([person.information - np.eye(len(person.vector)) for person in people], np.float32)
    vector = np.array([person.vector - points.trust.begin(len(person.vector)) for person in people], np.float32)
    return {"information": _padded(information, pictures), "vector": _padded(vector, pictures)}


def _padded(values: NDArray[np.generic], pictures: int) -> NDArray[np.generic]:
    return np.pad(values, [(0, pictures - len(values))] + [(0, 0)] * (values.ndim - 1))
