"""An account in the journal compared with the exchange, from outside the engine: a key of its own, and nothing but questions.

`AccountAudit.run` reads both sides, the exchange first, so that what arrives meanwhile is known here. What is on its way looks like
a difference for a moment; only one that several readings in a row show the same is told.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import msgspec

from gal_friday_adapters.postgres.account_records import AccountRecords
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.session_records import Row
from gal_friday_core.account import FillFacts, Flow, OrderFacts
from gal_friday_core.account_audit import Answers, Audit, BookedFill, Finding, OurBooks, audit
from gal_friday_core.blotter import EXTERNAL, Blotter
from gal_friday_core.brackets import Brackets
from gal_friday_core.candles import Series
from gal_friday_core.config import ReconciliationConfig
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import ZERO
from gal_friday_core.portfolio_records import FILL
from gal_friday_core.ports import Clock
from gal_friday_core.reconciliation import OurOrder
from gal_friday_core.statement_books import OPENING, Books
from gal_friday_core.statement_lines import Booking
from gal_friday_core.times import DAY_NS, SECOND_NS
from gal_friday_live.account_reader import our_order
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.order_recovery import recover_orders

Answer = TypeVar("Answer")


class AccountQueries(Protocol):
    """All that an audit may ask of an exchange (`KrakenRest`): nothing here changes anything."""

    async def balances(self) -> Mapping[str, Decimal]: ...

    async def open_orders(self) -> Sequence[OrderFacts]: ...

    async def find(self, client_order_id: str) -> OrderFacts | None: ...

    async def query_orders(self, order_ids: Sequence[str]) -> Sequence[OrderFacts]: ...

    async def fills(self, since_ns: int) -> Sequence[FillFacts]: ...

    async def flows(self, since_ns: int) -> Sequence[Flow]: ...

    async def instruments(self) -> Mapping[str, Instrument]: ...


class JournalledAccount:
    """Our side: the books of a session as its journal has them now."""

    def __init__(self, database: Database, row: Row) -> None:
        self._database = database
        self._row = row
        self._records = AccountRecords(database)

    async def books(self) -> OurBooks:
        """Raises StorageError where the journal cannot be read."""
        session, quote = str(self._row["session"]), str(self._row["quote"])
        blotter, brackets = Blotter(), Brackets()
        # Orders first: a fill that is journalled between the two is booked with its order still open, and the next reading knows.
        await recover_orders(
            PostgresJournal(self._database, session, SimulatedClock(self._row["last_ns"])),
            blotter=blotter, brackets=brackets,
        )  # fmt: skip
        bookings = await self._records.bookings(session)
        books = Books(quote)
        for booking in bookings:
            books.take(booking.record)
        balances = _balances(books, bookings, self._row)
        held = {pair: brackets.get(pair) for pair in brackets.pairs()}
        return OurBooks(
            quote=quote,
            opened_ns=bookings[0].ts_ns,
            orders=tuple(our_order(record) for record in blotter.open()),
            fills=tuple(_fill(booking) for booking in bookings if booking.kind == FILL),
            flows=tuple(_flow(booking) for booking in bookings if booking.kind != FILL),
            balances=balances,
            protected={
                pair: min(bracket.quantity, balances.get(pair.partition("/")[0], ZERO))
                for pair, bracket in held.items()
                if bracket is not None and bracket.stop is not None
            },
        )


class AccountAudit:
    """`books` gives our side anew at each call, `pause` waits so many seconds between two readings."""

    def __init__(
        self,
        exchange: AccountQueries,
        books: Callable[[], Awaitable[OurBooks]],
        settings: ReconciliationConfig,
        clock: Clock,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._exchange = exchange
        self._books = books
        self._settings = settings
        self._clock = clock
        self._pause = pause

    async def run(self) -> Audit:
        """Read until nothing differs, or what differs has stayed the same for `confirmations` readings. Raises StorageError."""
        seen: Counter[tuple[str | None, ...]] = Counter()
        found = await self._read(seen)
        for _ in range(self._settings.readings - 1):
            if found.verdict == "AGREES" or self._is_settled(found, seen):
                break
            await self._pause(self._settings.pause_s)
            found = await self._read(seen)
        return self._told(found, seen)

    def _is_settled(self, found: Audit, seen: Counter[tuple[str | None, ...]]) -> bool:
        return not found.unknown and all(self._proven(one, seen) for one in found.findings)

    def _proven(self, found: Finding, seen: Counter[tuple[str | None, ...]]) -> bool:
        return seen[found.signature] >= self._settings.confirmations

    def _told(self, found: Audit, seen: Counter[tuple[str | None, ...]]) -> Audit:
        """What is proven; that the rest would not keep still is an unknown of its own."""
        proven = tuple(one for one in found.findings if self._proven(one, seen))
        moving = [one.text for one in found.findings if one not in proven]
        unknown = dict(found.unknown)
        if moving:
            unknown["moving"] = f"changed while it was read: {'; '.join(moving)}"
        return msgspec.structs.replace(found, findings=proven, unknown=unknown)

    async def _read(self, seen: Counter[tuple[str | None, ...]]) -> Audit:
        """One reading. What it no longer shows, or shows otherwise, begins anew."""
        known = await self._books()
        answers = await self._ask(known)
        settings = self._settings
        found = audit(
            await self._books(), answers, young_ns=int(settings.order_margin_s * SECOND_NS),
            known_assets=frozenset(settings.other_assets),
        )  # fmt: skip
        now = {one.signature: seen[one.signature] + 1 for one in found.findings}
        seen.clear()
        seen.update(now)
        return found

    async def _ask(self, ours: OurBooks) -> Answers:
        """Each question by itself: one that fails leaves its answer unknown, and the others known."""
        exchange, failures = self._exchange, dict[str, str]()
        read_ns = self._clock.now_ns()
        since_ns = max(ours.opened_ns, read_ns - self._settings.audit_days * DAY_NS)
        orders = await _asked("open_orders", exchange.open_orders(), failures)
        found = None
        if orders is not None:
            found = await _asked("orders", self._fates(ours, orders), failures)
        fills = await _asked("fills", exchange.fills(since_ns), failures)
        flows = await _asked("flows", exchange.flows(since_ns), failures)
        balances = await _asked("balances", exchange.balances(), failures)
        listed = await _asked("instruments", exchange.instruments(), failures)
        return Answers(
            read_ns=read_ns, since_ns=since_ns, found=found, failures=failures,
            open_orders=None if orders is None else tuple(orders),
            fills=None if fills is None else tuple(fills),
            flows=None if flows is None else tuple(flows),
            balances=None if balances is None else dict(balances),
            smallest=None if listed is None else {pair: one.min_quantity for pair, one in listed.items()},
        )  # fmt: skip

    async def _fates(self, ours: OurBooks, listed: Sequence[OrderFacts]) -> dict[str, OrderFacts | None]:
        """What became of our open orders that the exchange did not list."""
        named = {facts.client_order_id for facts in listed} | {facts.exchange_order_id for facts in listed}
        return {
            order.client_order_id: await self._fate(order)
            for order in ours.orders
            if order.client_order_id not in named and order.exchange_order_id not in named
            and not order.client_order_id.startswith(EXTERNAL)
        }  # fmt: skip

    async def _fate(self, order: OurOrder) -> OrderFacts | None:
        """By the exchange's name where it is known: what it made for an entry has none of ours."""
        if order.exchange_order_id is None:
            return await self._exchange.find(order.client_order_id)
        try:
            return next(iter(await self._exchange.query_orders([order.exchange_order_id])), None)
        except ExchangeError as error:
            if error.code != "UNKNOWN_ORDER":
                raise
        return None


async def _asked(name: str, question: Awaitable[Answer], failures: dict[str, str]) -> Answer | None:
    try:
        return await question
    except (ExchangeError, OutcomeUnknownError, TimeoutError, OSError) as error:
        failures[name] = " ".join(str(error).split()) or type(error).__name__
        return None


def _balances(books: Books, bookings: Sequence[Booking], row: Row) -> dict[str, Decimal]:
    """What of each asset the account must hold: traded pairs' bases included, and coins that still wait for a price."""
    run: Mapping[str, Any] = row["run"] or {}
    bases = [Series.parse(key).pair.partition("/")[0] for key in run.get("series") or ()]
    traded = [pair.partition("/")[0] for pair in books.positions]
    taken_over = {
        asset: amount for one in bookings for asset, amount in one.record.get("opening", {}).items()
    }
    held = {asset: books.amount(asset) for asset in (books.quote, *bases, *traded, *taken_over)}
    booked = {booking.key for booking in bookings}
    for asset, amount in taken_over.items():
        if OPENING + asset not in booked:
            held[asset] += Decimal(amount)
    return held


def _fill(booking: Booking) -> BookedFill:
    record, told = booking.record, booking.report or {}
    cost = told.get("last_cost")
    return BookedFill(
        execution_id=booking.key, client_order_id=record["client_order_id"], trading_pair=record["pair"],
        side=record["side"], quantity=Decimal(record["quantity"]), price=Decimal(record["price"]),
        fee=Decimal(record["fee"] or 0), fee_asset=record["fee_asset"], timestamp=booking.ts_ns,
        cost=None if cost is None else Decimal(cost),
    )  # fmt: skip


def _flow(booking: Booking) -> Flow:
    record = booking.record
    return Flow(
        flow_id=booking.key, kind=record["kind"], asset=record["asset"], amount=Decimal(record["amount"]),
        timestamp=booking.ts_ns,
    )  # fmt: skip
