"""Recorded markets: events by hour, trades by day, as Parquet beside the candles.

    <root>/events/venue=kraken/pair=BTC-USD/hour=2024-01-31T12/data.parquet
    <root>/trades/venue=kraken/pair=BTC-USD/day=2024-01-31/data.parquet

Writing the same session again changes nothing. Of two sessions of the same time the later written stands.
"""

from itertools import pairwise

import numpy as np

from gal_friday_adapters.files import files_at
from gal_friday_adapters.locations import Location
from gal_friday_adapters.parquet_store import Table, decoded, described, encoded, read_described, read_tables
from gal_friday_core.errors import DataError
from gal_friday_core.market_events import TRADE, MarketEvents, concatenate, from_table
from gal_friday_core.times import HOUR_NS, to_iso

TRADE_COLUMNS = ("trade_id", "ts", "price", "quantity", "side")


class MarketLake:
    """Events and trades under `root`, a folder or a prefix of a bucket; safe for several processes at once."""

    def __init__(self, root: Location) -> None:
        self.root = root
        self._files = files_at(root)

    def write(self, events: MarketEvents) -> bool:
        """Store events of one session: they replace what was stored of their span. True when a byte changed.

        Raises DataError where time goes back, StorageError where the disk refuses.
        """
        if len(events) and bool((np.diff(events.ts) < 0).any()):
            raise DataError(f"{events.pair}: the time of its events goes back; nothing was stored")
        changed = False
        with self._files.held(f"market_{events.venue}_{events.pair.replace('/', '-')}"):
            for part in _by_hour(events):
                changed |= self._write_hour(part)
            changed |= self._write_trades(events)
        return changed

    def events(
        self, venue: str, pair: str, start_ns: int = 0, end_ns: int = 2**63 - 1
    ) -> MarketEvents | None:
        """Events received in [start_ns, end_ns), in order; None where there are none."""
        hours = [hour for hour in self.hours(venue, pair) if _overlaps(hour, start_ns, end_ns)]
        found = read_described(self._files, [_name("events", venue, pair, f"hour={hour}") for hour in hours])
        if not found:
            return None
        whole = concatenate([from_table(*table) for table in found])
        first, last = np.searchsorted(whole.ts, (start_ns, end_ns), side="left")
        return whole[int(first) : int(last)] if last > first else None

    def hours(self, venue: str, pair: str) -> list[str]:
        """Stored hours as '2024-01-31T12', ascending."""
        return self._keys("events", venue, pair)

    def trades(self, venue: str, pair: str, days: list[str] | None = None) -> Table:
        """Trades of the given days ('2024-01-31'; all, if None) by ascending id, each once.

        `trade_id`, `ts` (the exchange's, ns UTC) and `side` (+1: the buyer took) are whole, `price` and
        `quantity` float64.
        """
        wanted = self.days(venue, pair) if days is None else sorted(set(days) & set(self.days(venue, pair)))
        tables = read_tables(self._files, [_name("trades", venue, pair, f"day={day}") for day in wanted])
        return _union(tables) if tables else {}

    def days(self, venue: str, pair: str) -> list[str]:
        return self._keys("trades", venue, pair)

    def pairs(self, venue: str) -> list[str]:
        folders = self._files.folders(f"events/venue={venue}")
        return sorted(folder.removeprefix("pair=").replace("-", "/") for folder in folders)

    def _write_hour(self, part: MarketEvents) -> bool:
        name = _name("events", part.venue, part.pair, f"hour={to_iso(int(part.ts[0]))[:13]}")

        def spliced(stored: bytes | None) -> bytes:
            known = None if stored is None else from_table(*described(stored, self._files.show(name)))
            merged = part if known is None else _spliced(known, part)
            return encoded(merged.table(), merged.metadata())

        return self._files.change(name, spliced)

    def _write_trades(self, events: MarketEvents) -> bool:
        table = _trades_of(events)
        days = np.array([to_iso(int(ts))[:10] for ts in table["ts"]])
        changed = False
        for day in np.unique(days):
            new = {name: column[days == day] for name, column in table.items()}
            changed |= self._write_day(_name("trades", events.venue, events.pair, f"day={day}"), new)
        return changed

    def _write_day(self, name: str, new: Table) -> bool:
        def joined(stored: bytes | None) -> bytes:
            known = [] if stored is None else [decoded(stored, self._files.show(name))]
            return encoded(_union([*known, new]))

        return self._files.change(name, joined)

    def _keys(self, kind: str, venue: str, pair: str) -> list[str]:
        names = self._files.glob(_name(kind, venue, pair, "*=*"))
        return sorted(name.split("/")[-2].partition("=")[2] for name in names)


def _name(kind: str, venue: str, pair: str, key: str) -> str:
    return f"{kind}/venue={venue}/pair={pair.replace('/', '-')}/{key}/data.parquet"


def _by_hour(events: MarketEvents) -> list[MarketEvents]:
    """Split where the hour of receipt changes."""
    hours = events.ts // HOUR_NS
    turns = [0, *(int(turn) + 1 for turn in np.flatnonzero(hours[1:] != hours[:-1])), len(events)]
    return [events[first:last] for first, last in pairwise(turns) if last > first]


def _spliced(stored: MarketEvents, new: MarketEvents) -> MarketEvents:
    """What is stored before and after the new events, with them in between."""
    first = int(np.searchsorted(stored.ts, new.ts[0], side="left"))
    last = int(np.searchsorted(stored.ts, new.ts[-1], side="right"))
    return concatenate([part for part in (stored[:first], new, stored[last:]) if len(part)])


def _overlaps(hour: str, start_ns: int, end_ns: int) -> bool:
    return to_iso(max(start_ns, 0))[:13] <= hour <= to_iso(min(end_ns, 2**63 - 1))[:13]


def _trades_of(events: MarketEvents) -> Table:
    rows = events.kind == TRADE
    return {
        "trade_id": events.trade_id[rows],
        "ts": events.exchange_ts[rows],
        "price": events.price[rows] / 10.0**events.price_decimals,
        "quantity": events.quantity[rows] / 10.0**events.quantity_decimals,
        "side": events.side[rows],
    }


def _union(tables: list[Table]) -> Table:
    """Joined by ascending id, each id once; a later table's row stands."""
    joined = {name: np.concatenate([table[name] for table in tables]) for name in TRADE_COLUMNS}
    _, last = np.unique(joined["trade_id"][::-1], return_index=True)
    rows = len(joined["trade_id"]) - 1 - last
    return {name: column[rows] for name, column in joined.items()}
