"""Training in stages: one command, several runs, each in a folder of its own and resumable by itself.

- `refiner` (Zhou 2021, section 4.2): the brief map alone (a `prn`), then the refiner with that map frozen, then both.
- `transfer` (Lium 2020): one data set, then another at a tenth of the learning rate.

Each stage starts from the best weights of the one before. The same command goes on where it stopped: finished stages
are passed over, a stage under way resumes from its checkpoint.
"""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from tfface import config as configuration
from tfface.config import Config, override
from tfface.training import position_map
from tfface.training.checkpoint import RunState
from tfface.training.position_map import MakeDatasets

TRANSFER_RATE = 0.1


def stages(config: Config) -> list[tuple[str, Config]]:
    """Names and configurations of the stages, in order."""
    if config.run.stages == "transfer":
        rate = config.optim.learning_rate * TRANSFER_RATE
        changes: list[tuple[str, dict[str, object]]] = [
            ("first", {"data.transfer": ""}),
            ("transfer", {"data.records": config.data.transfer, "data.transfer": "", "optim.learning_rate": rate}),
        ]
    else:
        changes = [("refiner", {"optim.learns": "refiner"}), ("joint", {})]
        if not config.run.init:
            changes.insert(0, ("brief", {"model": {"name": "prn", **_without_name(config)}}))
    planned, before = [], config.run.init
    for number, (name, change) in enumerate(changes, start=1):
        folder = str(Path(config.run.out) / f"{number}_{name}")
        planned.append((name, override(config, {**change, "run.stages": "", "run.out": folder, "run.init": before})))
        before = folder
    return planned


def _without_name(config: Config) -> dict[str, object]:
    return {key: value for key, value in configuration.to_dict(config.model).items() if key != "name"}


def train(config: Config, make_datasets: MakeDatasets | None = None, console: Console | None = None) -> RunState:
    """Runs the stages of `config.run.stages`; `run.max_minutes` is the limit of all together.

    Args:
        config, make_datasets, console: as in `tfface.training.position_map.train`.

    Raises:
        UserError: as there.
    """
    console = console or Console()
    Path(config.run.out).mkdir(parents=True, exist_ok=True)
    configuration.save(config, Path(config.run.out) / "config.yaml")
    start, state = time.monotonic(), RunState()
    for name, stage in stages(config):
        console.print(f"Stage {name}: {stage.run.out}")
        if config.run.max_minutes:
            left = config.run.max_minutes - (time.monotonic() - start) / 60
            stage = override(stage, {"run.max_minutes": max(left, 1e-6)})
        state = position_map.train(stage, make_datasets, console)
        if not state.finished:
            break
    return state
