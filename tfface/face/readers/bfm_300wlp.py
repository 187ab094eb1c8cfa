"""The Basel Face Model of 300W-LP and 3DDFA: 53,215 vertices, 199 identity and 29 expression components.

Two forms of it are about. 3DDFA's folder: `Model_Shape.mat` (`mu_shape` `[3V,1]`, `w` `[3V,199]`, `sigma`, `tri`,
`keypoints`) with `Model_Exp.mat` or `Model_Expression.mat` (`mu_exp`, `w_exp`, `sigma_exp`). face3d's `BFM.mat`: a
struct 'model' with `shapeMU`, `shapePC`, `shapeEV`, `expMU`, `expPC`, `expEV`, `tri`, `kpt_ind`. Indices count from 1,
lengths are micrometres. The mean is `mu_shape + mu_exp`; `Shape_Para` and `Exp_Para` of the data set multiply the bases
as they are, so coefficients stay in those units and the deviations say how large they get.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfface.errors import UserError
from tfface.face.linear_face import LinearFace, faced_outwards, rows
from tfface.face.readers import matlab
from tfface.io.reading import guarded

MM_PER_MICROMETRE = 1e-3
SHAPE_FILE = "Model_Shape.mat"
EXPRESSION_FILES = ("Model_Exp.mat", "Model_Expression.mat")
STRUCT_FILE = "BFM.mat"
LICENCE = "Basel Face Model 2009, University of Basel: for research and teaching without commerce, not to be handed on."
WHAT = (
    f"The BFM of 300W-LP is a folder with {SHAPE_FILE} and {EXPRESSION_FILES[0]} (made by 3DDFA's ModelGeneration code "
    "from BFM 2009's 01_MorphableModel.mat, www.cbsr.ia.ac.cn/users/xiangyuzhu/projects/3DDFA/main.htm) or face3d's "
    f"{STRUCT_FILE} with its struct 'model' (github.com/yfeng95/face3d, examples/Data/BFM); licence of both: the Basel "
    "Face Model's, research without commerce, not to be handed on."
)
_STRUCT = {"shapeMU": "mu_shape", "shapePC": "w", "expMU": "mu_exp", "expPC": "w_exp", "tri": "tri"}
_DEVIATIONS = {"shapeEV": "sigma", "expEV": "sigma_exp"}


def recognises(path: Path) -> bool:
    """Whether `path` looks like this model."""
    if path.is_file():
        return path.suffix.lower() == ".mat" and not path.name.startswith("BFM_model_front")
    return (path / SHAPE_FILE).is_file() or (path / STRUCT_FILE).is_file()


@guarded("the Basel model of 300W-LP", WHAT.rstrip("."))
def read(path: Path) -> LinearFace:
    """The model of a folder with `Model_Shape.mat`, or of face3d's `BFM.mat`.

    Raises:
        UserError: a file is missing or of another form.
    """
    arrays = _read_pair(path) if (path / SHAPE_FILE).is_file() else _read_struct(path)
    mean = (arrays["mu_shape"].ravel() + arrays["mu_exp"].ravel()).astype(np.float64).reshape(-1, 3)
    expression = rows(arrays["w_exp"], MM_PER_MICROMETRE)
    identity = rows(arrays["w"], MM_PER_MICROMETRE)
    return LinearFace(
        name="BFM of 300W-LP",
        mean=(mean * MM_PER_MICROMETRE).astype(np.float32),
        id_basis=identity,
        exp_basis=expression,
        triangles=faced_outwards(matlab.triangles(arrays["tri"]), mean),
        landmarks68=matlab.indices(arrays["keypoints"]),
        id_std=_deviations(arrays.get("sigma"), identity),
        exp_std=_deviations(arrays.get("sigma_exp"), expression),
        expression_names=tuple(f"expression{k:02d}" for k in range(len(expression))),
        licence=LICENCE,
    )


def _read_pair(folder: Path) -> dict[str, NDArray[Any]]:
    found = next(
        (folder / name for name in EXPRESSION_FILES if (folder / name).is_file()), folder / EXPRESSION_FILES[0]
    )
    shape = matlab.load(folder / SHAPE_FILE, ("mu_shape", "w", "tri", "keypoints"), WHAT, ("sigma",))
    return {**shape, **matlab.load(found, ("mu_exp", "w_exp"), WHAT, ("sigma_exp",))}


def _read_struct(path: Path) -> dict[str, NDArray[Any]]:
    file = path / STRUCT_FILE if path.is_dir() else path
    model = matlab.load(file, ["model"], WHAT)["model"]
    fields = model.dtype.names or ()
    missing = [name for name in (*_STRUCT, "kpt_ind") if name not in fields]
    if missing:
        raise UserError(f"{file}: its 'model' is not a struct with {', '.join(missing)}, so it is another file. {WHAT}")
    item = model.ravel()[0]
    arrays = {ours: np.asarray(item[theirs]) for theirs, ours in _STRUCT.items()}
    arrays |= {ours: np.asarray(item[theirs]) for theirs, ours in _DEVIATIONS.items() if theirs in fields}
    return {**arrays, "keypoints": np.asarray(item["kpt_ind"])}


def _deviations(given: NDArray[Any] | None, basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """The file's deviations; without them, those that make each component move vertices by about a millimetre."""
    if given is not None and given.size == len(basis):
        return np.asarray(given, np.float32).ravel()
    size = np.sqrt((basis.astype(np.float64) ** 2).sum(-1).mean(-1))
    return np.asarray(1.0 / np.maximum(size, 1e-12), np.float32)
