"""Who listens to what, and what each update of the venue becomes on the wire."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from gal_friday_adapters.simulated_kraken import private_feed, public_feed
from gal_friday_adapters.simulated_kraken.book_feed import BookView
from gal_friday_adapters.simulated_kraken.market import Level, PairMarket
from gal_friday_adapters.simulated_kraken.session import Session, Subscription
from gal_friday_adapters.simulated_kraken.text import encode, micro_iso
from gal_friday_core.venue.updates import (
    BalanceUpdate,
    BookUpdate,
    ExecutionUpdate,
    PairUpdate,
    PriceLevel,
    StatusUpdate,
    TradeUpdate,
    Update,
)

Topic = tuple[str, str, int]
ON_TRADES, ON_BEST = 0, 1
"""Variants of the ticker channel: `event_trigger` trades or bbo."""
ALWAYS_SENT = frozenset(("new", "filled", "canceled", "expired"))
"""What `executions` sends to a subscriber who asked for `order_status: false`."""


class Hub:
    """Applies updates to the public market and sends them to whoever listens.

    `counter` reads the matching engine's counter of the pair of an account's order.
    """

    def __init__(
        self, markets: dict[str, PairMarket], *, counter: Callable[[str, str], Decimal | None]
    ) -> None:
        self._markets = markets
        self._counter = counter
        self._listeners: dict[Topic, dict[int, tuple[Session, Subscription]]] = defaultdict(dict)
        self._views: dict[tuple[str, int], BookView] = {}
        self._sessions: dict[int, Session] = {}

    def join(self, session: Session) -> None:
        self._sessions[session.number] = session

    def leave(self, session: Session) -> None:
        for subscription in list(session.subscriptions.values()):
            self.unsubscribe(session, subscription.topic)
        self._sessions.pop(session.number, None)

    def forget_tokens(self) -> None:
        """No token holds for its line any longer; what is subscribed goes on."""
        for session in self._sessions.values():
            session.accounts.clear()

    def hang_up(self) -> None:
        """Lose every connection."""
        for session in list(self._sessions.values()):
            session.lose()

    def subscribe(self, session: Session, subscription: Subscription) -> None:
        session.subscriptions[subscription.topic] = subscription
        self._listeners[subscription.topic][session.number] = (session, subscription)

    def unsubscribe(self, session: Session, topic: Topic) -> bool:
        """False where there was no such subscription."""
        found = session.subscriptions.pop(topic, None)
        self._listeners[topic].pop(session.number, None)
        if not self._listeners[topic]:
            del self._listeners[topic]
            if topic[0] == "book":
                self._views.pop((topic[1], topic[2]), None)
        return found is not None

    def book_snapshot(self, symbol: str, depth: int, now_ns: int) -> bytes:
        return self._view(symbol, depth).snapshot(micro_iso(now_ns))

    def publish(self, updates: Sequence[Update], now_ns: int) -> None:
        """Take updates in the order in which they happened."""
        if not updates:
            return
        traded: dict[str, list[TradeUpdate]] = defaultdict(list)
        ledger: list[BalanceUpdate] = []
        before = {symbol: market.best() for symbol, market in self._markets.items()}
        for update in updates:
            if isinstance(update, BookUpdate):
                self._book(update)
            elif isinstance(update, TradeUpdate):
                self._markets[update.symbol].apply_trade(update)
                traded[update.symbol].append(update)
            elif isinstance(update, ExecutionUpdate):
                self._execution(update)
            elif isinstance(update, BalanceUpdate):
                ledger.append(update)
            else:
                self._news(update)
        self._trades(traded, now_ns)
        self._balances(ledger)
        self._tickers(before, traded, now_ns)

    def _view(self, symbol: str, depth: int) -> BookView:
        view = self._views.get((symbol, depth))
        if view is None:
            market = self._markets[symbol]
            listing = market.listing
            view = BookView(symbol, depth, listing.price_decimals, listing.quantity_decimals)
            view.show(_pairs(market.bids(depth)), _pairs(market.asks(depth)))
            self._views[symbol, depth] = view
        return view

    def _book(self, update: BookUpdate) -> None:
        market = self._markets[update.symbol]
        market.apply_book(update)
        for (symbol, depth), view in self._views.items():
            if symbol != update.symbol:
                continue
            bids, asks = _pairs(market.bids(depth)), _pairs(market.asks(depth))
            message = view.update(bids, asks, micro_iso(update.timestamp))
            if message is not None:
                self._send(("book", symbol, depth), message)

    def _trades(self, traded: dict[str, list[TradeUpdate]], now_ns: int) -> None:
        for symbol, trades in traded.items():
            market = self._markets[symbol]
            entries = [public_feed.trade(market.listing, update) for update in trades]
            self._send_entries(("trade", symbol, 0), "trade", entries)
            for topic in [topic for topic in self._listeners if topic[:2] == ("ohlc", symbol)]:
                bar = market.bars.rows(topic[2], now_ns)[-1]
                entry = public_feed.candle(market.listing, topic[2], bar)
                message = {
                    "channel": "ohlc",
                    "type": "update",
                    "timestamp": micro_iso(now_ns),
                    "data": [entry],
                }
                self._send(topic, encode(message))

    def _tickers(self, before: dict[str, Any], traded: dict[str, list[TradeUpdate]], now_ns: int) -> None:
        for symbol, market in self._markets.items():
            if symbol in traded:
                self._ticker(("ticker", symbol, ON_TRADES), market, now_ns)
            if market.best() != before[symbol]:
                self._ticker(("ticker", symbol, ON_BEST), market, now_ns)

    def _ticker(self, topic: Topic, market: PairMarket, now_ns: int) -> None:
        if topic in self._listeners:
            entry = public_feed.ticker(market.listing, market.best(), market.bars, now_ns)
            self._send_entries(topic, "ticker", [entry])

    def _execution(self, update: ExecutionUpdate) -> None:
        entry: dict[str, Any] | None = None
        for session, subscription in self._listening(("executions", update.account, 0)):
            if not subscription.options.get("order_status", True) and update.exec_type not in ALWAYS_SENT:
                continue
            entry = entry or private_feed.execution(update)
            counted = {"ratecount": self._counter(update.account, update.order_id)}
            shown = entry | counted if subscription.options.get("ratecounter") else entry
            send_private(session, subscription, "update", [shown])

    def _balances(self, ledger: Sequence[BalanceUpdate]) -> None:
        """Both sides of a trade share a message."""
        grouped: dict[tuple[str, str], list[BalanceUpdate]] = defaultdict(list)
        for update in ledger:
            grouped[update.account, update.ref_id].append(update)
        for (account, _), entries in grouped.items():
            shown = [private_feed.balance_entry(entry) for entry in entries]
            for session, subscription in self._listening(("balances", account, 0)):
                send_private(session, subscription, "update", shown)

    def _news(self, update: object) -> None:
        if isinstance(update, StatusUpdate):
            for session in self._sessions.values():
                session.send(encode(public_feed.status(update.system, session.number)))
        elif isinstance(update, PairUpdate):
            pair = public_feed.pair(self._markets[update.symbol].listing, update.status)
            message = {"channel": "instrument", "type": "update", "data": {"assets": [], "pairs": [pair]}}
            self._send(("instrument", "", 0), encode(message))

    def _send_entries(self, topic: Topic, channel: str, entries: list[dict[str, Any]]) -> None:
        if topic in self._listeners:
            self._send(topic, encode({"channel": channel, "type": "update", "data": entries}))

    def _send(self, topic: Topic, message: bytes) -> None:
        for session, _ in self._listening(topic):
            session.send(message)

    def _listening(self, topic: Topic) -> list[tuple[Session, Subscription]]:
        return list(self._listeners.get(topic, {}).values())


def send_private(
    session: Session, subscription: Subscription, kind: str, entries: list[dict[str, Any]]
) -> None:
    """A message of a private channel, with the next sequence number of that subscription.

    Faults say an update twice, each time under a number of its own, or take its number and never say it.
    """
    update = kind == "update"
    for _ in range(2 if update and session.strikes("duplicate") else 1):
        subscription.sequence += 1
        message = {
            "channel": subscription.channel,
            "type": kind,
            "data": entries,
            "sequence": subscription.sequence,
        }
        if not (update and session.strikes("sequence_gap")):
            session.send(encode(message))


def _pairs(levels: list[Level]) -> list[PriceLevel]:
    return [(level.price, level.quantity) for level in levels]
