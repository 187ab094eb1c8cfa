"""What NAME.json says of a face: one schema for predict, fit and refine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfface.face.open_model import load_open_face

if TYPE_CHECKING:
    from tfface.result import FaceResult

SCHEMA = {"name": "tfface face", "version": 2}
"""Of NAME.json. 2: coordinates are about the head's centre, `coefficients` is the same for predict, fit and refine."""
FRAME_NOTE = (
    "x to the picture's right for a face that looks at us, y up, z out of the face; the origin is the head's centre, "
    "between the ears; .obj and .ply in millimetres, .glb in metres"
)
POSE_NOTE = (
    "R = Rz(roll) Ry(yaw) Rx(pitch) in the face frame (x to the picture's right, y up, z to the camera); "
    "yaw > 0: nose to the picture's right, pitch > 0: nose down, roll > 0: counter-clockwise in the picture"
)
CAMERA_NOTE = (
    "X = rotation @ (V_mm - origin_mm) of the files' mm; k = focal_px / (distance_mm - X.z); u = centre_px[0] + k X.x, "
    "v = centre_px[1] - k X.y, pixel centres at +0.5, v down; misses the vertices seen by mean_error_px; "
    "the distance is a usual one, not this photograph's"
)


def summary_of(face: FaceResult) -> dict[str, Any]:
    """What NAME.json holds of a face."""
    pose, model, camera, known = face.pose, load_open_face(), face.camera, face.landmark_deviations_px
    angles = dict(zip(("yaw_deg", "pitch_deg", "roll_deg"), rounded(pose.degrees, 3), strict=True))
    identity, expression = face.shape
    weights = dict(zip(model.expression_names, rounded(expression, 4), strict=True))
    return {
        "schema": SCHEMA,
        "model": face.model,
        "preset": face.preset,
        "face_model": {"name": model.name, "checksum": model.checksum},
        "image_size": {"width": face.image.shape[1], "height": face.image.shape[0]},
        "box_px": rounded(face.box, 3),
        "crop_roll_deg": round(face.crop_roll_deg, 3),
        "detection_score": face.score,
        "detection_doubtful": face.doubtful,
        "frame": {"convention": FRAME_NOTE, "origin_in_face_frame_mm": rounded(model.centre, 4)},
        "shape": {"identity_sigma": rounded(identity, 4), "expression_weights": weights},
        "pose": {**angles, "convention": POSE_NOTE},
        "camera": {
            "rotation": rounded(camera.rotation, 7),
            "focal_px": camera.focal_px,
            "distance_mm": camera.distance_mm,
            "centre_px": rounded(camera.centre_px, 4),
            "origin_mm": rounded(camera.origin_mm - model.centre, 4),
            "mean_error_px": round(face.camera_error_px, 3),
            "convention": CAMERA_NOTE,
        },
        "landmarks5_px": rounded(face.landmarks5, 3),
        "landmarks68_px": rounded(face.landmarks68, 3),
        **({} if known is None else {"landmarks68_deviation_px": rounded(known, 3)}),
        **({} if face.decoded is None else {"coefficients": face.decoded.named()}),
        "timings_ms": {name: round(value, 2) for name, value in face.timings_ms.items()},
    }


def rounded(values: Any, digits: int) -> Any:
    """Nested lists of numbers as a JSON file holds them."""
    return np.round(np.asarray(values, np.float64), digits).tolist()
