"""Backtests of a sweep, in whatever process they run: `run_batch` over points that share a stretch of history.

What does not depend on a point is laid out once a process: the bars, and what the model says of each.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from gal_friday_adapters.shared_data import Shared, mapped, model_files
from gal_friday_adapters.worker_pool import worker_directory
from gal_friday_core.backtest.forecast import Predicted, Served, forecast, predicted
from gal_friday_core.backtest.run import Player, run
from gal_friday_core.backtest.tape import Market, tape_of
from gal_friday_core.candles import Candles
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.registry import factory
from gal_friday_core.sweeps.grid import Point, configured
from gal_friday_core.sweeps.outcome import Outcome, outcome_of, outcome_of_run
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fast_backtest import Trading, why_not
from gal_friday_live.ids import derived
from gal_friday_live.replay_data import Stretch, instrument_of

PRIVATE = {"storage", "alerts", "timeseries"}
"""Sections that hold secrets or places of this machine: no worker is told of them."""


class Job(msgspec.Struct, frozen=True):
    """What all runs share: `config` as JSON, candles by series, models by the series they trade. `before`: bars that
    features and rules are warmed up on.
    """

    config: str
    capital: Decimal
    before: int
    candles: dict[str, Shared]
    models: dict[str, Shared]


class Batch(msgspec.Struct, frozen=True):
    """Points to run over the bars of a series that open in [start_ns, end_ns); `places` are theirs in the grid."""

    series: str
    start_ns: int
    end_ns: int
    places: tuple[int, ...]
    points: tuple[Point, ...]


class Field:
    """A stretch of history, and everything about it that no point changes."""

    def __init__(self, played: Stretch, predictor: Predictor | None) -> None:
        self.played = played
        self.predictor = predictor
        self.market = Market(played.bars, played.history, played.instrument)
        self.tape = tape_of([self.market])
        self._said: Predicted | None = None
        self._why: dict[str, str] = {}

    @property
    def said(self) -> Predicted | None:
        """What the model says of every bar; None without one."""
        if self._said is None and self.predictor is not None:
            self._said = predicted(self.market, self.predictor)
        return self._said

    def why_not(self, config: Config) -> str:
        """Why only the engine can run this; empty where nothing speaks against the fast way."""
        told = ",".join(config.features.sets)
        if told not in self._why:
            self._why[told] = why_not(config, (Trading(self.played, self.predictor),))
        return self._why[told]


def run_batch(job: Job, batch: Batch) -> list[Outcome | str]:
    """What each point gave; as text, why it gave nothing."""
    base = _config(job.config)
    try:
        field = _field(
            job.candles[batch.series], job.models.get(batch.series), batch.start_ns, batch.end_ns, job.before
        )
    except DataError as error:
        return [str(error)] * len(batch.points)
    found = list[Outcome | str]()
    for point in batch.points:
        try:
            found.append(run_point(configured(base, point), field, job.capital))
        except (ConfigError, DataError) as error:
            found.append(str(error))
    return found


def run_point(config: Config, field: Field, capital: Decimal) -> Outcome:
    """One backtest: from event to event where that is possible, else by the engine; the same either way."""
    if field.why_not(config):
        manager = ConfigurationManager.from_config(config)
        engine = BacktestingEngine(manager, predictor=field.predictor, series=field.played.series, exact=True)
        return outcome_of(asyncio.run(engine.run(field.played, capital)), len(field.played.bars))
    model = field.predictor
    served = None if model is None else Served(model, model.entry_threshold)
    strategy = factory(config.strategy.id)(config, config.barriers if served is None else served.barriers)
    seen = forecast(field.market, strategy, served, field.said)
    ran = run(config, [Player(field.market, strategy, served, seen)], capital, derived, field.tape)
    return outcome_of_run(ran)


def cut(candles: Candles, start_ns: int, end_ns: int, before: int) -> Stretch:
    """The bars of [start_ns, end_ns) and the `before` ones that they are warmed up on. Raises DataError where there are none."""
    bars = candles.between(start_ns, end_ns)
    if len(bars) < 2:
        raise DataError(f"{candles.series.key} has {len(bars)} bars in this stretch")
    first = int(candles.ts.searchsorted(bars.ts[0]))
    history = candles[max(first - before, 0) : first]
    return Stretch(candles.series, bars, history, instrument_of(history if len(history) else bars))


def batches(whole: Batch, count: int) -> Sequence[Batch]:
    """The same points in about `count` parts of equal size."""
    size = max(1, -(-len(whole.points) // count))
    return [
        msgspec.structs.replace(
            whole, places=whole.places[first : first + size], points=whole.points[first : first + size]
        )
        for first in range(0, len(whole.points), size)
    ]


def told(config: Config) -> str:
    """The configuration as workers get it."""
    return config.model_dump_json(exclude=PRIVATE)


@lru_cache(maxsize=4)
def _field(shared: Shared, model: Shared | None, start_ns: int, end_ns: int, before: int) -> Field:
    return Field(cut(_candles(shared), start_ns, end_ns, before), _predictor(model) if model else None)


@lru_cache(maxsize=2)
def _config(text: str) -> Config:
    return Config.model_validate_json(text)


@lru_cache(maxsize=16)
def _candles(shared: Shared) -> Candles:
    return mapped(shared, worker_directory())


@lru_cache(maxsize=16)
def _predictor(shared: Shared) -> Predictor:
    model_type, _, version = shared.about.rpartition("@v")
    files = model_files(shared, worker_directory())
    return Predictor.from_files(files, model_id=shared.about, model_type=model_type, version=int(version))
