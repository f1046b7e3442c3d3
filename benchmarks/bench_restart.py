"""Restart: an account's orders, positions and cash read back from a real PostgreSQL journal, to trading-ready.

    python benchmarks/bench_restart.py [EVENTS] [OPEN_ORDERS]

Writes a journal of EVENTS lines (100,000) of which OPEN_ORDERS orders (1,000) are still open, then reads it
back as a starting engine does: portfolio, blotter, brackets. Prints the medians of five starts, once for a
journal as trading fills it (predictions and signals included) and once for one of nothing but orders, reports
and fills; then what an approved signal takes on its way to the exchange, the journal in memory.
"""

import asyncio
import gc
import statistics
import sys
import tempfile
import time
import uuid
from decimal import Decimal
from pathlib import Path

import msgspec

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.blotter import Blotter
from gal_friday_core.brackets import Brackets
from gal_friday_core.config import Config
from gal_friday_core.journal import JournalEntry, as_json
from gal_friday_core.orders import Capabilities, Order
from gal_friday_core.payloads import ExecutionReport, TradeSignalApproved
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.ids import SequentialIds, derived
from gal_friday_live.intents import UnknownProvenance, intent_of
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.order_recovery import recover_orders
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.tasks import TaskSupervisor

CONFIG = Config()
PAIR, VENUE = "BTC/USD", "kraken"
START_NS = 1_700_000_000_000_000_000
STARTS = 5
SIGNALS = 2_000
NOTES_A_TRADE = 12
"""Predictions and the like beside the lines of one trade: its two orders, their reports and fills."""


class Account:
    """An exchange that is asked for balances only, and takes every order at once."""

    name = VENUE
    capabilities = Capabilities(
        attached_stop=True, attached_target=False, amends=True, order_types=frozenset({"MARKET", "STOP_LOSS"})
    )

    def __init__(self) -> None:
        self.sent = 0

    def on_report(self, handler) -> None:
        self.handler = handler

    async def balances(self):
        return {"USD": Decimal(1_000_000)}

    async def submit(self, order) -> None:
        del order
        self.sent = time.perf_counter_ns()


def order(number: int, side: str, **changes) -> Order:
    return Order(
        client_order_id=derived("order", str(number), side), signal_id=derived("signal", str(number)),
        trading_pair=PAIR, side=side, order_type="MARKET", quantity=Decimal("0.01"),
        created_at=START_NS + number, **changes,
    )  # fmt: skip


def report(order: Order, status: str, execution: str | None = None) -> ExecutionReport:
    filled = order.quantity if execution else Decimal(0)
    return ExecutionReport(
        signal_id=order.signal_id, client_order_id=order.client_order_id, trading_pair=PAIR, exchange=VENUE,
        exchange_order_id=f"X{order.client_order_id[:12]}", order_status=status, order_type=order.order_type,
        side=order.side, quantity_ordered=order.quantity, quantity_filled=filled,
        timestamp_exchange=order.created_at, stop_price=order.trigger_price, execution_id=execution,
        last_quantity=filled if execution else None, last_price=Decimal("60000.1") if execution else None,
        commission=Decimal("1.56") if execution else None, commission_asset="USD" if execution else None,
    )  # fmt: skip


def trade(number: int) -> list[tuple[Order, list[ExecutionReport]]]:
    """A round trip that has ended."""
    entry = order(number, "BUY", stop_price=Decimal(59_000), target_price=Decimal(62_000))
    leave = order(number, "SELL", reduce_only=True, purpose="EXIT")
    return [
        (one, [report(one, "NEW"), report(one, "FILLED", f"T{number}{one.side}")]) for one in (entry, leave)
    ]


def resting(number: int) -> list[tuple[Order, list[ExecutionReport]]]:
    one = msgspec.structs.replace(
        order(number, "BUY", limit_price=Decimal(50_000), stop_price=Decimal(49_000)), order_type="LIMIT"
    )
    return [(one, [report(one, "NEW")])]


async def history(events: int, still_open: int, notes: int) -> list[JournalEntry]:
    """Lines as the services write them, in order."""
    kept, tasks, clock = MemoryJournal(), TaskSupervisor(), SystemClock()
    bus = PubSubManager(clock, SequentialIds())
    portfolio = PortfolioManager(
        ConfigurationManager.from_config(CONFIG), bus, quote="USD", clock=clock, exchange=Account(),
        writer=JournalWriter(kept, tasks), pairs=[PAIR],
    )  # fmt: skip
    await portfolio.start()
    await tasks.settle()
    number = 0
    while len(kept.entries) < events - 2 * still_open:
        number += 1
        await write(kept, bus, trade(number))
        await tasks.settle()
        for note in range(notes):
            record = {"pair": PAIR, "model_id": "m@v1", "value": 0.6, "features": [0.1] * 50}
            kept.note("PREDICTION", f"{number}:{note}", START_NS + number, record)
    for extra in range(still_open):
        await write(kept, bus, resting(number + 1 + extra))
    return kept.entries


async def write(journal: MemoryJournal, bus: PubSubManager, orders) -> None:
    for one, reports in orders:
        intent = intent_of(one, UnknownProvenance().of(""))
        await journal.append("ORDER_INTENT", one.client_order_id, one.created_at, intent)
        for told in reports:
            key = told.execution_id or f"{told.client_order_id}:{told.order_status}"
            await journal.append(
                "EXECUTION_REPORT", key, told.timestamp_exchange, msgspec.structs.asdict(told)
            )
            await bus.publish("EXECUTION_REPORT", told)


async def store(database: Database, entries: list[JournalEntry]) -> PostgresJournal:
    journal = PostgresJournal(database, str(uuid.uuid4()), SystemClock())
    await journal.begin("live", config_hash="-", code_version="-")
    for number, entry in enumerate(entries):
        journal.note(entry.kind, entry.key, entry.ts_ns, as_json(entry.record))
        if number % 20_000 == 0:
            await journal.flush()
    await journal.flush()
    return journal


async def started(journal: PostgresJournal, still_open: int) -> tuple[float, float]:
    """Seconds for the portfolio, and for the orders."""
    clock, tasks = SystemClock(), TaskSupervisor()
    portfolio = PortfolioManager(
        ConfigurationManager.from_config(CONFIG), PubSubManager(clock, SequentialIds()), quote="USD",
        clock=clock, exchange=Account(), writer=JournalWriter(MemoryJournal(), tasks), pairs=[PAIR],
        journal=journal,
    )  # fmt: skip
    gc.collect()
    begun = time.perf_counter()
    await portfolio.restore()
    booked = time.perf_counter()
    found = await recover_orders(journal, blotter=Blotter(), brackets=Brackets())
    done = time.perf_counter()
    if found.open != still_open:
        raise SystemExit(f"{found.open} open orders were read back, not {still_open}")
    return booked - begun, done - booked


async def path_of_a_signal() -> list[int]:
    """Nanoseconds from the approved signal's publication to the exchange's `submit`."""
    clock, ids, tasks, venue = SystemClock(), SequentialIds(), TaskSupervisor(), Account()
    bus = PubSubManager(clock, ids, spawn=tasks.start)
    journal = NoJournal()
    execution = ExecutionHandler(
        ConfigurationManager.from_config(CONFIG), bus, exchange=venue, journal=journal, clock=clock, ids=ids,
        tasks=tasks, is_halted=lambda: False,
    )  # fmt: skip
    await execution.start()
    taken = []
    for number in range(SIGNALS):
        now = clock.now_ns()
        signal = TradeSignalApproved(
            signal_id=derived("signal", str(number)), trading_pair=PAIR, exchange=VENUE, side="BUY",
            order_type="MARKET", quantity=Decimal("0.01"), risk_parameters={}, reference_price=Decimal(60_000),
            data_timestamp=now, expires_at=now + 10**10, sl_price=Decimal(59_000), tp_price=Decimal(62_000),
        )  # fmt: skip
        begun = time.perf_counter_ns()
        bus.emit("TRADE_SIGNAL_APPROVED", signal)
        taken.append(venue.sent - begun)
        await asyncio.sleep(0)
    return taken


class NoJournal(MemoryJournal):
    """Answers at once and keeps nothing: its time is reported apart."""

    async def append(self, kind, key, ts_ns, record) -> None:
        """Nothing to do."""


async def main(events: int, still_open: int) -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        url = server.url()
        upgrade(url)
        database = Database(url)
        await database.open()
        try:
            for name, notes in (("as traded", NOTES_A_TRADE), ("orders alone", 0)):
                entries = await history(events, still_open, notes)
                journal = await store(database, entries)
                times = [await started(journal, still_open) for _ in range(STARTS)]
                portfolio, orders = (statistics.median(column) for column in zip(*times, strict=True))
                print(
                    f"{name:>12}: {len(entries):,} lines, {still_open:,} open orders: portfolio {portfolio:.2f} s, "
                    f"orders {orders:.2f} s, together {portfolio + orders:.2f} s"
                )
        finally:
            await database.close()
    taken = sorted(await path_of_a_signal())
    p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    print(
        f"approved signal to exchange.submit, journal apart: p50 {p50 / 1000:.1f} µs, p99 {p99 / 1000:.1f} µs"
    )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(given + [100_000, 1_000][len(given) :])))
