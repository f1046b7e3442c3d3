"""Books, trades and bars for the lake out of recorded sessions, through the live client's own code."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from gal_friday_adapters.kraken.client import KrakenClient
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.sessions.bars import agreement, whole_bars
from gal_friday_adapters.sessions.collector import EventCollector, Precision
from gal_friday_adapters.sessions.kraken_session import VENUE, kraken_session
from gal_friday_adapters.sessions.market_lake import MarketLake
from gal_friday_adapters.sessions.reader import Damage, Session
from gal_friday_adapters.sessions.session_time import StillClock
from gal_friday_adapters.sessions.survey import Survey, survey
from gal_friday_core.candles import Candles, Series
from gal_friday_core.errors import DataError
from gal_friday_core.market_events import MarketEvents, concatenate
from gal_friday_core.times import DAY_NS, to_iso


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """What one session gave. `bars_agreed` of `bars_compared` equal the bar that the exchange itself sent.

    `changed`: whether anything in the lake is different now.
    """

    session: str
    first: str
    last: str
    messages: int
    connections: int
    dropped: int
    pairs: list[str]
    unlisted: list[str]
    damage: list[Damage] = field(default_factory=list)
    book_updates: int = 0
    trades: int = 0
    checksum_failures: int = 0
    invalid: int = 0
    gaps: int = 0
    bars: int = 0
    bars_compared: int = 0
    bars_agreed: int = 0
    changed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"damage": [str(item) for item in self.damage]}


def events_of(session: Session, *, interval: str = "1m") -> dict[str, MarketEvents]:
    """Everything the engine would have been told of each pair, in memory: for short sessions."""
    parts: dict[str, list[MarketEvents]] = {}
    _play(session, survey(session), interval, lambda events: parts.setdefault(events.pair, []).append(events))
    return {pair: concatenate(found) for pair, found in parts.items()}


def rebuild(path: Path, lake: MarketLake, candles: CandleLake, *, interval: str = "1m") -> Rebuilt:
    """Store what a session holds; a second time changes nothing.

    Raises DataError where nothing in it can be read, StorageError where the disk refuses.
    """
    session = Session(path)
    found = survey(session)
    if not found.messages:
        raise DataError(f"{path}: no message in it; {len(session.damage)} lines could not be read")
    result = Rebuilt(
        session=path.name,
        first=to_iso(found.first_ns),
        last=to_iso(found.last_ns),
        messages=found.messages,
        connections=found.connections,
        dropped=found.dropped,
        pairs=found.usable,
        unlisted=found.unlisted,
    )
    days: dict[str, set[str]] = {}

    def take(events: MarketEvents) -> None:
        result.changed |= lake.write(events)
        touched = np.unique(events.ts // DAY_NS).tolist()
        # A trade told late, or a bar that reaches over midnight, belongs to a neighbour.
        days.setdefault(events.pair, set()).update(
            to_iso((day + step) * DAY_NS)[:10] for day in touched for step in (-1, 0, 1)
        )

    sink, client = _play(session, found, interval, take)
    result.damage = session.damage
    result.checksum_failures = client.counts.checksum_failures
    result.book_updates, result.trades = sink.updates, sink.trades
    result.invalid, result.gaps = sink.invalid, sink.gaps
    for pair, touched in days.items():
        trades = lake.trades(VENUE, pair, sorted(touched))
        bars = whole_bars(Series(VENUE, pair, interval), trades) if trades else None
        if bars is not None:
            _add_bars(bars, candles, sink, result)
    return result


def _play(
    session: Session, found: Survey, interval: str, take: Callable[[MarketEvents], None]
) -> tuple[EventCollector, KrakenClient]:
    clock = StillClock()
    feed = kraken_session(session, found, clock, interval=interval)
    client = feed.feed
    assert isinstance(client, KrakenClient)
    sink = EventCollector(VENUE, clock, lambda pair: _precision(client, pair), take)
    asyncio.run(feed.run(sink))
    sink.finish()
    return sink, client


def _add_bars(bars: Candles, candles: CandleLake, sink: EventCollector, result: Rebuilt) -> None:
    result.bars += len(bars)
    result.changed |= bool(candles.write(bars).months)
    sent = (bar for bar in sink.candles if bar.trading_pair == bars.series.pair)
    compared, agreed = agreement(bars, sent)
    result.bars_compared += compared
    result.bars_agreed += agreed


def _precision(client: KrakenClient, pair: str) -> Precision:
    instrument = client.instruments[pair]
    return Precision(instrument.price_precision, instrument.qty_precision)
