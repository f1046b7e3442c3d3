"""The private REST endpoints: account, orders, fills, ledgers, and the order methods."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from gal_friday_adapters.simulated_kraken import order_shapes
from gal_friday_adapters.simulated_kraken.endpoints import PrivateCall, boundary_ns, page
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.public_rest import UNKNOWN_METHOD, fee_steps
from gal_friday_adapters.simulated_kraken.rest_trading import ORDER_METHODS, RestTrading
from gal_friday_adapters.simulated_kraken.text import fixed
from gal_friday_adapters.simulated_kraken.tokens import LIFETIME_S
from gal_friday_core.errors import ExchangeError
from gal_friday_core.money import ZERO
from gal_friday_core.venue.error_texts import UNKNOWN_ORDER, invalid
from gal_friday_core.venue.listings import fee_percent
from gal_friday_core.venue.orders import Execution, VenueOrder

Answer = dict[str, Any]
AnyAnswer = dict[str, Any] | list[dict[str, Any]]
SHOWN_DIGITS = 10
MONEY_DIGITS = 4
NO_TRADES = "ETrade:Unknown trade"


class PrivateRest:
    """Answers by method name."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.trading = RestTrading(exchange)
        self._methods: dict[str, Callable[[PrivateCall], AnyAnswer]] = {
            "Balance": self._balance,
            "BalanceEx": self._balance_ex,
            "TradeBalance": self._trade_balance,
            "OpenOrders": self._open_orders,
            "ClosedOrders": self._closed_orders,
            "QueryOrders": self._query_orders,
            "OrderAmends": self._order_amends,
            "TradesHistory": self._trades_history,
            "QueryTrades": self._query_trades,
            "OpenPositions": lambda _: {},
            "Ledgers": self._ledgers,
            "QueryLedgers": self._query_ledgers,
            "TradeVolume": self._trade_volume,
            "GetWebSocketsToken": self._token,
            "WithdrawMethods": self._withdraw_methods,
        }

    def answer(self, method: str, call: PrivateCall) -> AnyAnswer | None:
        """The `result`, or None where a fault takes it. Raises ExchangeError with Kraken's error text."""
        if method in ORDER_METHODS:
            return self.trading.answer(method, call)
        if method not in self._methods:
            raise ExchangeError(UNKNOWN_METHOD)
        return self._methods[method](call)

    def _balance(self, call: PrivateCall) -> Answer:
        return {
            self._asset_id(asset): fixed(amount, SHOWN_DIGITS)
            for asset, amount in self._exchange.balances(call.account).items()
        }

    def _balance_ex(self, call: PrivateCall) -> Answer:
        account = self._exchange.account(call.account)
        return {
            self._asset_id(asset): {
                "balance": fixed(amount, SHOWN_DIGITS),
                "hold_trade": fixed(account.held.get(asset, ZERO), SHOWN_DIGITS),
            }
            for asset, amount in account.balances.items()
        }

    def _trade_balance(self, call: PrivateCall) -> Answer:
        """Nothing is lent, so collateral is what the balances are worth and margin is zero."""
        worth = fixed(self._exchange.worth_usd(call.account), MONEY_DIGITS)
        nothing = fixed(ZERO, MONEY_DIGITS)
        return {
            "eb": worth,
            "tb": worth,
            "m": nothing,
            "uv": nothing,
            "n": nothing,
            "c": nothing,
            "v": nothing,
            "e": worth,
            "mf": worth,
        }

    def _open_orders(self, call: PrivateCall) -> Answer:
        return {"open": self._shapes(call, (order for order in self._orders(call) if order.is_open))}

    def _closed_orders(self, call: PrivateCall) -> Answer:
        """Newest first, fifty a page; `closetime` says which time `start` and `end` mean."""
        orders = [order for order in self._orders(call) if not order.is_open]
        known = {order.order_id: order.opened_ns for order in orders}
        start, end = (boundary_ns(call.fields, name, known) for name in ("start", "end"))
        by_open = call.fields.values.get("closetime") == "open"
        found = [
            order
            for order in reversed(orders)
            if _between(order.opened_ns if by_open else order.closed_ns or 0, start, end)
        ]
        answer: Answer = {"closed": self._shapes(call, page(call, found))}
        if not call.fields.flag("without_count"):
            answer["count"] = len(found)
        return answer

    def _query_orders(self, call: PrivateCall) -> Answer:
        orders = {order.order_id: order for order in self._orders(call)}
        wanted = call.fields.texts("txid") or tuple(orders)
        missing = [order_id for order_id in wanted if order_id not in orders]
        if missing:
            raise ExchangeError(UNKNOWN_ORDER)
        return self._shapes(call, (orders[order_id] for order_id in wanted))

    def _order_amends(self, call: PrivateCall) -> Answer:
        order = self._exchange.order(call.account, call.fields.text("order_id"))
        if order is None:
            raise ExchangeError(UNKNOWN_ORDER)
        return {"amends": [order_shapes.amend(entry) for entry in order.amends], "count": len(order.amends)}

    def _trades_history(self, call: PrivateCall) -> Answer:
        fills = self._exchange.account(call.account).executions
        known = {fill.exec_id: fill.time_ns for fill in fills}
        start, end = (boundary_ns(call.fields, name, known) for name in ("start", "end"))
        found = [fill for fill in reversed(fills) if _between(fill.time_ns, start, end)]
        return {"trades": self._fills(call, page(call, found)), "count": len(found)}

    def _query_trades(self, call: PrivateCall) -> Answer:
        fills = {fill.exec_id: fill for fill in self._exchange.account(call.account).executions}
        wanted = call.fields.texts("txid")
        if not wanted or any(exec_id not in fills for exec_id in wanted):
            raise ExchangeError(NO_TRADES)
        return self._fills(call, [fills[exec_id] for exec_id in wanted])

    def _ledgers(self, call: PrivateCall) -> Answer:
        entries = self._exchange.account(call.account).ledger
        known = {entry.ledger_id: entry.timestamp for entry in entries}
        start, end = (boundary_ns(call.fields, name, known) for name in ("start", "end"))
        assets = {self._exchange.asset_name(name) for name in call.fields.texts("asset") if name != "all"}
        kinds = set(call.fields.texts("type")) - {"all"}
        found = [
            entry
            for entry in reversed(entries)
            if _between(entry.timestamp, start, end)
            and (not assets or entry.asset in assets)
            and (not kinds or entry.type in kinds)
        ]
        shown = {
            entry.ledger_id: order_shapes.ledger(entry, self._asset_id(entry.asset))
            for entry in page(call, found)
        }
        return {"ledger": shown, "count": len(found)}

    def _query_ledgers(self, call: PrivateCall) -> Answer:
        entries = {entry.ledger_id: entry for entry in self._exchange.account(call.account).ledger}
        wanted = call.fields.texts("id")
        if not wanted or any(ledger_id not in entries for ledger_id in wanted):
            raise ExchangeError(invalid("id"))
        return {
            ledger_id: order_shapes.ledger(entries[ledger_id], self._asset_id(entries[ledger_id].asset))
            for ledger_id in wanted
        }

    def _trade_volume(self, call: PrivateCall) -> Answer:
        volume = self._exchange.account(call.account).volume_30d(call.now_ns)
        fees: Answer = {}
        maker_fees: Answer = {}
        for name in call.fields.texts("pair"):
            listing = self._exchange.listing(name)
            fees[listing.rest_id] = _fee_info(
                fee_steps(listing.taker_fees), fee_percent(listing.taker_fees, volume)
            )
            maker_fees[listing.rest_id] = _fee_info(
                fee_steps(listing.maker_fees), fee_percent(listing.maker_fees, volume)
            )
        return {
            "currency": "ZUSD",
            "volume": fixed(volume, MONEY_DIGITS),
            "fees": fees,
            "fees_maker": maker_fees,
        }

    def _withdraw_methods(self, call: PrivateCall) -> list[Answer]:
        """What a key with the permission would see; nothing can be withdrawn here."""
        named = call.fields.optional_text("asset")
        wanted = None if named is None else self._exchange.asset_name(named)
        return [
            {"asset": asset.rest_id, "method": asset.name, "network": asset.name, "minimum": fixed(ZERO, 8)}
            for asset in self._exchange.directory.assets.values()
            if wanted in {None, asset.name}
        ]

    def _token(self, call: PrivateCall) -> Answer:
        return {"token": self._exchange.tokens.issue(call.account, call.now_ns), "expires": LIFETIME_S}

    def _orders(self, call: PrivateCall) -> list[VenueOrder]:
        """The account's orders, oldest first, as `userref` and `cl_ord_id` select them."""
        userref = call.fields.userref("userref")
        client_id = call.fields.optional_text("cl_ord_id")
        return [
            order
            for order in self._exchange.orders(call.account)
            if userref in {None, order.asked.order_userref} and client_id in {None, order.asked.cl_ord_id}
        ]

    def _shapes(self, call: PrivateCall, orders: Iterable[VenueOrder]) -> Answer:
        trades = call.fields.flag("trades")
        return {
            order.order_id: order_shapes.order(
                order, self._exchange.listing(order.symbol), self._exchange.describe(order), trades=trades
            )
            for order in orders
        }

    def _fills(self, call: PrivateCall, fills: list[Execution]) -> Answer:
        ledgers = call.fields.flag("ledgers")
        return {
            fill.exec_id: order_shapes.fill(fill, self._exchange.listing(fill.symbol), ledgers=ledgers)
            for fill in fills
        }

    def _asset_id(self, asset: str) -> str:
        return self._exchange.directory.assets[asset].rest_id


def _between(time_ns: int, start: int | None, end: int | None) -> bool:
    """`start` is exclusive, `end` inclusive (Kraken's guide)."""
    return (start is None or time_ns > start) and (end is None or time_ns <= end)


def _fee_info(steps: list[list[float]], percent: Decimal) -> Answer:
    higher = [(volume, fee) for volume, fee in steps if fee < percent]
    return {
        "fee": fixed(percent, 4),
        "minfee": f"{steps[-1][1]:.4f}",
        "maxfee": f"{steps[0][1]:.4f}",
        "nextfee": f"{higher[0][1]:.4f}" if higher else None,
        "nextvolume": f"{higher[0][0]:.4f}" if higher else None,
    }
