"""Zhou's experiments again, small: what augmentation, tanh, the refiner and each loss buy.

    python benchmarks/ablation_zhou2021.py --records data/faces --out out/ablation_zhou2021

Narrow networks, trained on the same shards. PRN with and without augmentation and with a sigmoid learns from random
weights for `--first-steps`; the first of them is where the arms of the other tables begin, and each goes on from it for
the same `--steps`, so what a loss or a refiner changes is not lost in what every network has to learn first. All are
validated on the same held-out faces, without augmentation and turned by up to 45 degrees. Figures: nme68 (68 landmarks,
2D) and nme_face (all texels of the face, 3D), both over the landmarks' box in percent, and the share of neighbouring
triangles within 15 degrees of each other (`tfface.metrics.smoothness`). Writes `table.md` with Zhou's figures
beside ours, `results.json`, and `meshes.png`: the same faces from every arm. Arms that are finished in `--out` are not
trained again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfface.cli import run, training_convolutions
from tfface.errors import UserError

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tfface.config import Config
    from tfface.face.open_model import OpenFace


@dataclass(frozen=True)
class Options:
    """Train the arms and print the tables."""

    records: str
    """Folder of TFRecord shards with pairs (tfface synthesize)."""
    out: Path = Path("out/ablation_zhou2021")
    """Folder of the arms' runs and of the results."""
    first_steps: int = 3000
    """Training steps of the arms that begin with random weights. 400 of 8 samples make no faces yet."""
    steps: int = 200
    """Training steps of the arms that go on from `augmented`; of arms in stages, all stages together."""
    size: int = 64
    """Side of pictures and maps."""
    width: float = 0.25
    """Factor on the networks' channels."""
    batch: int = 16
    """Samples in a step."""
    faces: int = 128
    """Held-out faces."""
    only: tuple[str, ...] = ()
    """Arms to train (all)."""


PLAIN_LOSS = {"loss.kind": "mse", "loss.landmarks": 1.0, "loss.features": 1.0, "loss.face": 1.0, "loss.neck": 0.0}
MASK_LOSS = {"loss.kind": "mse", "loss.landmarks": 1.0, "loss.features": 0.4, "loss.face": 0.3, "loss.neck": 0.0}
SYMMETRY, SMOOTHNESS = {"loss.symmetry": 0.01}, {"loss.smoothness": 0.1}
PRN, RES = {"model.name": "prn", "model.output": "tanh"}, {"model.name": "prn_res"}


FIRST = "augmented"
"""The arm that others begin with."""


@dataclass(frozen=True)
class Arm:
    """One network: what is changed, its stages, where it begins, and Zhou's figure where there is one."""

    group: str
    changes: dict[str, Any]
    seed: str = ""
    stages: tuple[str, ...] = ("all",)
    start: str = FIRST
    """The arm whose weights it begins with; empty: random weights."""


ARMS: dict[str, Arm] = {
    FIRST: Arm("augmentation", {**PRN, **MASK_LOSS}, "1.69 (68 points)", start=""),
    "not_augmented": Arm("augmentation", {**PRN, **MASK_LOSS, "augment.enabled": False}, "2.199 (68 points)", start=""),
    "sigmoid": Arm("output", {**PRN, **MASK_LOSS, "model.output": "sigmoid"}, "a little worse", start=""),
    "tanh": Arm("output", {**PRN, **MASK_LOSS}, "a little better", start=""),
    "prn": Arm("stages", {**PRN, **MASK_LOSS}, "5.268"),
    "refiner_frozen": Arm("stages", {**RES, **MASK_LOSS}, "worse than prn", ("refiner",)),
    "refiner_joint": Arm("stages", {**RES, **MASK_LOSS}, "5.104", ("refiner", "all")),
    "refiner_at_once": Arm("stages", {**RES, **MASK_LOSS}),
    "prn_l1": Arm("loss, prn", {**PRN, **PLAIN_LOSS}, "6.377"),
    "prn_l1_k": Arm("loss, prn", {**PRN, **PLAIN_LOSS, **SYMMETRY}, "5.867"),
    "prn_l1_s": Arm("loss, prn", {**PRN, **PLAIN_LOSS, **SMOOTHNESS}, "5.567"),
    "prn_l1_k_s": Arm("loss, prn", {**PRN, **PLAIN_LOSS, **SYMMETRY, **SMOOTHNESS}, "5.592"),
    "prn_mask": Arm("loss, prn", {**PRN, **MASK_LOSS}, "5.255"),
    "prn_edges": Arm("loss, prn", {**PRN, **MASK_LOSS, "loss.edges": 0.1}),
    "prn_normals": Arm("loss, prn", {**PRN, **MASK_LOSS, "loss.normals": 0.01}),
    "res_l1": Arm("loss, prn_res", {**RES, **PLAIN_LOSS}, "4.435"),
    "res_l1_k": Arm("loss, prn_res", {**RES, **PLAIN_LOSS, **SYMMETRY}, "4.256"),
    "res_l1_s": Arm("loss, prn_res", {**RES, **PLAIN_LOSS, **SMOOTHNESS}, "4.121"),
    "res_l1_k_s": Arm("loss, prn_res", {**RES, **PLAIN_LOSS, **SYMMETRY, **SMOOTHNESS}, "3.911"),
    "res_mask": Arm("loss, prn_res", {**RES, **MASK_LOSS}, "3.912"),
    "one_view": Arm("views", {**PRN, **MASK_LOSS}),
    "two_views": Arm("views", {**PRN, **MASK_LOSS, "model.views": 2}),
}
"""Zhou's figures: sections 4.3 and 4.5, and table 4.1 (mesh NME on AFLW2000-3D, but for the first two)."""


def main(argv: list[str] | None = None) -> int:
    """Trains what is missing, measures all arms, writes the results; 0.

    Raises:
        UserError: an arm that is none, or no shards.
    """
    import tyro
    from rich.console import Console

    options = tyro.cli(Options, args=argv, prog="python benchmarks/ablation_zhou2021.py")
    training_convolutions()
    wrong = set(options.only) - set(ARMS)
    if wrong:
        raise UserError(f"There is no arm {sorted(wrong)[0]!r}; choose from {', '.join(ARMS)}.")
    names = [name for name in ARMS if name in options.only or not options.only]
    console, results, meshes = Console(highlight=False), {}, {}
    measured: dict[Path, tuple[dict[str, float], np.ndarray]] = {}
    for number, name in enumerate(names, start=1):
        console.print(f"arm {number} of {len(names)}: {name}")
        folder = train_arm(name, options)
        if folder not in measured:  # some arms stand in several tables
            measured[folder] = measure(folder, options)
        results[name], meshes[name] = measured[folder]
        write(results, options)
    draw(meshes, options.out / "meshes.png")
    console.print((options.out / "table.md").read_text(encoding="utf-8"), markup=False)
    return 0


def config_of(arm: Arm, folder: Path, stage: str, before: str, options: Options) -> Config:
    """The configuration of a stage of an arm."""
    from tfface.config import Config, override

    steps = max(1, (options.steps if arm.start else options.first_steps) // len(arm.stages))
    base = {
        "model": {"views": 1, "width": options.width, "decoder_width": options.width},
        "data": {"records": options.records, "batch": options.batch, "shuffle": 256, "validation_size": options.faces},
        "augment": {"rotation_deg": 45.0, "scale": [0.7, 1.3], "shift": 0.1},
        "optim": {"learning_rate": 1e-3, "epochs": 1, "schedule": "cosine", "ema": 0.0, "clipnorm": 5.0},
        "run": {"out": str(folder), "init": before, "device": "cpu", "tensorboard": False, "pictures": 0},
    }
    learns = {"optim.learns": "refiner"} if stage == "refiner" else {}
    config = override(override(Config(), {"model.name": arm.changes["model.name"]}), base)
    tail = {"model.image_size": options.size, "model.map_size": options.size, "data.steps_per_epoch": steps}
    return override(config, {"model.output": "tanh", **arm.changes, **tail, **learns})


def train_arm(name: str, options: Options) -> Path:
    """Trains the arm that `name` begins with and its own stages, or what is left of them; the last stage's folder."""
    import io

    from rich.console import Console

    from tfface.training import position_map

    arm = ARMS[name]
    same = next(other for other, it in ARMS.items() if _what_is_trained(it) == _what_is_trained(arm))
    before = str(train_arm(arm.start, options)) if arm.start else ""
    for number, stage in enumerate(arm.stages, start=1):
        folder = options.out / same / f"{number}_{stage}"
        position_map.train(config_of(arm, folder, stage, before, options), console=Console(file=io.StringIO()))
        before = str(folder)
    return Path(before)


def _what_is_trained(arm: Arm) -> tuple[Any, ...]:
    """Equal for arms that stand in several tables and are one network."""
    return arm.changes, arm.stages, arm.start


def measure(folder: Path, options: Options) -> tuple[dict[str, float], np.ndarray]:
    """Figures of a trained arm on held-out faces, as they come and turned, and three of their meshes in pixels."""
    import numpy as np

    from tfface import config as configuration
    from tfface import models
    from tfface.data.pipeline.datasets import make_datasets
    from tfface.face.open_model import load_open_face
    from tfface.face.position_map import PositionMap
    from tfface.metrics.smoothness import dihedral_cosines, share_within
    from tfface.models.layers import maps
    from tfface.models.weights import presets

    config = configuration.load(folder / "config.yaml")
    model = models.build(config.model)
    presets.load_weights(model, folder / "best.weights.h5")
    topology, face = PositionMap(load_open_face(), options.size), load_open_face()
    figures: dict[str, float] = {}
    for suffix, turned in (("", False), (" turned", True)):
        images, truth = held_out(config, make_datasets, turned, options)
        predicted = np.asarray(maps.to_pixels(_answers(model, images), config.model.output), np.float32)
        figures |= {f"{key}{suffix}": value for key, value in errors(topology, truth, predicted).items()}
        if not turned:
            vertices, true = topology.to_vertices(predicted[:8]), topology.to_vertices(truth[:8])
            triangles = face_triangles(face)
            figures["smooth"] = float(np.mean([share_within(dihedral_cosines(v, triangles)) for v in vertices]))
            figures["smooth truth"] = float(np.mean([share_within(dihedral_cosines(v, triangles)) for v in true]))
    figures["parameters"] = float(model.count_params())
    return figures, vertices[:3]


def face_triangles(face: OpenFace) -> np.ndarray:
    """Those without a corner on the neck or behind, where these losses have no weight."""
    import numpy as np

    triangles = face.face(2).triangles
    return triangles[np.all(face.regions[triangles] > 0, axis=1)]


def held_out(config: Config, make: Callable[..., Any], turned: bool, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and maps in pixels; `turned` by a fixed series of rotations about the crop's middle."""
    import numpy as np

    from tfface.data.pipeline.augment import warp_picture
    from tfface.data.pipeline.maps import transform_maps
    from tfface.geometry.align import crop_transform

    images, truth = (array.numpy() for array in next(iter(make(config)[1].unbatch().batch(options.faces))))
    if not turned:
        return images, truth
    rolls = np.radians(np.resize([-45, -30, -15, 15, 30, 45], len(images)))
    moves = np.stack([crop_transform((0, 0, 256, 256), 256, roll) for roll in rolls])
    scaled = moves.copy()  # pictures have `size` pixels, the transforms speak of 256
    scaled[:, :, :2] *= 256 / options.size
    pairs = zip(images, scaled, strict=True)
    views = [
        np.concatenate([warp_picture(part, move, options.size) for part in split(image)], 2) for image, move in pairs
    ]
    return np.stack(views), transform_maps(truth, moves.astype(np.float32))


def split(image: np.ndarray) -> list[np.ndarray]:
    """The views of `[S,S,3*views]`."""
    import numpy as np

    return [np.ascontiguousarray(part) for part in np.split(image, image.shape[2] // 3, axis=2)]


def errors(topology: Any, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Percent of sqrt(width * height) of the true landmarks' box."""
    import numpy as np

    true, found = topology.landmarks(truth)[..., :2], topology.landmarks(predicted)[..., :2]
    side = np.sqrt(np.prod(np.ptp(true, axis=1), axis=-1))
    face = topology.weight_mask((1, 1, 1, 0)) > 0
    dense = np.linalg.norm(predicted - truth[..., :3], axis=-1)[:, face].mean(1)
    landmarks = np.linalg.norm(found - true, axis=-1).mean(1)
    return {"nme68": float(100 * (landmarks / side).mean()), "nme_face": float(100 * (dense / side).mean())}


def _answers(model: keras.Model, images: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.concatenate(
        [np.asarray(model(images[i : i + 16], training=False))[..., -3:] for i in range(0, len(images), 16)]
    )


COLUMNS = ("nme68", "nme_face", "nme68 turned", "nme_face turned", "smooth")


def write(results: dict[str, dict[str, float]], options: Options) -> None:
    """`results.json` and `table.md`."""
    from tfface.io.files import write_text

    steps = f"{options.first_steps} steps of {options.batch} from random weights, or {options.steps} from `{FIRST}`"
    lines = [f"{steps}; {options.size} px, width {options.width}.", ""]
    lines += [f"| table | arm | Zhou 2021 | {' | '.join(COLUMNS)} |", "| --- " * (3 + len(COLUMNS)) + "|"]
    for name, figures in results.items():
        numbers = " | ".join(f"{figures[key]:.3f}" for key in COLUMNS)
        lines.append(f"| {ARMS[name].group} | {name} | {ARMS[name].seed or '-'} | {numbers} |")
    truth = next(iter(results.values()))["smooth truth"]
    lines += ["", f"smooth of the true maps at this size: {truth:.3f}", ""]
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "results.json", json.dumps(results, indent=1))
    write_text(options.out / "table.md", "\n".join(lines))


def draw(meshes: dict[str, np.ndarray], path: Path) -> None:
    """Three faces from every arm, a row an arm, shaded."""
    from tfface.face.open_model import load_open_face
    from tfface.io.image import write_image
    from tfface.result import reference_pose
    from tfface.viz.overlay import turned_view
    from tfface.viz.sheet import contact_sheet

    triangles = face_triangles(load_open_face())
    cells, captions = [], []
    for name, vertices in meshes.items():
        for points in vertices:
            cells.append(turned_view(reference_pose(points).to_face_frame(points), triangles, 320))
            captions.append(name)
    write_image(path, contact_sheet(cells, captions, 3, 320))


if __name__ == "__main__":
    sys.exit(run(main))
