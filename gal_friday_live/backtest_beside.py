"""Another model over the bars of a backtest, under the same costs and limits: what the backtest is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.lake import CandleLake
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.presets import trading
from gal_friday_core.strategies.registry import factory
from gal_friday_core.tearsheet.deflation import Tried
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.prediction_service import ModelOverride

ASKS_A_MODEL = "threshold"
"""The strategy that another model trades by where the configured one asks none."""


@dataclass(frozen=True, eq=False, slots=True)
class Beside:
    """Daily `returns` (days,), the equity `curve` as reports have it, and `notes` on them, such as that some of the bars
    were learnt from.
    """

    name: str
    returns: NDArray[np.float64]
    notes: tuple[str, ...]
    curve: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, name: str, report: Mapping[str, Any]) -> "Beside":
        """A run as another one is compared with it."""
        notes = tuple(f"Compared with {name}. {note}" for note in report["notes"])
        curve = tuple((moment, equity) for moment, equity in report["equity_curve"])
        return cls(name, np.array(report["daily_returns"]), notes, curve)

    def joined(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """The report of the run that was compared with this one, with this one's curve and notes."""
        beside = {"name": self.name, "equity_curve": [list(point) for point in self.curve]}
        return {**report, "notes": [*report["notes"], *self.notes], "beside": beside}


def beside(
    manager: ConfigurationManager,
    lake: CandleLake,
    predictor: Predictor,
    span: tuple[datetime, datetime],
    capital: Decimal,
) -> Beside:
    """Trade the same bars with it. Raises ConfigError for a model of another series than the backtest's, DataError without bars."""
    tester = BacktestingEngine(for_a_model(manager), lake=lake, predictor=predictor)
    return Beside.of(predictor.model_id, tester.run_backtest(*span, capital))


def for_a_model(manager: ConfigurationManager) -> ConfigurationManager:
    """The same settings for a strategy that asks a model: the configured one, where it does."""
    config = manager.config
    if factory(config.strategy.id)(config, config.barriers).rule is None:
        return manager
    return ConfigurationManager.from_config(trading(config, ASKS_A_MODEL))


def run_beside(
    manager: ConfigurationManager,
    lake: CandleLake,
    predictor: Predictor,
    incumbent: Predictor | None,
    *,
    span: tuple[datetime, datetime],
    capital: Decimal,
    override: ModelOverride | None = None,
    tried: Tried | None = None,
) -> dict[str, Any]:
    """The report of a model, beside an incumbent where there is one. Raises as `beside`."""
    other = beside(manager, lake, incumbent, span, capital) if incumbent is not None else None
    engine = BacktestingEngine(
        manager, lake=lake, predictor=predictor, override=override, tried=tried,
        others={other.name: other.returns} if other else None,
    )  # fmt: skip
    report = engine.run_backtest(*span, capital)
    return other.joined(report) if other else report
