"""Where a world of many hours leaves its past, so that what is left in memory is the engine's.

A world keeps everything for good: the journal, the exchange's orders, fills and ledger, what the invariants know of
each order. Over virtual days that is most of what a process holds. `SpilledLines` keeps the journal on disk, `forget`
lets go of what the exchange's own account and its watchers have no more use for.
"""

import sqlite3
from collections.abc import Iterable
from itertools import takewhile

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.exchange import LAST_FILLS
from gal_friday_core.journal import JournalLine
from gal_friday_core.money import ZERO
from gal_friday_core.times import HOUR_NS
from gal_friday_core.venue.accounts import Account
from gal_friday_core.venue.orders import Execution, VenueOrder
from gal_friday_live.simulation.world import World

KEPT_NS = 2 * HOUR_NS
"""Of the account's history: longer than any engine reads back while it runs."""


class SpilledLines:
    """The journal's lines in a temporary file of SQLite, which is gone with the process."""

    def __init__(self) -> None:
        self._count = 0
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("pragma journal_mode = off")
        self._file.execute("pragma cache_size = -1024")
        self._file.execute(
            "create table line (seq integer primary key, ts_ns integer, kind text, key text, record text)"
        )
        self._file.execute("create unique index of_key on line (kind, key)")

    def __len__(self) -> int:
        return self._count

    def has(self, kind: str, key: str) -> bool:
        found = self._file.execute("select 1 from line where kind = ? and key = ?", (kind, key))
        return found.fetchone() is not None

    def append(self, line: JournalLine) -> None:
        self._count += 1
        row = (line.seq, line.ts_ns, line.kind, line.key, line.record)
        self._file.execute("insert into line values (?, ?, ?, ?, ?)", row)

    def after(self, seq: int) -> Iterable[JournalLine]:
        """Those with a higher number, in their order."""
        rows = self._file.execute("select seq, ts_ns, kind, key, record from line where seq > ?", (seq,))
        return (JournalLine(*row) for row in rows)


def forget(world: World) -> None:
    """Let the exchange and its watchers forget fills that are booked, and orders that ended, long ago."""
    account, before_ns = world.exchange.account(KEY), world.now_ns() - KEPT_NS
    fills = _old_fills(world, account.executions, before_ns)
    world.invariants.forget_fills(fills)
    del account.executions[: len(fills)]
    kept = {fill.order_id for fill in account.executions}
    ended = [order for order in account.orders.values() if _is_over(order, before_ns, kept)]
    for order in ended:
        del account.orders[order.order_id]
    world.invariants.forget_orders(order.asked.cl_ord_id or "" for order in ended)
    old = sum(1 for _ in takewhile(lambda entry: entry.timestamp < before_ns, account.ledger))
    del account.ledger[:old]
    _merge_volume(account, before_ns)


def _old_fills(world: World, fills: list[Execution], before_ns: int) -> list[Execution]:
    """The oldest, up to one that is not booked yet, or may still be told in a snapshot."""
    engine = world.invariants.engine
    if engine is None:
        return []
    booked = engine.portfolio.positions.booked
    most = max(len(fills) - LAST_FILLS, 0)
    return list(
        takewhile(lambda fill: fill.time_ns < before_ns and booked(fill.exec_id, fill.time_ns), fills[:most])
    )


def _is_over(order: VenueOrder, before_ns: int, kept: set[str]) -> bool:
    ended_ns = order.closed_ns
    return ended_ns is not None and ended_ns < before_ns and order.order_id not in kept


def _merge_volume(account: Account, before_ns: int) -> None:
    """Into one entry what was traded before then: it counts for fees for thirty days."""
    traded, amount, last_ns = account.traded, ZERO, 0
    while traded and traded[0][0] < before_ns:
        last_ns, worth = traded.popleft()
        amount += worth
    if amount:
        traded.appendleft((last_ns, amount))
