"""Backtests: the very engine that trades, on stored history, with a simulated clock and exchange (001 §2.10)."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import lake_dir
from gal_friday_core.candles import Series
from gal_friday_core.errors import ConfigError
from gal_friday_core.events import Event
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.performance import performance
from gal_friday_core.ports import Models
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.registry import history_bars
from gal_friday_core.times import SECOND_NS, to_iso
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine import Engine
from gal_friday_live.feature_engine import Rows
from gal_friday_live.fixed_models import FixedModels
from gal_friday_live.ids import SequentialIds
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper import replay_ports
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.replay_data import Stretch, stretch
from gal_friday_live.wiring import build


class BacktestingEngine:
    """One configuration; each `run_backtest` is an engine of its own.

    `predictor` is the model to trade; with `override` it trades under the threshold that names. `series`
    is the configured one by default, or the one that the predictor was trained for.
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
    ) -> None:
        self._config = config
        self._lake = lake or CandleLake(lake_dir(config.config))
        self._models = models or FixedModels(*([predictor] if predictor else []))
        self._series = series or _series(config, predictor)
        if predictor is not None and predictor.model_type != self._series.key:
            raise ConfigError(
                f"model {predictor.model_id} was trained for {predictor.model_type}, not for {self._series.key}"
            )
        self._override = override
        self.journal = MemoryJournal(keep_notes=False)

    def run_backtest(
        self, start_date: datetime, end_date: datetime, initial_capital: Decimal
    ) -> dict[str, Any]:
        """Trade [start_date, end_date); the report of `core.performance` plus `engine`, the run's summary.

        Dates without a zone are UTC. Raises DataError where no candles are stored for that time.
        """
        before = history_bars(self._config.config)
        played = stretch(self._lake, self._series, _ns(start_date), _ns(end_date), before)
        return asyncio.run(self.run(played, initial_capital))

    async def run(
        self, played: Stretch, initial_capital: Decimal, rows: Rows | None = None
    ) -> dict[str, Any]:
        """The same for bars that are at hand, and features that are not to be computed, inside a running event loop."""
        curve: list[tuple[int, Decimal]] = [(int(played.bars.ts[0]), initial_capital)]
        fills: list[ExecutionReport] = []
        engine = self._engine(played, initial_capital, curve, rows)

        def keep(event: Event) -> None:
            assert isinstance(event.payload, ExecutionReport)
            if event.payload.execution_id is not None:
                fills.append(event.payload)

        engine.bus.subscribe("EXECUTION_REPORT", keep)
        await engine.start()
        try:
            await engine.run()
        finally:
            await engine.stop()
        return self._report(engine, curve, fills)

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
            on_bar=lambda close_ns, equity: curve.append((close_ns, equity)),
        )
        return build(config, ports)

    def _report(
        self, engine: Engine, curve: list[tuple[int, Decimal]], fills: list[ExecutionReport]
    ) -> dict[str, Any]:
        confidence = self._config.config.gates.confidence
        summary = engine.summary()
        models = ", ".join(summary["model_ids"]) or "no model"
        return {
            **performance(curve, fills, confidence=confidence),
            "title": f"Backtest of {models}",
            "series": self._series.key,
            "engine": summary,
            "notes": [*_notes(summary), *_in_sample(engine, curve[0][0])],
            "context": {
                "series": self._series.key,
                "model": models,
                "bars": f"{summary['bars']:,}",
                "predictions": f"{summary['predictions']:,}",
                **{name: str(value) for name, value in self._config.config.costs},
            },
        }


def _notes(summary: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the figures."""
    notes = []
    if summary["override"]:
        notes.append(f"Traded under an override: {summary['override']}.")
    if summary["halted"]:
        notes.append(f"Trading halted: {'; '.join(summary['halt_reasons'])}.")
    return notes


def _in_sample(engine: Engine, start_ns: int) -> list[str]:
    """A model knows the history it was trained on: what it earns there says nothing."""
    held_out = {
        name: engine.prediction.model(name).predictor.metadata.holdout_start_ns
        for name in engine.prediction.model_ids
    }
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
