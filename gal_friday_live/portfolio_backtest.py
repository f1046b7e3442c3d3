"""Backtests of several pairs with one portfolio: one cash, one set of limits, bars in the order they close."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.backtest.portfolio import require_one_portfolio
from gal_friday_core.backtest.run import Ran
from gal_friday_core.backtest.summary import summary_of
from gal_friday_core.errors import ConfigError
from gal_friday_core.fidelity_settings import told
from gal_friday_core.predictor import Predictor
from gal_friday_core.tearsheet.deflation import Tried
from gal_friday_core.tearsheet.explanation import explained
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_core.tearsheet.record import RunRecord
from gal_friday_core.tearsheet.sheet import tearsheet
from gal_friday_core.times import to_iso
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine_backtest import play
from gal_friday_live.fast_backtest import Trading, trade, warm, why_not
from gal_friday_live.recorded_replay import with_recorded

ASKED_FOR = "asked for"
"""Why the engine plays bars that the fast way could."""


class PortfolioBacktest:
    """`pairs` in one portfolio, each with the model that trades it, if any.

    With `exact` the engine plays every bar; without, it does so only where the fast way cannot, and the report's `driver`
    says why. `took_s` is how long the last run traded, by the `timer`: without compiling and the report. The report is told
    how many runs this one was chosen from by `tried`, and compared with `others`: daily returns over the same days, by name.
    """

    def __init__(
        self,
        manager: ConfigurationManager,
        pairs: Sequence[Trading],
        *,
        exact: bool = False,
        timer: Callable[[], float] = time.perf_counter,
        tried: Tried | None = None,
        others: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        require_one_portfolio([pair.played.series for pair in pairs])
        self._manager = manager
        config = manager.config
        self._pairs = tuple(replace(pair, played=with_recorded(config, pair.played)) for pair in pairs)
        self._exact = exact
        self._timer = timer
        self._tried, self._others = tried, others
        self._ran: Ran | None = None
        self._cash = Decimal(0)
        self.took_s = 0.0

    @property
    def series(self) -> list[str]:
        """Keys of what is traded."""
        return [pair.played.series.key for pair in self._pairs]

    def run(self, cash: Decimal) -> dict[str, Any]:
        """The report of `core.tearsheet` over all pairs, and the run's summary as `engine`."""
        config, self._cash = self._manager.config, cash
        why = why_not(config, self._pairs) or (ASKED_FOR if self._exact else "")
        if why:
            played = asyncio.run(play(self._manager, self._pairs, cash, self._timer))
            self.took_s = played.took_s
            return self._report(played.summary, played.record, played.models, why)
        for pair in self._pairs[:1]:  # one compiles what all of them call
            warm(config, pair)
        ran = self._fast()
        models = [pair.predictor for pair in self._pairs if pair.predictor is not None]
        return self._report(summary_of(ran), record_of(ran, config.costs), models, "")

    def explain(self, asked: str) -> dict[str, Any]:
        """Why one trade happened: its number in the list of trades, from 1, or its signal's id.

        Raises DataError where there is none, ConfigError where only the engine can run it.
        """
        why = why_not(self._manager.config, self._pairs)
        if why:
            raise ConfigError(f"trades of this run cannot be traced back: {why}")
        return explained(self._ran or self._fast(), self._manager.config.costs, asked)

    def _fast(self) -> Ran:
        begun = self._timer()
        self._ran = ran = trade(self._manager.config, self._pairs, self._cash)
        self.took_s = self._timer() - begun
        return ran

    def _report(
        self, summary: Mapping[str, Any], record: RunRecord, models: Sequence[Predictor], why: str
    ) -> dict[str, Any]:
        config, strategy = self._manager.config, self._manager.config.strategy.id
        sheet = tearsheet(record, confidence=config.gates.confidence, tried=self._tried, others=self._others)
        return {
            **sheet,
            "title": f"Backtest of {strategy} on {len(self._pairs)} pairs with one portfolio",
            "series": self.series,
            "engine": summary,
            "driver": {"name": "engine" if why else "scan", "why": why},
            "notes": _notes(summary, models, int(record.curve.ts[0])),
            "context": {
                "series": ", ".join(self.series),
                "strategy": strategy,
                "models": ", ".join(summary["model_ids"]) or "no model",
                "bars": f"{summary['bars']:,}",
                **{name: str(value) for name, value in config.costs},
                **told(config.fidelity),
            },
        }


def _notes(summary: Mapping[str, Any], models: Sequence[Predictor], start_ns: int) -> list[str]:
    """What a reader must know before the figures."""
    halted = [f"Trading halted: {'; '.join(summary['halt_reasons'])}."] if summary["halted"] else []
    known = [
        f"In sample: {model.model_id} was trained on everything before "
        f"{to_iso(model.metadata.holdout_start_ns)[:16]}."
        for model in models
        if start_ns < model.metadata.holdout_start_ns
    ]
    return [*halted, *known]
