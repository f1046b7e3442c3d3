"""Backtests: what trades live, on stored history, with a simulated clock and exchange (001 §2.10).

The engine itself can play the bars one by one. Where nothing configured needs that, its modules run from event to
event instead (`fast_backtest`), hundreds of times as fast, with the same orders, fills and equity to the last digit.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_core.backtest.run import Ran
from gal_friday_core.backtest.summary import summary_of
from gal_friday_core.candles import Series
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.in_use import lineage
from gal_friday_core.fidelity_settings import told
from gal_friday_core.lookahead import Guards
from gal_friday_core.ports import Models
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.registry import history_bars
from gal_friday_core.tearsheet.deflation import Tried
from gal_friday_core.tearsheet.explanation import explained
from gal_friday_core.tearsheet.of_run import record_of
from gal_friday_core.tearsheet.record import RunRecord
from gal_friday_core.tearsheet.sheet import tearsheet
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.backtest_guards import guards
from gal_friday_live.code_version import code_version
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.engine_backtest import follow
from gal_friday_live.fast_backtest import Trading, trade, warm, why_not
from gal_friday_live.feature_engine import Rows
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.recorded_replay import with_recorded
from gal_friday_live.replay_data import Stretch, stretch
from gal_friday_live.wiring import build

ASKED_FOR = "asked for"
"""Why the engine plays bars that the fast way could."""


@dataclass(frozen=True, slots=True, eq=False)
class _Last:
    """What was traded last, and what became of it where the engine did not play it."""

    trading: Trading
    cash: Decimal
    why_engine: str
    ran: Ran | None = None


class BacktestingEngine:
    """One configuration; each `run_backtest` is a run of its own.

    `predictor` is the model to trade; with `override` it trades under the threshold that names. `series`
    is the configured one by default, or the one that the predictor was trained for. With `exact` the engine plays
    every bar, and leaves its journal in `journal`; without, it does so only where the fast way cannot, and the
    report's `driver` says why. `took_s` is how long the last run
    traded, by the `timer`: without reading bars, compiling and writing the report. The report is told how many
    runs this one was chosen from by `tried`, and compared with `others`: daily returns over the same bars, by name.
    """

    def __init__(
        self,
        config: ConfigurationManager,
        *,
        lake: CandleLake | None = None,
        predictor: Predictor | None = None,
        models: Models | None = None,
        series: Series | None = None,
        override: ModelOverride | None = None,
        exact: bool = False,
        timer: Callable[[], float] = time.perf_counter,
        tried: Tried | None = None,
        others: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        self._config = config
        self._lake = lake or CandleLake(lake_dir(config.config))
        self._why = _why_engine(exact=exact, models=models, predictor=predictor, override=override)
        self._predictor = predictor
        self._models = models or FixedModels(*([predictor] if predictor else []))
        self._series = series or _series(config, predictor)
        if predictor is not None and predictor.model_type != self._series.key:
            raise ConfigError(
                f"model {predictor.model_id} was trained for {predictor.model_type}, not for {self._series.key}"
            )
        self._override = override
        self._timer = timer
        self._tried, self._others = tried, others
        self._last: _Last | None = None
        self.took_s = 0.0
        self.journal = MemoryJournal(keep_notes=False)

    def run_backtest(
        self, start_date: datetime, end_date: datetime, initial_capital: Decimal
    ) -> dict[str, Any]:
        """Trade [start_date, end_date); the report of `core.tearsheet` plus `engine`, the run's summary.

        Dates without a zone are UTC. Raises DataError where no candles are stored for that time.
        """
        before = history_bars(self._config.config)
        played = stretch(self._lake, self._series, _ns(start_date), _ns(end_date), before)
        return asyncio.run(self.run(played, initial_capital))

    async def run(
        self, played: Stretch, initial_capital: Decimal, rows: Rows | None = None
    ) -> dict[str, Any]:
        """The same for bars that are at hand, and features that are not to be computed, inside a running event loop."""
        why = self._why or ("features are given" if rows is not None else "")
        played = with_recorded(self._config.config, played)
        trading = self._trading(played)
        why = why or why_not(self._config.config, (trading,))
        self._last = _Last(trading, initial_capital, why)
        if not why:
            return self._fast(trading, initial_capital)
        curve: list[tuple[int, Decimal]] = [(int(played.bars.ts[0]), initial_capital)]
        engine = self._engine(played, initial_capital, curve, rows)
        costs = self._config.config.costs
        left = await follow(engine, [played], (curve, self.journal), costs, self._timer)
        self.took_s = left.took_s
        return self._report(left.summary, left.record, left.models, why)

    def explain(self, asked: str) -> dict[str, Any]:
        """Why one trade of the last run happened: its number in the list of trades, from 1, or its signal's id.

        Raises DataError where there is none, ConfigError where only the engine can run it.
        """
        last = self._traced()
        ran = last.ran or trade(self._config.config, (last.trading,), last.cash)
        return explained(ran, self._config.config.costs, asked)

    def guard(self) -> Guards:
        """Whether any decision of the last run knew what came after it. Raises as `explain` does."""
        last = self._traced()
        return guards(self._config.config, last.trading, last.cash)

    def _traced(self) -> "_Last":
        if self._last is None:
            raise ConfigError("nothing was traded yet: run the backtest first")
        why = self._last.why_engine
        if why == ASKED_FOR:
            why = why_not(self._config.config, (self._last.trading,))
        if why:
            raise ConfigError(f"trades of this run cannot be traced back: {why}")
        return self._last

    def _trading(self, played: Stretch) -> Trading:
        threshold = None if self._override is None else self._override.entry_threshold
        return Trading(played, self._predictor, threshold)

    def _fast(self, trading: Trading, cash: Decimal) -> dict[str, Any]:
        warm(self._config.config, trading)
        begun = self._timer()
        ran = trade(self._config.config, (trading,), cash)
        self.took_s = self._timer() - begun
        self._last = _Last(trading, cash, "", ran)
        reason = None if self._override is None else self._override.reason
        trades = [] if trading.predictor is None else [trading.predictor]
        record = record_of(ran, self._config.config.costs)
        return self._report(summary_of(ran, override=reason), record, trades, "")

    def _engine(
        self, played: Stretch, initial_capital: Decimal, curve: list[tuple[int, Decimal]], rows: Rows | None
    ) -> Engine:
        settings = self._config.config
        paper = settings.paper.model_copy(update={"initial_cash": initial_capital})
        config = ConfigurationManager.from_config(settings.model_copy(update={"paper": paper}))
        self.journal = MemoryJournal(keep_notes=False)
        ports = replay_ports(
            played,
            self._models,
            self.journal,
            override=self._override,
            ids=SequentialIds(),
            rows=rows,
            code_version=code_version(settings),
            on_bar=lambda close_ns, equity: curve.append((close_ns, equity)),
        )
        return build(config, ports)

    def _report(
        self,
        summary: Mapping[str, Any],
        record: RunRecord,
        models: Sequence[Predictor],
        why_engine: str,
    ) -> dict[str, Any]:
        confidence = self._config.config.gates.confidence
        named, strategy = ", ".join(summary["model_ids"]) or "no model", self._config.config.strategy.id
        return {
            **tearsheet(record, confidence=confidence, tried=self._tried, others=self._others),
            "title": f"Backtest of {named if summary['model_ids'] else strategy}",
            "series": self._series.key,
            "engine": summary,
            "driver": {"name": "engine" if why_engine else "scan", "why": why_engine},
            "notes": [*_notes(summary), *_in_sample(models, int(record.curve.ts[0]))],
            "context": {
                "series": self._series.key,
                "strategy": strategy,
                "model": named,
                "bars": f"{summary['bars']:,}",
                "predictions": f"{summary['predictions']:,}",
                **{name: str(value) for name, value in self._config.config.costs},
                **_from_outside(self._config.config),
                **told(self._config.config.fidelity),
            },
        }


def _why_engine(
    *, exact: bool, models: Models | None, predictor: Predictor | None, override: ModelOverride | None
) -> str:
    """What only the engine can do, whatever the bars; empty where nothing of it was asked for."""
    if exact:
        return ASKED_FOR
    if models is not None:
        return "models may change while it runs"
    if override is not None and (predictor is None or override.model_id != predictor.model_id):
        return f"the override names another model, {override.model_id}"
    return ""


def _from_outside(config: Config) -> dict[str, str]:
    """Whose code decided, where it was not all of this house."""
    told = lineage(config)
    return {"extensions": told} if told else {}


def _notes(summary: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the figures."""
    notes = []
    if summary["override"]:
        notes.append(f"Traded under an override: {summary['override']}.")
    if summary["halted"]:
        notes.append(f"Trading halted: {'; '.join(summary['halt_reasons'])}.")
    return notes


def _in_sample(models: Sequence[Predictor], start_ns: int) -> list[str]:
    """A model knows the history it was trained on: what it earns there says nothing."""
    held_out = {model.model_id: model.metadata.holdout_start_ns for model in models}
    return [
        f"In sample: {name} was trained on everything before {to_iso(moment)[:16]}."
        for name, moment in held_out.items()
        if start_ns < moment
    ]


def _series(config: ConfigurationManager, predictor: Predictor | None) -> Series:
    if predictor is not None:
        return Series.parse(predictor.metadata.series)
    market = config.config.market
    if len(market.pairs) != 1:
        raise ConfigError(f"a backtest runs one series, market.pairs has {len(market.pairs)}: name one")
    return Series(market.exchange, market.pairs[0], market.interval)


def _ns(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = int(aware.timestamp() // 1)
    return whole * SECOND_NS + aware.microsecond * 1_000
