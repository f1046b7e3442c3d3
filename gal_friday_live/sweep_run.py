"""Backtests of a sweep, in whatever process they run: `run_batch` over points that share a stretch of history.

What does not depend on a point is laid out once a process: the bars, and what the model says of each.
"""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from gal_friday_adapters.shared_data import Shared, mapped, model_files
from gal_friday_adapters.worker_pool import worker_directory
from gal_friday_core.backtest.forecast import Predicted, Served, forecast, predicted
from gal_friday_core.backtest.run import Player, run
from gal_friday_core.backtest.tape import tape_of
from gal_friday_core.candles import Candles
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.registry import factory
from gal_friday_core.sweeps.grid import Point, configured
from gal_friday_core.sweeps.outcome import Outcome, outcome_of, outcome_of_run
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fast_backtest import Trading, why_not
from gal_friday_live.ids import derived
from gal_friday_live.replay_data import Stretch, instrument_of

PRIVATE = {"storage", "alerts", "timeseries"}
"""Sections that hold secrets or places of this machine: no worker is told of them."""

PARTS_A_WORKER = 24
"""Parts that a worker's share is cut into, so that progress is seen."""
LAST_PARTS = 4
"""Of what is left each worker gets so many parts: the last ones are single points."""


class Job(msgspec.Struct, frozen=True):
    """What all runs share: `config` as JSON, candles by series, models by the series they trade. `before`: bars that
    features and rules are warmed up on.
    """

    config: str
    capital: Decimal
    before: int
    candles: dict[str, Shared]
    models: dict[str, Shared]


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Points to run over the bars that open in [start_ns, end_ns) of the series `of` one portfolio, which is told as
    `series`; `places` are theirs in the grid.
    """

    series: str
    of: tuple[str, ...]
    start_ns: int
    end_ns: int
    places: tuple[int, ...]
    points: tuple[Point, ...]


class Made(msgspec.Struct, frozen=True):
    """What each point of a batch gave, or as text why it gave nothing; the `process` that ran them, and its CPU seconds."""

    outcomes: tuple[Outcome | str, ...]
    process: str
    work_s: float


class Field:
    """A stretch of history, of one pair or of several with one portfolio, and everything about it that no point changes."""

    def __init__(self, pairs: Sequence[Trading]) -> None:
        self.pairs = tuple(pairs)
        self.markets = tuple(pair.market for pair in self.pairs)
        self.tape = tape_of(self.markets)
        self._said: tuple[Predicted | None, ...] | None = None
        self._why: dict[str, str] = {}

    @property
    def said(self) -> tuple[Predicted | None, ...]:
        """What the model of each pair says of every bar; None without one."""
        if self._said is None:
            self._said = tuple(
                None if pair.predictor is None else predicted(market, pair.predictor)
                for pair, market in zip(self.pairs, self.markets, strict=True)
            )
        return self._said

    def why_not(self, config: Config) -> str:
        """Why only the engine can run this; empty where nothing speaks against the fast way."""
        told = f"{config.features.sets} {config.risk.max_correlated_exposure}"
        if told not in self._why:
            self._why[told] = why_not(config, self.pairs)
        return self._why[told]


def run_batch(job: Job, batch: Batch) -> Made:
    """Run the points of a batch, one after the other."""
    begun = time.thread_time()
    outcomes = tuple(_outcomes(job, batch))
    return Made(outcomes, f"{platform.node()} {os.getpid()}", time.thread_time() - begun)


def _outcomes(job: Job, batch: Batch) -> list[Outcome | str]:
    base = _config(job.config)
    try:
        traded = tuple((job.candles[key], job.models.get(key)) for key in batch.of)
        field = _field(traded, batch.start_ns, batch.end_ns, job.before)
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
        return _by_engine(config, field, capital)
    players = []
    for pair, market, said in zip(field.pairs, field.markets, field.said, strict=True):
        model = pair.predictor
        served = None if model is None else Served(model, model.entry_threshold)
        strategy = factory(config.strategy.id)(config, config.barriers if served is None else served.barriers)
        players.append(Player(market, strategy, served, forecast(market, strategy, served, said)))
    return outcome_of_run(run(config, players, capital, derived, field.tape))


def _by_engine(config: Config, field: Field, capital: Decimal) -> Outcome:
    from gal_friday_live.portfolio_backtest import PortfolioBacktest  # half of what a worker has to import

    manager = ConfigurationManager.from_config(config)
    report = PortfolioBacktest(manager, field.pairs, exact=True).run(capital)
    return outcome_of(report, len(field.tape))


def cut(candles: Candles, start_ns: int, end_ns: int, before: int) -> Stretch:
    """The bars of [start_ns, end_ns) and the `before` ones that they are warmed up on. Raises DataError where there are none."""
    bars = candles.between(start_ns, end_ns)
    if len(bars) < 2:
        raise DataError(f"{candles.series.key} has {len(bars)} bars in this stretch")
    first = int(candles.ts.searchsorted(bars.ts[0]))
    history = candles[max(first - before, 0) : first]
    return Stretch(candles.series, bars, history, instrument_of(history if len(history) else bars))


def parts(wanted: Sequence[Batch], workers: int) -> Iterator[Batch]:
    """The same points in parts that workers can be given: of one batch each, and smaller towards the end.

    So a worker comes back often enough to be heard of, and none is left alone with a long part when the others are done.
    """
    left = sum(len(batch.points) for batch in wanted)
    largest = -(-left // (workers * PARTS_A_WORKER))
    for batch in wanted:
        first = 0
        while first < len(batch.points):
            size = min(largest, -(-left // (workers * LAST_PARTS)))
            end = min(first + size, len(batch.points))
            yield msgspec.structs.replace(
                batch, places=batch.places[first:end], points=batch.points[first:end]
            )
            left -= end - first
            first = end


def told(config: Config) -> str:
    """The configuration as workers get it."""
    return config.model_dump_json(exclude=PRIVATE)


@lru_cache(maxsize=4)
def _field(
    traded: tuple[tuple[Shared, Shared | None], ...], start_ns: int, end_ns: int, before: int
) -> Field:
    """Of several series those that have bars in this stretch. Raises DataError where none has."""
    found, empty = list[Trading](), list[str]()
    for shared, model in traded:
        try:
            played = cut(_candles(shared), start_ns, end_ns, before)
        except DataError as error:
            empty.append(str(error))
            continue
        found.append(Trading(played, _predictor(model) if model else None))
    if not found:
        raise DataError("; ".join(empty))
    return Field(found)


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
