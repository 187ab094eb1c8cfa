"""Scans as photographs: a front and a side view of each, more where asked, and what a network makes of them.

Lium 2020 (section 5.2) renders each scan from the front and the side in an orthographic projection. Where the scan has
landmarks, "front" is the pose in which the mean face looks straight at the camera; otherwise the scan's own frame is
taken (x right, y up, z out of the face).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.evaluation.scan_files import Scan
from tfface.face.open_model import load_open_face
from tfface.geometry.align import box_from_landmarks, fit_similarity
from tfface.geometry.ibug68 import NOSE_TIP
from tfface.geometry.rotation import euler_to_matrix
from tfface.io.mesh import Mesh
from tfface.metrics.reconstruction import Surface
from tfface.viz.scan_view import OrthographicView, render_scan, visible_depth

FloatArray = NDArray[np.floating]
Image = NDArray[np.uint8]
VIEW_PIXELS = 512
SIDE_YAW_DEG = 90.0
MORE_YAWS_DEG = (-90.0, 30.0, -30.0, 60.0, -60.0, 15.0, -15.0)
"""Of views after the front and the side."""
MOST_VIEWS = 2 + len(MORE_YAWS_DEG)
_ENLARGE = 1.7  # the picture's side over the side of the face's crop: the whole head is in it


class ScanPredictor(Protocol):
    """A network that makes a mesh from one or more pictures."""

    name: str
    num_views: int
    triangles: NDArray[np.int32]

    def vertices(self, views: Sequence[tuple[Image, FloatArray]]) -> FloatArray:
        """`[V,3]` u, v, depth in pixels of the first picture; views are a picture and its square crop each."""

    def straightened(self, vertices: FloatArray) -> FloatArray:
        """Vertices `[V,3]` in the same pixels without the camera's perspective: the shape that goes into meshes."""

    def landmarks_of(self, vertices: FloatArray) -> FloatArray:
        """The 68 landmarks `[68,3]` among the vertices."""

    def find_box(self, image: Image) -> FloatArray:
        """The square crop of the only face in a picture; raises `UserError` when none is found."""


@dataclass(frozen=True)
class RenderedScan:
    """A scan with its views; `boxes` are the crops `[4]` of the face in each.

    Attributes:
        scan: with landmarks.
        views, images, boxes: front, side, and more where they are asked for (`MORE_YAWS_DEG`).
        estimated: the landmarks are a network's, laid onto the scan, not the scan's own.
    """

    scan: Scan
    views: tuple[OrthographicView, ...]
    images: tuple[Image, ...]
    boxes: tuple[FloatArray, ...]
    estimated: bool = False


def render_views(scan: Scan, side_yaw_deg: float = SIDE_YAW_DEG, count: int = 2) -> RenderedScan:
    """The front and the side view of a scan with landmarks, and more until there are `count` (`MOST_VIEWS` at most)."""
    assert scan.landmarks is not None
    front = frontal_rotation(scan.landmarks)
    yaws = np.deg2rad([0.0, side_yaw_deg, *MORE_YAWS_DEG][: max(count, 2)])
    views = tuple(framed_view(euler_to_matrix(yaw, 0.0, 0.0) @ front, scan.landmarks) for yaw in yaws)
    boxes = tuple(box_from_landmarks(view.project(scan.landmarks)) for view in views)
    images = tuple(render_scan(scan.looks, view) for view in views)
    return RenderedScan(scan, views, images, boxes)


def frontal_rotation(landmarks: FloatArray) -> NDArray[np.float64]:
    """`[3,3]` the turn of the scan's frame after which the mean face would look straight at the camera."""
    return fit_similarity(landmarks, load_open_face().mean_face()[load_open_face().landmarks68]).rotation


def framed_view(rotation: FloatArray, landmarks: FloatArray) -> OrthographicView:
    """The view whose crop (3DDFA's box) is the picture's middle."""
    unit = OrthographicView(rotation, 1.0, np.zeros(2), np.zeros(3), VIEW_PIXELS)
    box = box_from_landmarks(unit.project(landmarks))
    scale = VIEW_PIXELS / (_ENLARGE * float(box[2] - box[0]))
    centre = VIEW_PIXELS / 2 - scale * (box[:2] + box[2:]) / 2
    return OrthographicView(rotation, scale, centre, np.zeros(3), VIEW_PIXELS)


def with_landmarks(scan: Scan, predictor: ScanPredictor | None) -> tuple[Scan, bool]:
    """The scan with landmarks, and whether they had to be estimated by a network on its front view.

    Raises:
        UserError: when it has none, and no network is at hand or sees a face.
    """
    if scan.landmarks is not None:
        return scan, False
    if predictor is None:
        raise UserError("it has no 68 landmarks, and no network of one view is given that could find them")
    view = _view_of(scan.mesh)
    image = render_scan(scan.looks, view)
    points = np.array(predictor.landmarks_of(predictor.vertices([(image, predictor.find_box(image))])), np.float64)
    points[:, 2] = _depths(scan.mesh, view, points)
    return replace(scan, landmarks=view.unproject(points)), True


def _view_of(mesh: Mesh) -> OrthographicView:
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    scale = VIEW_PIXELS / (1.15 * float((high - low)[:2].max()))
    centre = np.full(2, VIEW_PIXELS / 2)
    return OrthographicView(np.eye(3), scale, centre, (low + high) / 2, VIEW_PIXELS)


def _depths(mesh: Mesh, view: OrthographicView, points: FloatArray) -> NDArray[np.float64]:
    """The scan's depth `[68]` under each point; beyond its silhouette the prediction's own, shifted to it."""
    depth = visible_depth(mesh, view)
    column, row = np.clip(points[:, :2].astype(int), 0, view.size - 1).T
    found = depth[row, column].astype(np.float64)
    seen = np.isfinite(found)
    if seen.sum() < 20:
        raise UserError("the network's landmarks do not lie on the scan: is its face turned to +z, up to +y?")
    shift = np.median(found[seen] - points[seen, 2])
    return np.where(seen, found, points[:, 2] + shift)


def predict_surface(predictor: ScanPredictor, item: RenderedScan) -> Surface:
    """What the network makes of a scan's views, in the scan's frame and millimetres (by the views' known scale).

    The depth of a picture has no origin: it is set so that the nose tips are equally far.
    """
    views = list(zip(item.images, item.boxes, strict=True))[: predictor.num_views]
    points = np.array(predictor.straightened(predictor.vertices(views)), np.float64)
    landmarks = np.array(predictor.landmarks_of(points), np.float64)
    assert item.scan.landmarks is not None
    shift = float(item.views[0].project(item.scan.landmarks[[NOSE_TIP]])[0, 2] - landmarks[NOSE_TIP, 2])
    for each in (points, landmarks):
        each[:, 2] += shift
    front = item.views[0]
    return Surface(front.unproject(points), predictor.triangles, front.unproject(landmarks))
