"""Kraken's REST answers as values: the account's orders, fills, money flows, balances, and the instruments.

`Envelope` first, then the type of its result. Amounts are strings there, times seconds with a fraction, which come
as numbers or as strings; both are read exactly. What does not fit is a ContractError.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Protocol, TypeVar

import msgspec

from gal_friday_core.account import FillFacts, Flow, FlowKind, OrderFacts
from gal_friday_core.errors import ContractError
from gal_friday_core.instruments import Instrument
from gal_friday_core.kraken import words
from gal_friday_core.kraken.names import PairNames, asset_name
from gal_friday_core.kraken.wire import Wire, is_sane
from gal_friday_core.money import EXACT, ZERO
from gal_friday_core.payloads import Nanoseconds
from gal_friday_core.times import SECOND_NS

_Answer = TypeVar("_Answer")
_Row_co = TypeVar("_Row_co", covariant=True)
Seconds = Decimal


class Envelope(msgspec.Struct):
    """Every answer; `result` is raw JSON, empty where there is none."""

    error: list[str]
    result: msgspec.Raw = msgspec.Raw(b"")


class ServerTime(Wire, frozen=True):
    unixtime: Seconds


class SystemStatus(Wire, frozen=True):
    """`status` is online, maintenance, cancel_only or post_only."""

    status: str


class PairShape(Wire, frozen=True):
    """One pair of AssetPairs. The last three are absent from old answers, and then nothing is known of them."""

    altname: str
    base: str
    quote: str
    pair_decimals: Annotated[int, msgspec.Meta(ge=0, le=18)]
    lot_decimals: Annotated[int, msgspec.Meta(ge=0, le=18)]
    wsname: str = ""
    ordermin: Decimal | None = None
    costmin: Decimal | None = None
    tick_size: Decimal | None = None
    status: str = "online"
    fees: tuple[tuple[Decimal, Decimal], ...] = ()
    fees_maker: tuple[tuple[Decimal, Decimal], ...] = ()

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.tick_size,)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.ordermin, self.costmin)


class OrderDescription(Wire, frozen=True):
    """`price` is the trigger of an order that has one, and `price2` its limit; elsewhere `price` is the limit."""

    pair: str
    type: str
    ordertype: str
    price: str = "0"
    price2: str = "0"


class OrderShape(Wire, frozen=True):
    """An order of OpenOrders, ClosedOrders or QueryOrders. `price` is the average of its fills."""

    status: str
    opentm: Seconds
    descr: OrderDescription
    vol: Decimal
    vol_exec: Decimal
    cost: Decimal
    price: Decimal
    stopprice: Decimal = ZERO
    limitprice: Decimal = ZERO
    refid: str | None = None
    cl_ord_id: str | None = None
    closetm: Seconds | None = None
    reason: str | None = None
    oflags: str = ""

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (
            *(self.opentm, self.vol, self.vol_exec, self.cost, self.price, self.stopprice, self.limitprice),
            self.closetm,
        )


class OpenOrders(Wire, frozen=True):
    open: dict[str, OrderShape]


class Page(Protocol[_Row_co]):
    """A page of a history, newest first, fifty at most; `count` of all its rows."""

    @property
    def rows(self) -> Mapping[str, _Row_co]: ...

    @property
    def count(self) -> int | None: ...


class ClosedOrders(Wire, frozen=True):
    closed: dict[str, OrderShape]
    count: int | None = None

    @property
    def rows(self) -> Mapping[str, OrderShape]:
        return self.closed


class FillShape(Wire, frozen=True):
    """A fill of TradesHistory. `fee` is told in quote currency."""

    ordertxid: str
    pair: str
    time: Seconds
    type: str
    ordertype: str
    price: Decimal
    cost: Decimal
    fee: Decimal
    vol: Decimal
    maker: bool | None = None
    cl_ord_id: str | None = None

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.price, self.vol)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.time, self.cost)


class TradesHistory(Wire, frozen=True):
    trades: dict[str, FillShape]
    count: int | None = None

    @property
    def rows(self) -> Mapping[str, FillShape]:
        return self.trades


class LedgerShape(Wire, frozen=True):
    """One ledger entry: the balance of `asset` changed by `amount` minus `fee`."""

    type: str
    asset: str
    amount: Decimal
    fee: Decimal
    time: Seconds
    refid: str | None = None
    subtype: str | None = None
    balance: Decimal | None = None

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.time,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_sane(self.amount) and is_sane(self.fee)):
            raise ValueError("a ledger entry of no plausible amount")


class Ledgers(Wire, frozen=True):
    ledger: dict[str, LedgerShape]
    count: int | None = None

    @property
    def rows(self) -> Mapping[str, LedgerShape]:
        return self.ledger


class ExtendedBalance(Wire, frozen=True):
    balance: Decimal
    hold_trade: Decimal = ZERO


class Token(Wire, frozen=True):
    """A websocket token; used within `expires` seconds it lives as long as its connection."""

    token: str
    expires: int


class OrderDescriptionOnly(Wire, frozen=True):
    order: str = ""
    close: str | None = None


class Added(Wire, frozen=True):
    """`txid` is absent where the order was only to be validated."""

    descr: OrderDescriptionOnly = OrderDescriptionOnly()
    txid: tuple[str, ...] = ()


class BatchEntry(Wire, frozen=True):
    """One order of a batch: taken under `txid`, or refused with `error`."""

    txid: str | None = None
    error: str | None = None


class BatchAdded(Wire, frozen=True):
    orders: tuple[BatchEntry, ...]


class Amended(Wire, frozen=True):
    amend_id: str


class Count(Wire, frozen=True):
    """How many orders were cancelled."""

    count: int


class SwitchSet(Wire, frozen=True):
    """When the dead man's switch would fire; "0" when it is off."""

    currentTime: str  # noqa: N815  # the wire's own spelling
    triggerTime: str  # noqa: N815


class FeeStep(Wire, frozen=True):
    """`fee` in per cent."""

    fee: Decimal


class TradeVolume(Wire, frozen=True):
    fees: dict[str, FeeStep] | None = None
    fees_maker: dict[str, FeeStep] | None = None


def read(raw: bytes | msgspec.Raw, wanted: type[_Answer]) -> _Answer:
    """A result of a known form. Raises ContractError in words that say what is wrong.

    They show nothing of the answer, which may hold a token.
    """
    try:
        return msgspec.json.decode(raw, type=wanted, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"not Kraken's {_name(wanted)}: {error}") from None


def nanoseconds(seconds: Decimal) -> Nanoseconds:
    """Exactly; digits beyond the nanosecond are cut.

    >>> nanoseconds(Decimal("1705260547.4728658"))
    1705260547472865800
    """
    return int(EXACT.multiply(seconds, Decimal(SECOND_NS)))


def order_facts(order_id: str, shape: OrderShape, names: PairNames) -> OrderFacts:
    """An order as it is now. The quantity of one placed in quote currency (viqc) is what has been filled so far."""
    order_type = words.order_type(shape.descr.ordertype)
    in_quote = "viqc" in shape.oflags.split(",")
    limit, trigger = _prices(shape)
    return OrderFacts(
        exchange_order_id=order_id,
        trading_pair=names.symbol(shape.descr.pair),
        side=words.side(shape.descr.type),
        order_type=order_type,
        status=words.order_status(shape.status, shape.vol_exec),
        quantity=shape.vol_exec if in_quote else shape.vol,
        filled=shape.vol_exec,
        opened_at=nanoseconds(shape.opentm),
        client_order_id=shape.cl_ord_id,
        parent_exchange_order_id=shape.refid or None,
        average_price=shape.price if shape.vol_exec else None,
        limit_price=limit,
        trigger_price=trigger,
        closed_at=None if shape.closetm is None else nanoseconds(shape.closetm),
        reason=shape.reason or None,
    )


def fill_facts(trade_id: str, shape: FillShape, names: PairNames) -> FillFacts:
    """One fill, by its trade id."""
    pair = names.symbol(shape.pair)
    return FillFacts(
        execution_id=trade_id,
        exchange_order_id=shape.ordertxid,
        trading_pair=pair,
        side=words.side(shape.type),
        order_type=words.order_type(shape.ordertype),
        quantity=shape.vol,
        price=shape.price,
        fee=shape.fee,
        fee_asset=pair.partition("/")[2],
        timestamp=nanoseconds(shape.time),
        client_order_id=shape.cl_ord_id,
        maker=shape.maker,
        cost=shape.cost,
    )


_FLOW_KINDS: dict[str, FlowKind | None] = {
    "trade": None,
    "margin": "ADJUSTMENT",
    "deposit": "DEPOSIT",
    "withdrawal": "WITHDRAWAL",
    "transfer": "TRANSFER",
    "staking": "STAKING",
    "earn": "STAKING",
    "reward": "STAKING",
    "dividend": "STAKING",
}


def flow(ledger_id: str, entry: LedgerShape) -> Flow | None:
    """Money that came or went without a trade; None for a trade's entry, which its fill tells.

    What has no kind of its own here (adjustment, spend, receive, rollover, …) is an ADJUSTMENT: never ignored.
    """
    kind = _FLOW_KINDS.get(entry.type, "ADJUSTMENT")
    if kind is None:
        return None
    return Flow(
        flow_id=ledger_id,
        kind=kind,
        asset=asset_name(entry.asset),
        amount=EXACT.subtract(entry.amount, entry.fee),
        timestamp=nanoseconds(entry.time),
    )


def balances(found: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Totals by our names. Two spellings of one asset add up; staked coins keep their suffix.

    Raises ContractError for an amount that none can be.
    """
    totals: dict[str, Decimal] = {}
    for name, amount in found.items():
        if not is_sane(amount):
            raise ContractError(f"not Kraken's balances: {amount:.20} of {name:.40}")
        own = asset_name(name)
        totals[own] = EXACT.add(totals.get(own, ZERO), amount)
    return totals


def instrument(symbol: str, shape: PairShape) -> Instrument:
    """A pair as the engine trades it. Raises ContractError where its steps make no sense."""
    lot = Decimal(1).scaleb(-shape.lot_decimals)
    return Instrument(
        symbol,
        price_tick=(shape.tick_size or Decimal(1).scaleb(-shape.pair_decimals)).normalize(),
        lot=lot,
        min_quantity=lot if shape.ordermin is None else shape.ordermin,
        min_cost=ZERO if shape.costmin is None else shape.costmin,
        price_decimals=shape.pair_decimals,
        qty_decimals=shape.lot_decimals,
        status=shape.status,
    )


def _prices(shape: OrderShape) -> tuple[Decimal | None, Decimal | None]:
    """Limit and trigger in force. Distances (`+50%`) are no prices: Kraken tells in `stopprice` where they lead."""
    first, second = _price(shape.descr.price), _price(shape.descr.price2)
    kind = shape.descr.ordertype
    if kind.startswith(("stop-loss", "take-profit")):
        limit = second if kind.endswith("-limit") else None
        return limit, shape.stopprice or first
    if kind.startswith("trailing-stop"):
        return shape.limitprice or None, shape.stopprice or None
    return first, None


def _price(text: str) -> Decimal | None:
    if not text or text[0] in "+-#" or text.endswith("%"):
        return None
    try:
        price = Decimal(text)
    except ArithmeticError:
        raise ContractError(f"Kraken gives an order the price {text!r:.40}") from None
    if not is_sane(price) or price < 0:
        raise ContractError(f"Kraken gives an order the price {text!r:.40}")
    return price or None


def _name(wanted: Any) -> str:
    return getattr(wanted, "__name__", str(wanted))
