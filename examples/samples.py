"""What the examples work on when they are given nothing: a portrait, synthetic people, a small face model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tfface.io.image import write_image
from tfface.io.mesh import Mesh, write_mesh


def portrait(folder: Path) -> Path:
    """NASA's portrait of Eileen Collins (public domain), out of scikit-image."""
    from skimage import data

    write_image(folder / "portrait.png", data.astronaut())
    return folder / "portrait.png"


def photographs(folder: Path, count: int) -> Path:
    """A folder of pictures of one person: the portrait, cut, enlarged and lit in other ways."""
    import cv2
    from skimage import data

    for number, random in enumerate(np.random.default_rng(0).uniform(0.7, 1.3, (count, 3))):
        top, left, right = (int(20 * value) for value in random)
        cut = cv2.resize(data.astronaut()[top:300, left : 400 - right], None, fx=random[0], fy=random[0])
        write_image(folder / f"photo_{number:02d}.png", np.clip(cut * random[1], 0, 255).astype(np.uint8))
    return folder


def annotated_faces(folder: Path, count: int) -> Path:
    """A folder of synthetic faces, each with its 68 true points in a .pts file, as 300-W has them."""
    from tfface.data.synthetic.sample import SyntheticSettings
    from tfface.data.synthetic.scene import FaceGenerator

    generator = FaceGenerator(SyntheticSettings(bank_size=4))
    for seed in range(count):
        pair = generator.pair(seed)
        write_image(folder / f"{seed}.png", pair.front.image)
        points = generator.landmarks(pair, pair.front)[:, :2] + 0.5  # .pts files count pixels from 1
        lines = "\n".join(f"{u:.3f} {v:.3f}" for u, v in points)
        (folder / f"{seed}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    return folder


def face_model(folder: Path) -> Path:
    """A model with four identities and two expressions in the files of ICT-FaceKit, made of our own face."""
    from tfface.face.open_model import load_open_face

    face = load_open_face()
    surface = face.face(0)
    mean = surface.vertices(face.cage())
    moved = {f"identity{k:03d}": surface.matrix @ face.id_basis[k] for k in range(4)}
    for name in ("jawOpen", "mouthSmileLeft"):
        moved[name] = surface.matrix @ face.exp_basis[face.expression_names.index(name)]
    for name, offset in {"generic_neutral_mesh": 0 * mean, **moved}.items():
        write_mesh(folder / f"{name}.obj", Mesh((mean + offset).astype(np.float32) / 10, surface.triangles))
    landmarks = {"idx_to_landmark_verts": face.landmarks(0, 68).tolist()}
    (folder / "vertex_indices.json").write_text(json.dumps(landmarks))
    return folder
