"""Photometric error on a scan: does the front picture, worn by the predicted mesh, look right from elsewhere?

The aligned mesh takes the front view's colours where that view sees it, is drawn turned by `TRANSFER_YAW_DEG`, and is
compared with the scan drawn so. Both have baked light, so what differs is the shape (and what stretches over it).
"""

from __future__ import annotations

import numpy as np

from tfface.evaluation.scan_render import RenderedScan, framed_view
from tfface.geometry.raster import interpolate, rasterize
from tfface.geometry.rotation import euler_to_matrix
from tfface.metrics.photometric import photometric_error
from tfface.metrics.reconstruction import Surface
from tfface.metrics.visibility import visible_points
from tfface.viz.scan_view import render_scan, visible_depth
from tfface.viz.texture import sample_photo

TRANSFER_YAW_DEG = 30.0


def transfer_error(item: RenderedScan, placed: Surface) -> dict[str, float]:
    """`photometric_error` of the mesh `placed` (in the scan's frame) turned by 30 degrees.

    Raises:
        UserError: mesh and scan share no pixel there.
    """
    assert item.scan.landmarks is not None
    front = item.views[0]
    turned = euler_to_matrix(np.deg2rad(TRANSFER_YAW_DEG), 0.0, 0.0) @ front.rotation
    view = framed_view(turned, item.scan.landmarks)
    triangles = np.asarray(placed.triangles, np.int32)
    points = front.project(placed.vertices)
    seen = visible_points(points, points, triangles)
    parts = np.array_split(points[None], 4, axis=1)  # OpenCV's maps have fewer than 32,768 columns
    colors = np.concatenate([sample_photo(item.images[0], part)[0] for part in parts])
    triangle_id, weights, _ = rasterize(view.project(placed.vertices), triangles, view.size, view.size)
    attributes = np.concatenate([colors, seen[:, None]], axis=1).astype(np.float32)
    drawn = interpolate(triangle_id, weights, triangles, attributes)
    covered = (drawn[..., 3] > 0.99) & np.isfinite(visible_depth(item.scan.mesh, view))
    return photometric_error(drawn[..., :3], render_scan(item.scan.looks, view) / 255.0, covered.astype(np.float64))
