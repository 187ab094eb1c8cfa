"""Stages: each starts from the one before, a frozen part does not move, and a stopped one goes on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

from tests.few_layers import few_layers
from tfface import models
from tfface.config import MODELS, Config, override
from tfface.config.recipes import RECIPES, recipe
from tfface.errors import UserError
from tfface.models.networks import prn_res
from tfface.models.weights import presets
from tfface.training import staged
from tfface.training.checkpoint import read_state

QUIET = Console(file=io.StringIO())
SMALL = {
    "model.name": "prn_res",
    "model.width": 0.05,
    "model.decoder_width": 0.1,
    "model.image_size": 32,
    "model.map_size": 16,
    "optim.epochs": 1,
    "data.steps_per_epoch": 2,
}


@pytest.fixture(autouse=True)
def small_networks() -> Iterator[None]:
    """They compile in a tenth of the time."""
    with few_layers():
        yield


def weights(folder: Path, config: Config) -> dict[str, np.ndarray]:
    model = models.build(config.model)
    presets.load_weights(model, folder / "best.weights.h5")
    return {v.path: np.asarray(v) for v in model.weights}


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_refiner_stages(tiny: ModuleType, tmp_path: Path) -> None:
    base = override(tiny.tiny_config(tmp_path), {**SMALL, "run.stages": "refiner"})
    stopped = staged.train(override(base, {"run.max_minutes": 1e-6}), tiny.make_datasets, QUIET)
    assert not stopped.finished and not (tmp_path / "2_refiner").exists()
    assert staged.train(base, tiny.make_datasets, QUIET).finished
    names, planned = zip(*staged.stages(base), strict=True)
    assert names == ("brief", "refiner", "joint")
    brief, refiner, joint = (weights(Path(stage.run.out), stage) for stage in planned)
    kernel = "stem_conv/kernel"
    np.testing.assert_array_equal(brief[kernel], refiner[kernel])  # frozen
    np.testing.assert_array_equal(brief["stem_bn/moving_mean"], refiner["stem_bn/moving_mean"])
    assert np.abs(joint[kernel] - refiner[kernel]).max() > 0
    out = next(path for path in refiner if path.endswith("refine_out/kernel"))
    assert np.abs(joint[out] - refiner[out]).max() > 0
    steps = [read_state(Path(stage.run.out)).step for stage in planned]  # type: ignore[union-attr]
    before = (tmp_path / "3_joint" / "checkpoint.npz").stat().st_mtime_ns
    staged.train(base, tiny.make_datasets, QUIET)
    assert steps == [2, 2, 2] and (tmp_path / "3_joint" / "checkpoint.npz").stat().st_mtime_ns == before


def test_a_named_brief_network_leaves_its_stage_out(tmp_path: Path) -> None:
    config = override(Config(model=MODELS["prn_res"]), {"run.stages": "refiner", "run.init": "runs/prn"})
    planned = staged.stages(override(config, {"run.out": str(tmp_path)}))
    assert [name for name, _ in planned] == ["refiner", "joint"]
    assert planned[0][1].run.init == "runs/prn" and planned[0][1].optim.learns == "refiner"
    assert planned[1][1].run.init == planned[0][1].run.out


def test_transfer_goes_on_with_other_data_at_a_tenth_of_the_rate() -> None:
    config = override(
        Config(), {"run.stages": "transfer", "data.records": "made", "data.transfer": "real", "run.out": "runs/t"}
    )
    (_, first), (_, second) = staged.stages(config)
    assert (first.data.records, second.data.records) == ("made", "real")
    assert second.optim.learning_rate == pytest.approx(0.1 * first.optim.learning_rate)
    assert second.run.init == first.run.out


def test_wrong_stages_are_told() -> None:
    for wrong in ({"run.stages": "refiner"}, {"run.stages": "transfer"}, {"optim.learns": "refiner"}):
        with pytest.raises(UserError):
            override(Config(), wrong)
    with pytest.raises(UserError, match="zhou2021"):
        recipe("003")


def test_recipes_are_the_published_weights() -> None:
    ratios = {
        name: tuple(getattr(override(Config(), changes).loss, key) for key in ("landmarks", "features", "face", "neck"))
        for name, changes in RECIPES.items()
        if name in ("lium2020", "zhou2021")
    }
    assert ratios == {"lium2020": (16, 4, 3, 0), "zhou2021": (1, 0.4, 0.3, 0)}


def test_prn_res_has_a_layer_to_freeze() -> None:
    model = models.build(override(Config(), SMALL).model)
    assert model.get_layer(prn_res.REFINER).count_params() > 0
