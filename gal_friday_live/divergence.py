"""Live against the backtest of the same time: both sides put together from what was recorded.

Entry point: `LiveAgainstBacktest`. What is compared is decided in `gal_friday_core.divergence`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.live_records import LiveRecords
from gal_friday_core.candles import Candles, Series
from gal_friday_core.divergence.lived import cut, flat_since, legs_of, lived_of, money_before
from gal_friday_core.divergence.split import Lived, Split, split, together
from gal_friday_core.divergence.trades import Trade, trades_of
from gal_friday_core.errors import DataError
from gal_friday_core.features.drivers import REACH
from gal_friday_core.live_orders import FILL, INTENT
from gal_friday_core.live_parity import compare
from gal_friday_core.live_records import Line, Predictions, Recorded
from gal_friday_core.money import from_float
from gal_friday_core.ports import Models
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.registry import history_bars
from gal_friday_core.times import DAY_NS, to_iso
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.feature_engine import Rows
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.replay_data import Stretch, history_before, instrument_of

BEFORE_NS = 31 * DAY_NS
"""How far back fills are read to know what was held at the start."""
FEWEST_BARS = 2
_BEST = ("live", "paper")
"""Modes of sessions, the most telling first."""


@dataclass(frozen=True, slots=True)
class Diverged:
    """One session while one model traded. `other_bars` differ between lake and what was heard, `other_rows` in features.

    `simulated` and `lived` are the two sides' trades: the backtest on all that live heard, and live.
    """

    session: str
    mode: str
    model_id: str
    start_ns: int
    end_ns: int
    bars: int
    other_bars: int
    other_rows: int
    split: Split
    simulated: tuple[Trade, ...]
    lived: Lived
    mark: Decimal


@dataclass(frozen=True, slots=True)
class _Span:
    """What one model said aloud in one session, unbroken by another, and the bars and rows it was said on."""

    said: Predictions
    recorded: Recorded
    start_ns: int
    end_ns: int

    @property
    def model_id(self) -> str:
        return str(self.said.model_id[0])


class _World:
    """Runs the backtests of one stretch; those that cannot differ run once."""

    def __init__(
        self, config: ConfigurationManager, lake: CandleLake, span: _Span, model: Predictor, cash: Decimal
    ) -> None:
        self._config = config
        self._span = span
        self._model = model
        self._cash = cash
        self.series = span.recorded.bars.series
        interval = self.series.interval_ns
        self._history = history_before(
            lake, self.series, span.start_ns - interval, history_bars(config.config)
        )
        self.lake = lake.read(self.series, span.start_ns - interval, span.end_ns)
        self.heard = span.recorded.bars.between(span.start_ns - interval, span.end_ns)

    async def trades(self, bars: Candles, rows: Rows | None = None) -> list[Trade]:
        """Of a backtest on these bars, as far as they had come at the end."""
        source = self._history if len(self._history) else bars
        played = Stretch(self.series, bars, self._history, instrument_of(source))
        engine = BacktestingEngine(
            self._config, predictor=self._model, series=self.series, override=self._override(), exact=True
        )
        await engine.run(played, self._cash, rows)
        lines = [
            Line(session="backtest", mode="backtest", seq=one.seq, ts_ns=one.ts_ns, kind=one.kind, key=one.key, record=one.record)
            async for one in engine.journal.lines((INTENT, FILL))
        ]  # fmt: skip
        found = (cut(trade, self._span.end_ns) for trade in trades_of(legs_of(lines)))
        return [trade for trade in found if trade is not None]

    def _override(self) -> ModelOverride | None:
        """The threshold that live entered at, where it was not the model's own."""
        threshold = float(self._span.said.threshold[0])
        if np.isnan(threshold) or threshold == self._model.entry_threshold:
            return None
        return ModelOverride(self._model.model_id, "the threshold that live had", threshold)


class LiveAgainstBacktest:
    """Compares by what `records` hold, with the models of a registry and the bars of the lake."""

    def __init__(
        self, config: ConfigurationManager, records: LiveRecords, models: Models, lake: CandleLake
    ) -> None:
        self._config = config
        self._records = records
        self._models = models
        self._lake = lake

    async def between(self, series: Series, start_ns: int, end_ns: int) -> list[Diverged]:
        """Of the session that says most of [start_ns, end_ns), one part a model.

        Raises DataError where nothing was recorded, RegistryError and ArtifactError for a model that cannot be had any more.
        """
        said = await self._records.predictions(series, start_ns, end_ns)
        session = _most_telling(said)
        if session is None:
            raise DataError(
                f"{series.key}: no prediction that could be traded was recorded {_span(start_ns, end_ns)}"
            )
        said = said[said.heard & (said.session == session)]
        lines = await self._records.traded(series, start_ns - BEFORE_NS, end_ns, session)
        recorded = await self._records.features(series, start_ns, end_ns)
        found = []
        for span in _spans(said, [part for part in recorded if part.session == session], lines):
            model = await self._models.by_id(span.model_id)
            if span.recorded.schema_hash == model.schema_hash:
                found.append(await _diverged(self._config, self._lake, span, model, lines))
        if not found:
            raise DataError(
                f"{series.key}: session {session} recorded no bars with its predictions {_span(start_ns, end_ns)}"
            )
        return found


def _span(start_ns: int, end_ns: int) -> str:
    return f"from {to_iso(start_ns)[:10]} to {to_iso(end_ns)[:10]}"


def total(parts: list[Diverged]) -> Split:
    """All parts as one."""
    return together([part.split for part in parts])


async def _diverged(
    config: ConfigurationManager, lake: CandleLake, span: _Span, model: Predictor, lines: list[Line]
) -> Diverged:
    cash = money_before([line for line in lines if line.ts_ns >= span.start_ns])
    world = _World(config, lake, span, model, cash or config.config.paper.initial_cash)
    rows, other_rows = _rows(span.recorded, world, lake)
    other_bars = _other_bars(world.lake, world.heard)
    if not len(world.lake):
        raise DataError(
            f"{world.series.key}: the lake holds no bars of the time that live traded: ingest them"
        )
    backtest = await world.trades(world.lake)
    on_bars = await world.trades(world.heard) if other_bars else backtest
    simulated = await world.trades(world.heard, rows) if other_rows else on_bars
    mark = from_float(world.heard.close[-1])
    lived = lived_of(lines, world.heard, span.start_ns, span.end_ns)
    return Diverged(
        session=str(span.said.session[0]), mode=str(span.said.mode[0]), model_id=span.model_id,
        start_ns=span.start_ns, end_ns=span.end_ns, bars=len(world.heard), other_bars=other_bars, other_rows=other_rows,
        split=split(
            backtest, on_bars, simulated, lived, mark=mark, fee_rate=config.config.costs.taker_fee,
        ),
        simulated=tuple(simulated), lived=lived, mark=mark,
    )  # fmt: skip


def _most_telling(said: Predictions) -> str | None:
    """The session with the most predictions that could be traded, of the most real mode."""
    sessions, counts = np.unique(said.session[said.heard], return_counts=True)
    if not len(sessions):
        return None
    modes = {str(name): str(said.mode[said.session == name][0]) for name in sessions}

    def weight(place: int) -> tuple[int, int]:
        mode = modes[str(sessions[place])]
        return -(_BEST.index(mode) if mode in _BEST else len(_BEST)), int(counts[place])

    return str(sessions[max(range(len(sessions)), key=weight)])


def _spans(said: Predictions, parts: list[Recorded], lines: list[Line]) -> Iterator[_Span]:
    """Runs of one model, from where nothing was held, each with the rows of the schema that covers it."""
    turns = np.flatnonzero(said.model_id[1:] != said.model_id[:-1]) + 1
    for run in np.split(np.arange(len(said)), turns):
        mine = said[run]
        interval = parts[0].bars.series.interval_ns if parts else 1
        start = flat_since(lines, int(mine.t0_ns[0]))
        end = int(mine.t0_ns[-1]) + 1
        for part in parts:
            closes = part.bars.ts + interval
            if start is not None and int(((closes >= start) & (closes < end)).sum()) >= FEWEST_BARS:
                first = int(closes[closes >= start][0])
                yield _Span(mine, part, first, end)


def _rows(recorded: Recorded, world: _World, lake: CandleLake) -> tuple[Rows, int]:
    """Features as they were used, and how many of them the bars that were heard do not give, or nobody can say."""
    interval = world.series.interval_ns
    closes = recorded.bars.ts + interval
    rows = {
        (world.series.pair, recorded.schema_hash, int(close)): recorded.values[row]
        for row, close in enumerate(closes.tolist())
    }
    past = lake.read(
        world.series, int(recorded.bars.ts[0]) - 2 * REACH * interval, int(recorded.bars.ts[-1]) + 1
    )
    found = compare(recorded, past)
    return rows, found.differing + found.unjudged


def _other_bars(lake: Candles, told: Candles) -> int:
    """Bars that only one side has, or that differ in any number."""
    shared, here, there = np.intersect1d(lake.ts, told.ts, assume_unique=True, return_indices=True)
    differs = np.zeros(len(shared), np.bool_)
    for ours, theirs in zip(lake.columns()[1:6], told.columns()[1:6], strict=True):
        differs |= ours[here] != theirs[there]
    return int(differs.sum()) + len(lake) + len(told) - 2 * len(shared)
