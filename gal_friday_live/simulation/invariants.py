"""What must hold at every instant, judged from the exchange's side and the database's: never from the engine's word.

Orders are looked at twice: when their bytes leave the engine, and when the exchange takes them. The names are those
of the promises: P1 one live order a signal, P2 no order without a durable intent, P3 each fill booked once, P4 no
difference is believed that is none, P5 nothing that increases risk leaves a halted engine, P6 exposure within its
limit, P7 no decision on a market that is not the exchange's, P8 no outcome is guessed, P10 stops stay, P11 limits hold
and stay, P16 every entry says what it came from. What needs a calm world to be judged by is in `calm`.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_core.config import Config
from gal_friday_core.journal import JournalLine
from gal_friday_core.money import ZERO
from gal_friday_core.payloads import ExecutionReport, PotentialHaltTrigger, TradeSignalApproved
from gal_friday_core.risk.loosening import changed_limits
from gal_friday_core.risk.order_count import ANOMALY as ORDER_RATE
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.error_texts import ENGINE_RATE_LIMIT, INSUFFICIENT_FUNDS, REST_RATE_LIMIT
from gal_friday_core.venue.orders import Execution, VenueOrder
from gal_friday_core.venue.requests import AddOrder
from gal_friday_live.intents import PROVENANCE
from gal_friday_live.reconciliation_service import HALT_REASON
from gal_friday_live.simulation.calm import CalmWatch
from gal_friday_live.simulation.present import Decides, Trades
from gal_friday_live.simulation.store import Store
from gal_friday_live.simulation.trace import Trace
from gal_friday_live.unknown_orders import NEVER_ARRIVED

SLACK = Decimal("1.03")
"""Prices move between a decision and its fills."""
LOSS_SLACK, LOSS_MARGIN = Decimal("1.5"), Decimal("0.002")
"""So do they between a mark and the exchange's last price."""
LIMITED_NS, LIMITED_MOST = 30 * SECOND_NS, 5
"""So many requests beyond a rate limit in so short a time, and an exchange locks the account out."""
UNDER_WAY_NS = 3 * SECOND_NS
"""How much older than its limit a book may be, for what is on its way."""
LATE_NS = SECOND_NS // 2
"""How much older a bar: as much as the engine's clock may be off while it is trusted."""


class _Intent(msgspec.Struct):
    """As much of an intent as is looked at."""

    trading_pair: str
    side: str
    signal_id: str
    purpose: str
    model_id: str | None = None
    artifact_sha256: str | None = None
    data_version: str | None = None
    code_version: str | None = None
    config_hash: str | None = None
    feature_schema_hash: str | None = None


class _Report(msgspec.Struct):
    """As much of a report."""

    client_order_id: str
    order_status: str


_read_intent = msgspec.json.Decoder(_Intent).decode
_read_report = msgspec.json.Decoder(_Report).decode


@dataclass(frozen=True, slots=True)
class Violation:
    promise: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.text}"


class Invariants:
    """Collects violations; `engine` is that of the present life, None between two; `decider` who approves its orders."""

    def __init__(
        self, exchange: Exchange, store: Store, config: Config, *, now_ns: Callable[[], int], trace: Trace
    ) -> None:
        self.violations: list[Violation] = []
        self.engine: Trades | None = None
        self.decider: Decides | None = None
        self.crowded: Callable[[], bool] = lambda: False  # whether a second engine asks beside it
        self.accepted_orders = 0
        self._heard: list[str] = []
        self._decided = ""
        self.lately_withdrawn: Callable[[], Decimal] = lambda: ZERO  # what an engine cannot know yet
        self.external: set[str] = set()  # client ids of orders that somebody else placed
        self._exchange = exchange
        self._store = store
        self._config = config
        self._now_ns = now_ns
        self._trace = trace
        self._client_ids: set[str] = set()
        self._entries: Counter[str] = Counter()
        self._intents: dict[str, _Intent] = {}
        self._unanswered: dict[
            str, str
        ] = {}  # pairs of entries that no report in the journal tells anything of
        self._voided: set[str] = set()  # orders that an engine called never arrived
        self._halted = False
        self._stands = False  # whether the present engine is halted, by its own memory
        self._reconciled = False  # whether a comparison ended clean since the halt
        self._worth_most = ZERO
        self._limited: deque[int] = deque(maxlen=LIMITED_MOST)
        self.calm = CalmWatch(
            exchange,
            self.violate,
            now_ns=now_ns,
            engine=lambda: self.engine,
            halt_is_durable=lambda: self._halted,
        )
        self._best: dict[str, deque[tuple[int, tuple[Decimal, Decimal]]]] = {
            symbol: deque() for symbol in exchange.markets
        }
        self._revision = -1
        self._past: dict[str, Decimal] = {}  # what the forgotten fills add up to
        self._past_fills = 0
        store.committed = self._on_committed

    def violate(self, promise: str, text: str) -> None:
        self.violations.append(Violation(promise, text))
        self._trace("VIOLATION", f"{promise}: {text}")

    # A life

    def watch(self, engine: Trades) -> None:
        """An engine has been wired, or a trader."""
        self.engine = engine
        self._revision, self._stands = -1, False
        self._heard = [
            engine.bus.subscribe("EXECUTION_REPORT", self._on_report),
            engine.bus.subscribe("RECONCILIATION", self._on_reconciliation),
            engine.bus.subscribe("POTENTIAL_HALT_TRIGGER", self._on_trigger),
        ]

    def watch_decisions(self, decider: Decides) -> None:
        """An engine has been wired, or a decision maker."""
        self.decider = decider
        self._decided = decider.bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_approved)

    def undecided(self) -> None:
        """Nobody decides now."""
        decider, self.decider = self.decider, None
        if decider is not None:
            decider.bus.unsubscribe(self._decided)

    def gone(self) -> None:
        """Nothing more is heard of it, even where it goes on beside another one."""
        engine, self.engine = self.engine, None
        if engine is not None:
            for subscription in self._heard:
                engine.bus.unsubscribe(subscription)

    def after_step(self) -> None:
        """Look at the books whenever something was booked, and notice a halt when it begins: the journal may take it later."""
        engine = self.engine
        if engine is None:
            return
        if engine.halt.halted != self._stands:
            self._stands = engine.halt.halted
            self._reconciled &= not self._stands
        if engine.portfolio.revision != self._revision:
            self._revision = engine.portfolio.revision
            self._check_books(engine)

    # What leaves the engine

    def sent(self, method: str, fields: Mapping[str, Any]) -> None:
        """An order request at the moment in which its bytes are handed over."""
        if method in {"cancel_all", "CancelAll"}:
            self._check_sweep()
        if method not in {"add_order", "AddOrder"}:
            return
        side = str(fields.get("side") or fields.get("type"))
        key = str(fields.get("cl_ord_id", ""))
        self._trace("sends", f"{side} {fields.get('symbol') or fields.get('pair')} {key}")
        if side == "buy":
            self._check_buy(key)

    def _check_buy(self, key: str) -> None:
        """Nothing that increases risk leaves an engine that is halted, or that its gate holds back."""
        intent = self._intents.get(key)
        if intent is None:
            self.violate("P2", f"buy {key} is sent without a durable intent")
            return
        pair = intent.trading_pair
        if self._halted:
            self.violate("P5", f"buy {key} is sent while the journal says HALTED")
        engine = self.engine
        if engine is not None and engine.halt.halted:
            self.violate("P5", f"buy {key} is sent while halted: {engine.halt.reason}")
        if engine is not None and (why := engine.gate.why(pair)):
            self.violate("P5", f"buy {key} is sent while the gate says {why[0]}")
        for other, its_pair in self._unanswered.items():
            if other != key and its_pair == pair:
                self.violate("P8", f"buy {key} is sent while nobody knows what became of {other}")

    def _check_sweep(self) -> None:
        """No engine has a reason to cancel all orders: what protects is among them."""
        resting = [key for key in self._exchange.markets if self.open(key, "sell")]
        if resting:
            self.violate("P10", f"every order is cancelled, and {', '.join(resting)} has stops")

    def _on_committed(self, line: JournalLine) -> None:
        if line.kind == "SYSTEM_STATE":
            self._on_state(json.loads(line.record)["state"])
        elif line.kind == "ORDER_INTENT":
            intent = self._intents[line.key] = _read_intent(line.record)
            if intent.purpose == "ENTRY":
                self._unanswered[line.key] = intent.trading_pair
        elif line.kind == "EXECUTION_REPORT":
            report = _read_report(line.record)
            if report.order_status not in ("PENDING_NEW", "UNKNOWN"):
                self._unanswered.pop(report.client_order_id, None)
        elif line.kind == "CASH_FLOW" and line.key.startswith("adjustment:"):
            self.violate("P4", f"{line.key} is booked, though all money has its fill or its flow")

    def _on_state(self, state: str) -> None:
        if state == "HALTED" and not self._halted and not self._stands:
            self._reconciled = False  # of an engine that nobody watches any more
        elif state == "RUNNING" and self._halted and not self._reconciled:
            self.violate("P5", "trading resumes, and the account was not compared since the halt")
        self._halted = state == "HALTED"

    def _on_reconciliation(self, _event: Any) -> None:
        if self.engine is not None and self.engine.reconciliation is not None:
            self._reconciled |= self.engine.reconciliation.clean

    def _on_trigger(self, event: Any) -> None:
        trigger: PotentialHaltTrigger = event.payload
        if trigger.reason == HALT_REASON:
            self.violate("P4", f"a difference is believed that is none: {trigger.details.get('what')}")
        elif trigger.reason.startswith(ORDER_RATE):
            self.violate("P17", f"a sound engine never asks for so much: {trigger.reason}")

    def _on_report(self, event: Any) -> None:
        report: ExecutionReport = event.payload
        key = report.client_order_id
        if report.order_status == "EXPIRED" and NEVER_ARRIVED in (report.error_message or ""):
            self._voided.add(key)
            if key in self._client_ids:
                self.violate("P8", f"order {key} is called never arrived, and the exchange has it")

    def _on_approved(self, event: Any) -> None:
        """A decision has been made: on what?"""
        signal: TradeSignalApproved = event.payload
        decider = self.decider
        if signal.side != "BUY" or decider is None:
            return
        pair, now_ns = signal.trading_pair, self._now_ns()
        limit = self._config.strategy.max_signal_age_s
        if now_ns - signal.data_timestamp > int(limit * SECOND_NS) + LATE_NS:
            self.violate(
                "P7",
                f"a buy of {pair} rests on data {(now_ns - signal.data_timestamp) / SECOND_NS:.1f} s old",
            )
        book = decider.ingestor.books.get(pair)
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
        """After each move of the market."""
        self._worth_most = max(self._worth_most, self._exchange.worth_usd(KEY))

    def shown(self) -> None:
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
        if key in self._voided:
            self.violate("P8", f"order {key} is taken, and was called never arrived")
        intent = self._intents.get(key)
        if intent is None:
            self.violate("P2", f"order {key} has no durable intent")
        elif request.side == "buy":
            self._check_origin(key, intent)
            self._check_limits(key, request)

    def refused(self, what: str, error: str) -> None:
        """By the exchange's own rules: a fault does not come this way."""
        if error in (ENGINE_RATE_LIMIT, REST_RATE_LIMIT) and not self.crowded():
            # An engine that crashed has forgotten what it asked for: once or twice, then it must have learnt.
            now_ns = self._now_ns()
            self._limited.append(now_ns)
            if sum(now_ns - when < LIMITED_NS for when in self._limited) >= LIMITED_MOST:
                self.violate("P11", f"{what}: more and more is asked than the exchange allows ({error})")
        elif error == INSUFFICIENT_FUNDS and self._must_know(what):
            self.violate("P6", f"order {what} asks for more than there is")

    def _must_know(self, key: str) -> bool:
        """Whether an order's engine knew what there is. Coins may be held by a stop that it has not heard of yet: a sale
        that the exchange refuses then is tried again.
        """
        intent = self._intents.get(key)
        return intent is None or intent.side == "BUY" or self.calm.is_calm()

    def _check_origin(self, key: str, intent: _Intent) -> None:
        signal = intent.signal_id
        self._entries[signal] += 1
        if self._entries[signal] > 1:
            self.violate("P1", f"signal {signal} has {self._entries[signal]} entries")
        unnamed = [name for name in PROVENANCE if not getattr(intent, name)]
        if unnamed:
            self.violate("P16", f"the intent of {key} does not say {', '.join(unnamed)}")

    def _check_limits(self, key: str, request: AddOrder) -> None:
        limits, equity = self._config.risk, self._exchange.worth_usd(KEY) + self.lately_withdrawn()
        worths = {symbol: self._worst(symbol) for symbol in self._exchange.markets}
        if worths[request.symbol] > limits.max_pair_exposure * equity * SLACK:
            self.violate("P6", f"{request.symbol}: {worths[request.symbol]:.2f} of {equity:.2f} after {key}")
        if sum(worths.values(), ZERO) > limits.max_total_exposure * equity * SLACK:
            self.violate("P6", f"all pairs: {sum(worths.values(), ZERO):.2f} of {equity:.2f} after {key}")
        lost = 1 - equity / self._worth_most if self._worth_most else ZERO
        if lost > limits.max_daily_drawdown * LOSS_SLACK + LOSS_MARGIN:
            self.violate("P11", f"buy {key} is taken after a loss of {lost:.2%} of a day's most")
        if self.engine is not None:
            now = self._config.model_copy(update={"risk": self.engine.risk.limits})
            for change in changed_limits(self._config, now):
                if change.looser:
                    self.violate(
                        "P11", f"{change.key} is {change.after}, and was {change.before} at the start"
                    )

    def _worst(self, symbol: str) -> Decimal:
        """What is held of a pair and what its open buys may add, at the last price."""
        listing = self._exchange.listing(symbol)
        held = self._exchange.balances(KEY).get(listing.base.name, ZERO)
        return (
            held + sum((order.left for order in self.open(symbol, "buy")), ZERO)
        ) * self._exchange.markets[symbol].bars.last_price()

    def signal_of(self, key: str) -> str | None:
        """Which signal an order was intended for."""
        intent = self._intents.get(key)
        return None if intent is None else intent.signal_id

    def open(self, symbol: str, side: str) -> list[VenueOrder]:
        """Open orders of the account."""
        return [
            order
            for order in self._exchange.orders(KEY)
            if order.is_open and order.symbol == symbol and order.asked.side == side
        ]

    # What is long past

    def forget_fills(self, fills: Sequence[Execution]) -> None:
        """The account's oldest fills, all of them booked, are no longer told by it: their sum counts on."""
        self.calm.forget_fills(fills)
        self._past_fills += len(fills)
        for fill in fills:
            self._past[fill.symbol] = self._past.get(fill.symbol, ZERO) + _signed(fill)

    def forget_orders(self, client_ids: Iterable[str]) -> None:
        """Orders that ended long ago."""
        for key in client_ids:
            self._client_ids.discard(key)
            self._voided.discard(key)
            self._unanswered.pop(key, None)
            intent = self._intents.pop(key, None)
            if intent is not None:
                self._entries.pop(intent.signal_id, None)

    # What was booked

    @property
    def filled(self) -> int:
        """So many fills there were."""
        return self._past_fills + len(self.fills())

    def fills(self) -> dict[str, Execution]:
        """Everything that was ever filled, as the exchange knows it."""
        return {fill.exec_id: fill for fill in self._exchange.account(KEY).executions}

    def _check_books(self, engine: Trades) -> None:
        """Positions are what the booked fills add up to, each counted once."""
        positions = engine.portfolio.positions
        held = dict(self._past)
        for fill in self.fills().values():
            if positions.booked(fill.exec_id, fill.time_ns):
                held[fill.symbol] = held.get(fill.symbol, ZERO) + _signed(fill)
        for symbol in self._exchange.markets:
            ours = engine.portfolio.position(symbol).quantity
            if ours != held.get(symbol, ZERO):
                self.violate(
                    "P3", f"{symbol}: booked {ours}, but those fills add up to {held.get(symbol, ZERO)}"
                )


def _signed(fill: Execution) -> Decimal:
    return fill.quantity if fill.side == "buy" else -fill.quantity
