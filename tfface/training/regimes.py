"""Which of the regimes a configuration means; only its module is imported, since only some need the renderer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfface.config import Config

if TYPE_CHECKING:
    from tfface.training.checkpoint import RunState


def train(config: Config, **options: Any) -> RunState:
    """Trains as the configuration says.

    Args:
        config: `run.out` must be named.
        options: as `train` of the regime's module takes them.

    Raises:
        UserError: as there.
    """
    state: RunState = import_module(f"tfface.training.{_module(config)}").train(config, **options)
    return state


def _module(config: Config) -> str:
    if config.model.name == "detail":
        return "detail" if config.model.space == "uv" else "detail_in_picture"
    return "staged" if config.run.stages else {"map": "position_map"}.get(config.run.regime, config.run.regime)
