"""Files of the same structure as other people's face models, made small of the open face at level 0."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.io import savemat

from tfface.face.open_model import load_open_face

NUM_IDENTITY, NUM_EXPRESSION = 5, 3


def small_bases(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean `[V,3]`, identity `[5,V,3]`, expression `[3,V,3]` in mm, triangles from 0, landmarks from 0."""
    face = load_open_face()
    surface = face.face(0)
    mean = surface.vertices(face.cage()).astype(np.float64)
    identity = np.stack([surface.matrix @ face.id_basis[k] for k in range(NUM_IDENTITY)])
    chosen = [face.expression_names.index(name) for name in ("jawOpen", "mouthSmileLeft", "browInnerUp")]
    expression = np.stack([surface.matrix @ face.exp_basis[k] for k in chosen])
    return mean, identity, expression, surface.triangles, face.landmarks(0, 68)


def columns(basis: np.ndarray) -> np.ndarray:
    """`[K,V,3]` as files have it, `[3V,K]`."""
    return basis.reshape(len(basis), -1).T


def write_300wlp(folder: Path) -> None:
    """`Model_Shape.mat` and `Model_Exp.mat`: micrometres, the identity in units of 1000 standard deviations."""
    mean, identity, expression, triangles, landmarks = small_bases()
    shape = {
        "mu_shape": mean.reshape(-1, 1) * 1000 - 7, "w": columns(identity), "sigma": np.full((NUM_IDENTITY, 1), 1000.0),
        "tri": triangles.T + 1, "keypoints": landmarks[None] + 1,
    }  # fmt: skip
    savemat(folder / "Model_Shape.mat", shape)
    expression = {"mu_exp": np.full((mean.size, 1), 7.0), "w_exp": columns(expression) * 1000}
    savemat(folder / "Model_Exp.mat", expression)


def write_struct(file: Path) -> None:
    """face3d's `BFM.mat` of the same model."""
    mean, identity, expression, triangles, landmarks = small_bases()
    model = {
        "shapeMU": mean.reshape(-1, 1) * 1000, "shapePC": columns(identity), "shapeEV": np.full(NUM_IDENTITY, 1000.0),
        "expMU": np.zeros((mean.size, 1)), "expPC": columns(expression) * 1000, "expEV": np.ones(NUM_EXPRESSION),
        "tri": triangles + 1, "kpt_ind": landmarks + 1,
    }  # fmt: skip
    savemat(file, {"model": model})


def write_bfm2009(folder: Path) -> dict[str, np.ndarray]:
    """The original's files: 12 more vertices than the expressions know, of which the front leaves some out.

    Returns:
        what the reader should find: `mean`, `identity`, `expression` in mm, `front`.
    """
    mean, identity, expression, triangles, landmarks = small_bases()
    num_front, extra, rng = len(mean), 12, np.random.default_rng(1)
    # The whole model: the front's vertices shuffled among others; the trimmed one lacks four of the others.
    whole = rng.permutation(num_front + extra)[:num_front]
    others = np.setdiff1d(np.arange(num_front + extra), whole)
    trim = np.sort(np.concatenate([whole, others[4:]]))
    front = np.searchsorted(trim, whole)
    ev = np.linspace(2.0, 1.0, NUM_IDENTITY)

    def spread(values: np.ndarray, count: int, places: np.ndarray) -> np.ndarray:
        out = rng.normal(0, 1e3, (len(values), count, 3))
        out[:, places] = values
        return out

    main = {
        "shapeMU": spread(mean[None] * 1000, num_front + extra, whole).reshape(-1, 1),
        "shapePC": columns(spread(identity * 1000, num_front + extra, whole)) / ev, "shapeEV": ev[:, None],
        "texMU": np.full((3 * (num_front + extra), 1), 128.0),
        "texPC": np.full((3 * (num_front + extra), 2), 0.5), "texEV": np.array([[10.0], [20.0]]),
        "tl": whole[triangles[:, ::-1]] + 1,
    }  # fmt: skip
    savemat(folder / "01_MorphableModel.mat", main)
    savemat(folder / "BFM_exp_idx.mat", {"trimIndex": trim[:, None] + 1})
    savemat(folder / "BFM_front_idx.mat", {"idx": front[:, None] + 1})
    savemat(folder / "facemodel_info.mat", {"tri": triangles + 1, "keypoints": landmarks[None] + 1})
    std = np.array([500.0, 250.0, 100.0])
    np.savetxt(folder / "std_exp.txt", std[None])
    components = spread(expression * 1000 / std[:, None, None], len(trim), front).astype("<f4")
    header = np.array([NUM_EXPRESSION], "<i4").tobytes() + np.zeros(3 * len(trim), "<f4").tobytes()
    (folder / "Exp_Pca.bin").write_bytes(header + components.tobytes())
    return {"mean": mean, "identity": identity, "expression": expression, "front": front}


def write_ict(folder: Path) -> None:
    """ICT-FaceKit's folder in centimetres: quads, 20 vertices of other parts behind the face's."""
    mean, identity, expression, triangles, landmarks = small_bases()
    behind = np.tile(mean[:1] + 300.0, (20, 1))

    def write(name: str, vertices: np.ndarray) -> None:
        points = np.concatenate([vertices, behind]) / 10
        lines = [f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in points]
        lines += [f"f {a}/1/1 {b}/1/1 {c}/1/1" for a, b, c in triangles + 1]
        quad = len(mean) + np.arange(1, 5)
        lines.append("f " + " ".join(map(str, quad)))
        (folder / name).write_text("\n".join(lines) + "\n")

    write("generic_neutral_mesh.obj", mean)
    for k in (0, 1, 2, 10):
        write(f"identity{k}.obj", mean + identity[min(k, 3)])
    write("jawOpen.obj", mean + expression[0])
    write("browInnerUp_L.obj", mean + expression[2])
    (folder / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": landmarks.tolist()}))
