"""Photographs without 3D to a large-pose training set: `python data_tools/profile_photos.py --photos DIR --out SHARDS`.

Each face is fitted by a network that ships, the photograph is meshed with the fit's depth, and the face is turned
in depth up to profile, as 300W-LP was made. A record is the photograph as the front view and a turned one as the side
view, each with its map. The maps are the network's own: they teach large poses, not better shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from tfface.data.shards.maps import MapRecord, MapView
    from tfface.data.sources.turn import Turn
    from tfface.inference import Reconstructor


@dataclass(frozen=True)
class Options:
    """Photographs to shards of turned faces, with a contact sheet."""

    photos: Path
    """A folder of photographs, or one photograph."""
    out: Path
    """Folder for the shards and `sheet.png`; a run that was stopped goes on there."""
    model: str | None = None
    """A preset's name or an exported model's folder, of one view; without it, the default preset."""
    turns: int = 4
    """Turned pictures of each face."""
    yaw_deg: tuple[float, float] = (45.0, 90.0)
    """Least and largest yaw of the turned pictures."""
    min_score: float | None = None
    """Least score of a face (0 to 1, usually 0.55)."""
    max_front_deg: float = 40.0
    """Faces that look farther aside than this are left out."""
    image_size: int = 320
    """Side of the stored pictures in pixels; they show 1.25 times the crop."""
    records_per_shard: int = 100
    """How many records a file holds."""
    seed: int = 0
    """Of the yaws."""


@dataclass(frozen=True)
class Job:
    """One turned picture: of a photograph, the number of its turn."""

    key: str
    photo: Path
    number: int


class Maker:
    """`Job`s to records; keeps the fit of the photograph at hand, since its turns follow each other."""

    def __init__(self, options: Options, reconstructor: Reconstructor) -> None:
        self.options, self.reconstructor = options, reconstructor
        self._photo: Path | None = None
        self.tiles: list[np.ndarray] = []
        self.labels: list[str] = []

    def __call__(self, job: Job) -> MapRecord:
        """The record.

        Raises:
            UserError: there is no face, or it looks too far aside.
        """
        from tfface.data.shards.maps import MapRecord
        from tfface.data.sources.turn import turn_to

        self._fit(job.photo)
        if self._refusal:
            raise self._refusal
        yaw = self._yaw(job)
        views = (self._view(None), self._view(turn_to(self._result.pose, yaw, self._pivot)))
        self._draw(job, yaw, views)
        return MapRecord(job.key, views)

    def _fit(self, photo: Path) -> None:
        from tfface.data.sources.turn import MeshedPhoto
        from tfface.errors import UserError, item_error
        from tfface.face.open_model import load_open_face
        from tfface.io.image import read_image

        if photo == self._photo:
            return
        self._photo, self._refusal = photo, None
        try:
            image = read_image(photo)
            self._result = self.reconstructor(image)[0]
            yaw = self._result.pose.degrees[0]
            if abs(yaw) > self.options.max_front_deg:
                raise UserError(f"its face looks {yaw:.0f} degrees aside: too far for --max-front-deg")
            self._pivot = load_open_face().centre
            result, surface = self._result, load_open_face().face(2)
            self._mesh = MeshedPhoto(image, result.vertices, surface, result.landmarks68, result.texture)
        except Exception as error:  # for all turns of this photograph, not only the first
            self._refusal = UserError(item_error(error))

    def _yaw(self, job: Job) -> float:
        """One of `turns` even parts of the range, anywhere in it; to the side to which the face already looks."""
        import hashlib
        import os

        digest = hashlib.sha1(os.fsencode(f"{self.options.seed}/{job.key}")).digest()
        place = int.from_bytes(digest[:4], "big") / 2**32
        low, high = self.options.yaw_deg
        size = low + (high - low) * (job.number + place) / self.options.turns
        now = self._result.pose.degrees[0]
        sign = (1 if now > 0 else -1) if abs(now) > 5 else (1 if digest[4] % 2 else -1)
        return float(sign * max(size, abs(now)))

    def _view(self, turn: Turn | None) -> MapView:
        """The photograph (as it is: None), turned and cropped round its landmarks, with its map."""
        import numpy as np

        from tfface.data.shards.maps import MapView, crop_matrix, cropped_view, moved_map

        size, result = self.options.image_size, self._result
        known = np.full(result.position_map.shape[:2], 255, np.uint8)
        if turn is None:
            return cropped_view(result.image, result.landmarks68, result.position_map, known, size)
        matrix = crop_matrix(turn(result.landmarks68), size)
        return MapView(self._mesh.picture(turn, matrix, size), moved_map(turn(result.position_map), matrix), known)

    def _draw(self, job: Job, yaw: float, views: tuple[MapView, MapView]) -> None:
        """Keep a picture with its landmarks for the sheet, of the first photographs."""
        import cv2

        from tfface.result import position_tables

        if len(self.tiles) >= 60:
            return
        shown = [(views[0], self._result.pose.degrees[0])] if job.number == 0 else []
        for view, degrees in [*shown, (views[1], yaw)]:
            tile = view.image.copy()  # the record keeps the picture without dots
            for u, v, _ in position_tables(256).landmarks(view.position_map):
                cv2.circle(tile, (int(u), int(v)), 2, (255, 60, 60), -1, cv2.LINE_AA)
            self.tiles.append(tile)
            self.labels.append(f"{job.photo.stem} {degrees:.0f}°")


def main(argv: list[str] | None = None) -> int:
    """Make the shards; returns the exit code."""
    import tyro

    options = tyro.cli(Options, args=argv, description=__doc__)
    from tfface.cli import check_conversion, counted, report_records
    from tfface.data.shards.maps import ENLARGE, FAILED_FILE, write_dataset
    from tfface.detect.registry import load_detector
    from tfface.inference import Reconstructor
    from tfface.io.image import list_images, survey, unreadable_format, write_image
    from tfface.viz.sheet import contact_sheet

    check_conversion(options.out, options.image_size, options.records_per_shard)
    photos = [options.photos] if options.photos.is_file() else list_images(options.photos)
    unreadable = [] if options.photos.is_file() else survey(options.photos).unreadable
    maker = Maker(options, Reconstructor(options.model, load_detector("auto", options.min_score)))
    jobs = [Job(f"{photo.name}#{number}", photo, number) for photo in photos for number in range(options.turns)]
    card = {
        "source": f"photographs turned in depth; maps by {maker.reconstructor.model_name}",
        "truth": "network",
        "views": 2,
        "settings": {"enlarge": ENLARGE, "image_size": options.image_size, "yaw_deg": options.yaw_deg},
    }
    with counted("faces") as progress:
        failed = write_dataset(options.out, jobs, maker, card, options.records_per_shard, progress=progress)
    failed |= {path.name: unreadable_format(path) for path in unreadable}
    if maker.tiles:
        write_image(options.out / "sheet.png", contact_sheet(maker.tiles, maker.labels, options.turns + 1), True)
    return report_records(options.out / FAILED_FILE, len(jobs) + len(unreadable), failed)


if __name__ == "__main__":
    from tfface.cli import run

    raise SystemExit(run(main))
