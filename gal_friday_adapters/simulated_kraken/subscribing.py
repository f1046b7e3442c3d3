"""Subscribe and unsubscribe: what a channel accepts, its acknowledgements, and the snapshots that follow."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gal_friday_adapters.simulated_kraken import private_feed, public_feed
from gal_friday_adapters.simulated_kraken.bars import INTERVALS
from gal_friday_adapters.simulated_kraken.book_feed import DEPTHS
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.hub import ON_BEST, ON_TRADES, send_private
from gal_friday_adapters.simulated_kraken.session import Session, Subscription
from gal_friday_adapters.simulated_kraken.text import encode, micro_iso
from gal_friday_core.errors import ExchangeError

BY_SYMBOL = frozenset(("book", "ticker", "trade", "ohlc"))
PRIVATE = frozenset(("executions", "balances"))
SNAPSHOT_TRADES = 50
INVALID_SESSION = "ESession:Invalid session"
NO_SUCH_CHANNEL = "Channel not supported"
NO_SUCH_PAIR = "Currency pair not supported"
NO_SUCH_DEPTH = "Subscription depth not supported"
NO_SUCH_INTERVAL = "Subscription ohlc interval not supported"
ALREADY = "Already subscribed"
NOT_SUBSCRIBED = "Subscription Not Found"

Result = dict[str, Any]
"""One acknowledgement: `result` or `error` (with `symbol`), and `then`, what to send after it."""


class Subscribing:
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def act(self, method: str, session: Session, fields: Fields) -> list[Result]:
        """One result for each symbol. Raises ExchangeError where the request as a whole is refused."""
        channel = fields.text("channel")
        act = partial(self._subscribe, fields=fields) if method == "subscribe" else self._unsubscribe
        if channel in BY_SYMBOL:
            variant = _variant(channel, fields)
            symbols = fields.values.get("symbol")
            if not isinstance(symbols, list) or not symbols:
                raise ExchangeError("Symbol(s) not found")
            return [act(session, Subscription(channel, str(symbol), variant)) for symbol in symbols]
        if channel in PRIVATE:
            subscription = Subscription(channel, account=account_of(self._exchange, session, fields))
            session.accounts[fields.values["token"]] = subscription.account
            subscription.options["order_status"] = fields.flag("order_status", default=True)
            subscription.options["ratecounter"] = fields.flag("ratecounter", default=False)
            return [act(session, subscription)]
        if channel == "instrument":
            return [act(session, Subscription(channel))]
        raise ExchangeError(NO_SUCH_CHANNEL)

    def _subscribe(self, session: Session, subscription: Subscription, fields: Fields) -> Result:
        if subscription.symbol and subscription.symbol not in self._exchange.markets:
            return {"error": f"{NO_SUCH_PAIR} {subscription.symbol}", "symbol": subscription.symbol}
        if subscription.topic in session.subscriptions:
            return {"error": ALREADY, "symbol": subscription.symbol or None}
        self._exchange.hub.subscribe(session, subscription)
        snapshots = self._snapshots(session, subscription, fields)
        result = _acknowledged(subscription, fields)
        if subscription.channel == "executions":
            result["maxratecount"] = self._exchange.rate_limit(subscription.account)
        return {"result": result, "then": snapshots}

    def _unsubscribe(self, session: Session, subscription: Subscription) -> Result:
        if not self._exchange.hub.unsubscribe(session, subscription.topic):
            return {"error": NOT_SUBSCRIBED, "symbol": subscription.symbol or None}
        return {"result": _named(subscription)}

    def _snapshots(
        self, session: Session, subscription: Subscription, fields: Fields
    ) -> list[Callable[[], None]]:
        if subscription.channel == "executions":
            return [partial(self._executions, session, subscription, fields)]
        if subscription.channel == "trade":
            wanted = fields.flag("snapshot", default=False)
        else:
            wanted = fields.flag("snapshot", default=True)
        if not wanted:
            return []
        if subscription.channel == "balances":
            return [partial(self._balances, session, subscription)]
        return [partial(self._public, session, subscription)]

    def _executions(self, session: Session, subscription: Subscription, fields: Fields) -> None:
        entries = []
        if fields.flag("snap_orders", default=True):
            entries += [
                private_feed.execution(update) for update in self._exchange.open_orders(subscription.account)
            ]
        if fields.flag("snap_trades", default=False):
            entries += [
                private_feed.execution(update) for update in self._exchange.last_fills(subscription.account)
            ]
        if fields.flag("snap_orders", default=True) or fields.flag("snap_trades", default=False):
            send_private(session, subscription, "snapshot", entries)

    def _balances(self, session: Session, subscription: Subscription) -> None:
        entries = private_feed.balance_snapshot(self._exchange.balances(subscription.account))
        send_private(session, subscription, "snapshot", entries)

    def _public(self, session: Session, subscription: Subscription) -> None:
        exchange, now_ns = self._exchange, self._exchange.now_ns()
        if subscription.channel == "book":
            session.send(exchange.hub.book_snapshot(subscription.symbol, subscription.variant, now_ns))
            return
        data: Any
        if subscription.channel == "instrument":
            data = exchange.instruments()
        else:
            data = _entries(exchange, subscription, now_ns)
        message = {"channel": subscription.channel, "type": "snapshot", "data": data}
        if subscription.channel == "ohlc":
            message["timestamp"] = micro_iso(now_ns)
        session.send(encode(message))


def account_of(exchange: Exchange, session: Session, fields: Fields) -> str:
    """Whose token it is: one not used in time is worth nothing, one with a private subscription holds as long as that line.

    Raises ExchangeError where it is nobody's.
    """
    token = fields.values.get("token")
    account = None
    if isinstance(token, str):
        account = session.accounts.get(token) or exchange.account_of(token)
    if account is None:
        raise ExchangeError(INVALID_SESSION)
    return account


def _entries(exchange: Exchange, subscription: Subscription, now_ns: int) -> list[dict[str, Any]]:
    market = exchange.markets[subscription.symbol]
    if subscription.channel == "ticker":
        return [public_feed.ticker(market.listing, market.best(), market.bars, now_ns)]
    if subscription.channel == "trade":
        return [
            public_feed.trade(market.listing, update) for update in list(market.trades)[-SNAPSHOT_TRADES:]
        ]
    bars = market.bars.rows(subscription.variant, now_ns)
    return [public_feed.candle(market.listing, subscription.variant, bar) for bar in bars if bar.trades]


def _variant(channel: str, fields: Fields) -> int:
    if channel == "book":
        depth = fields.integer("depth") if "depth" in fields else DEPTHS[0]
        if depth not in DEPTHS:
            raise ExchangeError(NO_SUCH_DEPTH)
        return depth
    if channel == "ohlc":
        minutes = fields.integer("interval") if "interval" in fields else 1
        if minutes not in INTERVALS:
            raise ExchangeError(NO_SUCH_INTERVAL)
        return minutes
    if channel == "ticker":
        return ON_BEST if fields.values.get("event_trigger") == "bbo" else ON_TRADES
    return 0


def _named(subscription: Subscription) -> dict[str, Any]:
    named: dict[str, Any] = {"channel": subscription.channel}
    if subscription.symbol:
        named["symbol"] = subscription.symbol
    if subscription.channel == "book":
        named["depth"] = subscription.variant
    if subscription.channel == "ohlc":
        named["interval"] = subscription.variant
    if subscription.channel == "ticker":
        named["event_trigger"] = "bbo" if subscription.variant == ON_BEST else "trades"
    return named


def _acknowledged(subscription: Subscription, fields: Fields) -> dict[str, Any]:
    named = _named(subscription)
    if subscription.channel == "executions":
        named["snap_orders"] = fields.flag("snap_orders", default=True)
        named["snap_trades"] = fields.flag("snap_trades", default=False)
        named["order_status"] = subscription.options["order_status"]
        return named
    named["snapshot"] = fields.flag("snapshot", default=subscription.channel != "trade")
    return named
