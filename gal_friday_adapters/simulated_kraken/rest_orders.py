"""REST order parameters as requests to the venue (`ordertype`, `volume`, `price`, `oflags` … by Kraken's guide)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast, get_args

from gal_friday_adapters.simulated_kraken.fields import Fields
from gal_friday_adapters.simulated_kraken.names import Directory
from gal_friday_core.errors import ContractError, ExchangeError
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.error_texts import UNKNOWN_PAIR, invalid
from gal_friday_core.venue.listings import Listing
from gal_friday_core.venue.orders import TRIGGERED_TYPES
from gal_friday_core.venue.prices import lies_above, parse_price
from gal_friday_core.venue.requests import (
    AddOrder,
    AmendOrder,
    BatchAdd,
    BatchCancel,
    CancelOrder,
    Conditional,
    EditOrder,
    OrderType,
    PriceType,
    Reference,
    SelfTrade,
    Side,
    TimeInForce,
)

_SIDES = frozenset(get_args(Side))
_TYPES = frozenset(get_args(OrderType))
_TIMES_IN_FORCE = frozenset(get_args(TimeInForce))
_REFERENCES = frozenset(get_args(Reference))
_SELF_TRADE = frozenset(get_args(SelfTrade))
_FLAGS = frozenset(("post", "fcib", "fciq", "nompp", "viqc", ""))
USERREF_DIGITS = frozenset("-0123456789")


def unfolded(values: Mapping[str, Any]) -> dict[str, Any]:
    """`close[price]=1` as `{"close": {"price": "1"}}`: form bodies spell nested fields with brackets.

    >>> unfolded({"pair": "XBTUSD", "close[price]": "1"})
    {'pair': 'XBTUSD', 'close': {'price': '1'}}
    """
    nested: dict[str, Any] = {}
    for name, value in values.items():
        outer, bracket, inner = name.partition("[")
        if bracket and inner.endswith("]"):
            section = nested.setdefault(outer, {})
            if not isinstance(section, dict):
                raise ExchangeError(invalid(outer))
            section[inner[:-1]] = value
        else:
            nested[name] = value
    return nested


def one_of(fields: Fields, name: str, known: frozenset[str], default: str | None = None) -> str:
    """A word of a fixed list. Raises ExchangeError with the refusal where it is another."""
    if default is not None and name not in fields:
        return default
    word = fields.text(name)
    if word not in known:
        raise ExchangeError(invalid(name))
    return word


class RestOrders:
    """Reads order requests; every method raises ExchangeError with the refusal to send."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def listing(self, fields: Fields) -> Listing:
        listing = self._directory.pair(fields.text("pair"))
        if listing is None:
            raise ExchangeError(UNKNOWN_PAIR)
        return listing

    def add(self, fields: Fields, now_ns: int, symbol: str | None = None) -> AddOrder:
        order_type = cast("OrderType", one_of(fields, "ordertype", _TYPES))
        flags = frozenset(fields.texts("oflags"))
        if not flags <= _FLAGS:
            raise ExchangeError(invalid("oflags"))
        volume = fields.number("volume")
        in_quote = "viqc" in flags
        side = cast("Side", one_of(fields, "type", _SIDES))
        limit, trigger = _prices(fields, order_type, side)
        return AddOrder(
            symbol=symbol or self.listing(fields).symbol,
            side=side,
            order_type=order_type,
            order_qty=None if in_quote else volume,
            cash_order_qty=volume if in_quote else None,
            limit_price=limit[0],
            limit_price_type=limit[1],
            trigger_price=trigger[0],
            trigger_price_type=trigger[1],
            trigger_reference=cast("Reference", one_of(fields, "trigger", _REFERENCES, "last")),
            display_qty=fields.optional_number("displayvol"),
            time_in_force=_time_in_force(fields),
            expire_time=fields.unix_time("expiretm", now_ns),
            effective_time=fields.unix_time("starttm", now_ns),
            deadline=fields.iso_time("deadline"),
            post_only="post" in flags,
            reduce_only=fields.flag("reduce_only"),
            margin=_leveraged(fields),
            fee_preference="base" if "fcib" in flags else "quote",
            stp_type=_self_trade(fields),
            cl_ord_id=fields.optional_text("cl_ord_id"),
            order_userref=fields.userref("userref"),
            conditional=_conditional(fields.section("close"), side),
            validate=fields.flag("validate"),
        )

    def add_batch(self, fields: Fields, now_ns: int) -> BatchAdd:
        symbol = self.listing(fields).symbol
        orders = tuple(self.add(order, now_ns, symbol) for order in fields.sections("orders"))
        return BatchAdd(
            symbol=symbol,
            orders=orders,
            deadline=fields.iso_time("deadline"),
            validate=fields.flag("validate"),
        )

    def amend(self, fields: Fields) -> AmendOrder:
        limit = _price(fields, "limit_price", "buy")
        trigger = _price(fields, "trigger_price", "buy")
        return AmendOrder(
            order_id=fields.optional_text("txid"),
            cl_ord_id=fields.optional_text("cl_ord_id"),
            order_qty=fields.optional_number("order_qty"),
            display_qty=fields.optional_number("display_qty"),
            limit_price=limit[0],
            limit_price_type=limit[1],
            trigger_price=trigger[0],
            trigger_price_type=trigger[1],
            post_only=fields.flag("post_only"),
            deadline=fields.iso_time("deadline"),
        )

    def edit(self, fields: Fields, asked: AddOrder) -> EditOrder:
        """`asked` is the order to change: its type says what `price` and `price2` mean."""
        limit, trigger = _prices(fields, asked.order_type, asked.side)
        flags = fields.texts("oflags")
        return EditOrder(
            order_id=fields.text("txid"),
            symbol=self.listing(fields).symbol,
            order_qty=fields.optional_number("volume"),
            display_qty=fields.optional_number("displayvol"),
            limit_price=limit[0],
            limit_price_type=limit[1],
            trigger_price=trigger[0],
            trigger_price_type=trigger[1],
            post_only="post" in flags if flags else None,
            order_userref=fields.userref("userref"),
            deadline=fields.iso_time("deadline"),
            validate=fields.flag("validate"),
        )

    def cancel(self, fields: Fields) -> CancelOrder:
        """`txid` may hold an order id or a userref (Kraken's guide)."""
        named = fields.texts("txid")
        client_ids = fields.texts("cl_ord_id")
        if not named and not client_ids:
            raise ExchangeError(invalid("txid"))
        order_ids, userrefs = split_ids(named)
        return CancelOrder(order_id=order_ids, cl_ord_id=client_ids, order_userref=userrefs)

    def cancel_batch(self, fields: Fields) -> BatchCancel | CancelOrder:
        order_ids, userrefs = split_ids(fields.texts("orders"))
        client_ids = fields.texts("cl_ord_ids")
        if userrefs:
            return CancelOrder(order_id=order_ids, cl_ord_id=client_ids, order_userref=userrefs)
        return BatchCancel(order_id=order_ids, cl_ord_id=client_ids)


def split_ids(named: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Order ids and userrefs, which share a field.

    >>> split_ids(("OL7LNO-R4SAD-6UINEU", "123"))
    (('OL7LNO-R4SAD-6UINEU',), (123,))
    """
    userrefs = tuple(
        int(name) for name in named if set(name) <= USERREF_DIGITS and name.lstrip("-").isdigit()
    )
    return tuple(name for name in named if not set(name) <= USERREF_DIGITS), userrefs


_Priced = tuple[Decimal | None, PriceType]
_NO_PRICE: _Priced = (None, "static")


def _price(fields: Fields, name: str, side: Side, *, above: bool | None = None) -> _Priced:
    if name not in fields:
        return _NO_PRICE
    try:
        return parse_price(fields.text(name), side, above=above)
    except ContractError:
        raise ExchangeError(invalid(name)) from None


def _prices(fields: Fields, order_type: str, side: Side) -> tuple[_Priced, _Priced]:
    """`price` is the trigger of a triggered order and `price2` its limit; elsewhere `price` is the limit."""
    if order_type not in TRIGGERED_TYPES:
        return _price(fields, "price", side), _price(fields, "price2", side)
    trigger = _price(fields, "price", side, above=lies_above(order_type, side))
    return _price(fields, "price2", side), trigger


def _time_in_force(fields: Fields) -> TimeInForce:
    word = fields.text("timeinforce").lower() if "timeinforce" in fields else "gtc"
    if word == "po":
        return "gtc"  # ccxt sends it beside oflags=post
    if word not in _TIMES_IN_FORCE:
        raise ExchangeError(invalid("timeinforce"))
    return cast("TimeInForce", word)


def _self_trade(fields: Fields) -> SelfTrade:
    word = fields.text("stptype").replace("-", "_") if "stptype" in fields else "cancel_newest"
    if word not in _SELF_TRADE:
        raise ExchangeError(invalid("stptype"))
    return cast("SelfTrade", word)


def _leveraged(fields: Fields) -> bool:
    return "leverage" in fields and fields.text("leverage") not in {"none", "0", "1"}


def _conditional(fields: Fields | None, side: Side) -> Conditional | None:
    """The close order lies on the other side."""
    if fields is None:
        return None
    order_type = cast("OrderType", one_of(fields, "ordertype", _TYPES))
    limit, trigger = _prices(fields, order_type, "sell" if side == "buy" else "buy")
    return Conditional(
        order_type=order_type,
        limit_price=limit[0],
        limit_price_type=limit[1],
        trigger_price=trigger[0],
        trigger_price_type=trigger[1],
    )


def switch_seconds(fields: Fields) -> int:
    """Seconds of the dead man's switch. Raises ExchangeError beyond a day."""
    seconds = fields.integer("timeout")
    if not 0 <= seconds * SECOND_NS < 86_400 * SECOND_NS:
        raise ExchangeError(invalid("timeout"))
    return seconds
