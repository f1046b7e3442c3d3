"""What must hold at every instant, judged from the exchange's side and the database's: never from the engine's word.

Orders are looked at twice: when their bytes leave the engine, and when the exchange takes them. The names are those
of the promises: P1 one live order a signal, P2 no order without a durable intent, P3 each fill booked once,
P5 nothing that increases risk leaves a halted engine, P6 exposure within its limit, P7 no decision on a market that
is not the exchange's, P10 stops stay.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_core.config import Config
from gal_friday_core.journal import JournalLine
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import TradeSignalApproved
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.orders import Execution, VenueOrder
from gal_friday_core.venue.requests import AddOrder, Front, Request, Response
from gal_friday_live.engine import Engine
from gal_friday_live.simulation.store import Store
from gal_friday_live.simulation.trace import Trace

SLACK = Decimal("1.08")
"""Prices move between a decision and its fills."""
UNDER_WAY_NS = 3 * SECOND_NS
"""How much older than its limit a book may be, for what is on its way."""


class WatchedVenue(Venue):
    """The venue, with somebody who looks at what it takes."""

    accepted: Callable[[AddOrder], None] = staticmethod(lambda _request: None)

    def call(self, account: str, request: Request, now_ns: int, *, front: Front = "rest") -> Response:
        response = super().call(account, request, now_ns, front=front)
        if isinstance(request, AddOrder) and response.error is None and not request.validate:
            self.accepted(request)
        return response


class WatchedExchange(Exchange):
    """The exchange, with somebody who remembers its books."""

    advanced: Callable[[], None] = staticmethod(lambda: None)

    def advance(self) -> None:
        super().advance()
        self.advanced()


@dataclass(frozen=True, slots=True)
class Violation:
    promise: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.text}"


class Invariants:
    """Collects violations; `engine` is that of the present life, None between two."""

    def __init__(
        self, exchange: Exchange, store: Store, config: Config, *, now_ns: Callable[[], int], trace: Trace
    ) -> None:
        self.violations: list[Violation] = []
        self.engine: Engine | None = None
        self.accepted_orders = 0
        self.external: set[str] = set()  # client ids of orders that somebody else placed
        self._exchange = exchange
        self._store = store
        self._config = config
        self._now_ns = now_ns
        self._trace = trace
        self._client_ids: set[str] = set()
        self._entries: Counter[str] = Counter()
        self._halted = False
        self._best: dict[str, deque[tuple[int, tuple[Decimal, Decimal]]]] = {
            symbol: deque() for symbol in exchange.markets
        }
        self._revision = -1
        store.committed = self._on_committed

    def violate(self, promise: str, text: str) -> None:
        self.violations.append(Violation(promise, text))
        self._trace("VIOLATION", f"{promise}: {text}")

    # A life

    def watch(self, engine: Engine) -> None:
        """An engine has been wired."""
        self.engine = engine
        self._revision = -1
        engine.bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_approved)

    def gone(self) -> None:
        self.engine = None

    def after_step(self) -> None:
        """Look at the books whenever something was booked."""
        engine = self.engine
        if engine is not None and engine.portfolio.revision != self._revision:
            self._revision = engine.portfolio.revision
            self._check_books(engine)

    # What leaves the engine

    def sent(self, method: str, fields: Mapping[str, Any]) -> None:
        """An order request at the moment in which its bytes are handed over."""
        if method not in {"add_order", "AddOrder"}:
            return
        side = str(fields.get("side") or fields.get("type"))
        key = str(fields.get("cl_ord_id", ""))
        self._trace("sends", f"{side} {fields.get('symbol') or fields.get('pair')} {key}")
        if side != "buy":
            return
        if self._halted:
            self.violate("P5", f"buy {key} is sent while the journal says HALTED")
        engine = self.engine
        if engine is not None and engine.halt.halted:
            self.violate("P5", f"buy {key} is sent while halted: {engine.halt.reason}")
        if engine is not None and (why := engine.gate.why(str(fields.get("symbol", "")))):
            self.violate("P5", f"buy {key} is sent while the gate says {why[0]}")

    def _on_committed(self, line: JournalLine) -> None:
        if line.kind == "SYSTEM_STATE":
            self._halted = json.loads(line.record)["state"] == "HALTED"

    def _on_approved(self, event: Any) -> None:
        """A decision has been made: on what?"""
        signal: TradeSignalApproved = event.payload
        engine = self.engine
        if signal.side != "BUY" or engine is None:
            return
        pair, now_ns = signal.trading_pair, self._now_ns()
        limit = self._config.strategy.max_signal_age_s
        if now_ns - signal.data_timestamp > int(limit * SECOND_NS) + UNDER_WAY_NS:
            self.violate(
                "P7",
                f"a buy of {pair} rests on data {(now_ns - signal.data_timestamp) / SECOND_NS:.1f} s old",
            )
        book = engine.ingestor.books.get(pair)
        if book is None or not len(book.ask_prices):
            self.violate("P7", f"a buy of {pair} is approved without a book")
            return
        if not len(book.bid_prices):
            self.violate("P7", f"a buy of {pair} is approved where nobody buys")
            return
        seen = tuple(
            Decimal(int(column[0])).scaleb(-book.price_decimals)
            for column in (book.bid_prices, book.ask_prices)
        )
        if seen not in {best for _, best in self._best[pair]}:
            self.violate(
                "P7", f"a buy of {pair} rests on {seen[0]}/{seen[1]}, which the exchange has not shown lately"
            )

    def advanced(self) -> None:
        """Remember the exchange's best prices as long as somebody may rest a decision on them."""
        now_ns = self._now_ns()
        oldest = now_ns - int(self._config.market.max_book_age_s * SECOND_NS) - UNDER_WAY_NS
        for symbol, market in self._exchange.markets.items():
            bid, ask = market.best()
            seen = self._best[symbol]
            if bid is not None and ask is not None and (not seen or seen[-1][1] != (bid[0], ask[0])):
                seen.append((now_ns, (bid[0], ask[0])))
            while len(seen) > 1 and seen[1][0] < oldest:
                seen.popleft()

    # What the exchange takes

    def accepted(self, request: AddOrder) -> None:
        self.accepted_orders += 1
        key = request.cl_ord_id or ""
        if key in self.external:
            return
        self._trace(
            "exchange",
            f"takes {request.side} {request.order_qty} {request.symbol} {request.order_type} {key}",
        )
        if key in self._client_ids:
            self.violate("P1", f"order {key} is taken a second time")
        self._client_ids.add(key)
        if not self._store.has("ORDER_INTENT", key):
            self.violate("P2", f"order {key} has no durable intent")
            return
        if request.side == "buy":
            self._check_entry(key, request)

    def _check_entry(self, key: str, request: AddOrder) -> None:
        (intent,) = [line for line in self._store.of_kind("ORDER_INTENT") if line.key == key]
        order = json.loads(intent.record)
        self._entries[order["signal_id"]] += 1
        if self._entries[order["signal_id"]] > 1:
            self.violate("P1", f"signal {order['signal_id']} has {self._entries[order['signal_id']]} entries")
        limits, equity = self._config.risk, self._exchange.worth_usd(KEY)
        worths = {symbol: self._worst(symbol) for symbol in self._exchange.markets}
        if worths[request.symbol] > limits.max_pair_exposure * equity * SLACK:
            self.violate("P6", f"{request.symbol}: {worths[request.symbol]:.2f} of {equity:.2f} after {key}")
        if sum(worths.values(), ZERO) > limits.max_total_exposure * equity * SLACK:
            self.violate("P6", f"all pairs: {sum(worths.values(), ZERO):.2f} of {equity:.2f} after {key}")

    def _worst(self, symbol: str) -> Decimal:
        """What is held of a pair and what its open buys may add, at the last price."""
        listing = self._exchange.listing(symbol)
        held = self._exchange.balances(KEY).get(listing.base.name, ZERO)
        return (
            held + sum((order.left for order in self.open(symbol, "buy")), ZERO)
        ) * self._exchange.markets[symbol].bars.last_price()

    def open(self, symbol: str, side: str) -> list[VenueOrder]:
        """Open orders of the account."""
        return [
            order
            for order in self._exchange.orders(KEY)
            if order.is_open and order.symbol == symbol and order.asked.side == side
        ]

    # What was booked

    def fills(self) -> dict[str, Execution]:
        """Everything that was ever filled, as the exchange knows it."""
        return {fill.exec_id: fill for fill in self._exchange.account(KEY).executions}

    def _check_books(self, engine: Engine) -> None:
        """Positions are what the booked fills add up to, each counted once."""
        positions = engine.portfolio.positions
        held: dict[str, Decimal] = {}
        for fill in self.fills().values():
            if positions.booked(fill.exec_id):
                sign = 1 if fill.side == "buy" else -1
                held[fill.symbol] = held.get(fill.symbol, ZERO) + sign * fill.quantity
        for symbol in self._exchange.markets:
            ours = engine.portfolio.position(symbol).quantity
            if ours != held.get(symbol, ZERO):
                self.violate(
                    "P3", f"{symbol}: booked {ours}, but those fills add up to {held.get(symbol, ZERO)}"
                )
