"""Losses, augmentation and rates of published systems (docs/sources.md): `--recipe NAME` (or `--preset NAME`).

autoencoder (Du 2020) and base_branch (Fan) are R-Nets that learn from photographs; augmented_branch (Fan) adds detail
to a frozen one. Du's network gives 230
numbers: 80 identity, 64 expression, 80 albedo, 2 that add up to the elevation, 2 to the azimuth, 2 unused. The recipe's
gives the same for whatever the face model has: 248 for the open model, with its 150 identity, 52 expression and 40
albedo. No light and no scale is predicted: surfaces have their albedo's colour, and the render is moved onto the
photograph by its landmarks. Instead of Basel's face and a private recognition network there are the open face and
dlib's; Du 2020 used SGD, here it is Adam.
"""

from __future__ import annotations

from typing import Any

from tfface.errors import UserError

_OFF = dict.fromkeys(
    ("landmarks", "identity", "regularisation", "expression_range", "flattening", "monochromatic", "map"), 0.0
)
RECIPES: dict[str, dict[str, Any]] = {
    "lium2020": {
        "loss": {"kind": "mse", "landmarks": 16.0, "features": 4.0, "face": 3.0, "neck": 0.0},
        "augment": {"rotation_deg": 45.0, "colour": [0.9, 1.2]},
        "optim": {"learning_rate": 1e-4, "schedule": "halve", "halve_every_epochs": 5, "patience": 10},
    },
    "zhou2021": {
        "loss": {"kind": "mse", "landmarks": 1.0, "features": 0.4, "face": 0.3, "neck": 0.0},
        "augment": {
            "rotation_deg": 45.0,
            "scale": [0.7, 1.3],
            "shift": 0.1,
            "mirror": False,
            "colour": [0.5, 1.5],
            "some_channels": True,
            "face_noise": True,
            "upright": True,
            "dropout_boxes": 0,
            "blur_probability": 0.0,
            "noise_probability": 0.0,
            "greyscale_probability": 0.0,
            "border_probability": 0.0,
            "gamma_probability": 0.0,
        },
        "data": {"batch": 4},
        "optim": {"learning_rate": 1e-3, "schedule": "halve", "halve_every_epochs": 5, "patience": 5},
    },
    "autoencoder": {
        "model": {"name": "rnet", "image_size": 200, "rotation": "orbit", "camera": "orbit", "light": 0},
        "data": {"batch": 16, "chunk": 5000, "chunk_epochs": 10, "steps_per_epoch": 312},
        "augment": {"enabled": False},
        "weak": {
            **{"photometric": 1.0, "photometric_kind": "aligned", "mask": "hull", "masked_input": True},
            **_OFF,
        },
        "optim": {"learning_rate": 1e-4, "schedule": "constant", "epochs": 50, "patience": 50},
        "run": {"regime": "weak"},
    },
    "base_branch": {
        "model": {"name": "rnet", "image_size": 224, "camera": "fov30"},
        "data": {"shares": [0.70, 0.15, 0.15]},
        "weak": {
            **_OFF,
            **{"photometric": 1.0, "photometric_kind": "masked", "mask": "none"},
            **{"landmarks": 1.0, "landmarks_kind": "l1", "identity": 20.0, "identity_kind": "l1"},
        },
        "optim": {"learning_rate": 3e-5, "schedule": "constant", "epochs": 20},
        "run": {"regime": "weak"},
    },
    "cnet": {
        "model": {"confidences": 16},
        "data": {"batch": 32, "steps_per_epoch": 150, "validation_size": 100},
        "optim": {"learning_rate": 2e-3, "schedule": "cosine", "epochs": 10, "weight_decay": 1e-3},
        "run": {"regime": "sets", "init": "rnet_points", "pictures": 0},
    },
    "augmented_branch": {
        "model": {"name": "detail", "space": "picture", "image_size": 224, "map_size": 224, "width": 1.0},
        "augment": {"enabled": False},
        "weak": {
            **_OFF,
            **{"photometric": 1.0, "photometric_kind": "masked", "mask": "none"},
            **{"landmarks": 1.0, "landmarks_kind": "l1", "identity": 20.0, "identity_kind": "l1"},
        },
        "detail": {"small": 1e-4, "symmetry": 1e-4, "smooth_shape": 0.08, "smooth_albedo": 0.1},
        "optim": {"learning_rate": 3e-5, "schedule": "constant", "epochs": 7},
    },
}
"""lium2020: section 4.3 of that thesis. zhou2021: sections 3.2.3, 3.4.4 and 4.2 of that one. These two leave the
network alone. cnet is what `--model cnet` means: C-Net (Deng et al. 2019, section 4) on the R-Net that `run.init`
names."""


def recipe(name: str) -> dict[str, Any]:
    """The changes that the recipe `name` makes.

    Raises:
        UserError: there is none of this name.
    """
    if name not in RECIPES:
        raise UserError(f"`recipe`: there is no recipe {name!r}; choose from {', '.join(RECIPES)}.")
    return RECIPES[name]
