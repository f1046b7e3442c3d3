"""What Kraken's private websocket v2 says, as typed messages. Entry point: `decode`.

The rules of `wire` hold: Decimals with the digits of the wire, times in nanoseconds UTC, nothing that is not
plausible gets in (ContractError). Events of `executions` are sparse: None means that the event does not say, so a
receiver merges it into what it knows. Public messages (status, heartbeat, pong, acknowledgements) are `wire`'s.
"""

from decimal import Decimal
from typing import Annotated, Any

import msgspec

from gal_friday_core.errors import ContractError
from gal_friday_core.kraken import wire
from gal_friday_core.kraken.wire import Count, Timestamp, Type, Wire, decoder, is_sane

_SHOWN = 80
OrderId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Amounts(Wire, frozen=True):
    """`signed` names the numbers that may be negative."""

    def signed(self) -> tuple[Decimal | None, ...]:
        return ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for number in self.signed():
            if number is not None and not is_sane(number):
                raise ValueError(f"{number:.20} is no plausible amount")


class Fee(_Amounts, frozen=True):
    asset: str
    qty: Decimal

    def signed(self) -> tuple[Decimal | None, ...]:
        return (self.qty,)


class Triggers(_Amounts, frozen=True):
    """`price` as asked for, `actual_price` in force now, `peak_price` what a trailing stop trails."""

    reference: str | None = None
    price: Decimal | None = None
    price_type: str | None = None
    actual_price: Decimal | None = None
    peak_price: Decimal | None = None
    last_price: Decimal | None = None
    status: str | None = None
    timestamp: Timestamp | None = None

    def signed(self) -> tuple[Decimal | None, ...]:
        return (self.price,)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (self.actual_price, self.peak_price, self.last_price)


class Execution(_Amounts, frozen=True):
    """One event of one order. A fill is an event with `exec_type` trade, and counts once by its `exec_id`.

    `order_status` of the last fill may still be partially_filled; `filled` follows by itself and repeats no
    quantity. `ord_ref_id` names the order that made this one (conditional close).
    """

    order_id: OrderId
    exec_type: str
    timestamp: Timestamp
    order_status: str | None = None
    cl_ord_id: str | None = None
    order_userref: int | None = None
    ord_ref_id: str | None = None
    symbol: str | None = None
    side: wire.Side | None = None
    order_type: str | None = None
    order_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    cum_cost: Decimal | None = None
    avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    limit_price_type: str | None = None
    time_in_force: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    margin: bool | None = None
    display_qty: Decimal | None = None
    effective_time: Timestamp | None = None
    expire_time: Timestamp | None = None
    exec_id: OrderId | None = None
    trade_id: Count | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    cost: Decimal | None = None
    liquidity_ind: str | None = None
    fees: tuple[Fee, ...] = ()
    fee_ccy_pref: str | None = None
    triggers: Triggers | None = None
    ratecount: Decimal | None = None
    amended: bool | None = None
    liquidated: bool | None = None
    reason: str | None = None

    def signed(self) -> tuple[Decimal | None, ...]:
        return (self.limit_price,)

    def unsigned(self) -> tuple[Decimal | None, ...]:
        return (
            *(self.order_qty, self.cash_order_qty, self.cum_qty, self.cum_cost, self.avg_price),
            *(self.display_qty, self.cost, self.ratecount),
        )

    def positive(self) -> tuple[Decimal | None, ...]:
        return (self.last_qty, self.last_price)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exec_type == "trade" and None in {self.exec_id, self.last_qty, self.last_price}:
            raise ValueError(f"fill of order {self.order_id} without id, quantity or price")


class Wallet(_Amounts, frozen=True):
    balance: Decimal
    type: str = ""
    id: str = ""

    def signed(self) -> tuple[Decimal | None, ...]:
        return (self.balance,)


class Balance(_Amounts, frozen=True):
    """An asset's total in a snapshot, or with `amount` and `ledger_id` one ledger entry and the total after it.

    The two entries of a trade share a `ref_id`, its exec_id. `type` is the ledger's: trade, deposit, ….
    """

    asset: str
    balance: Decimal
    amount: Decimal | None = None
    fee: Decimal | None = None
    ledger_id: str | None = None
    ref_id: str | None = None
    type: str | None = None
    subtype: str | None = None
    category: str | None = None
    wallet_type: str | None = None
    wallet_id: str | None = None
    wallets: tuple[Wallet, ...] = ()
    timestamp: Timestamp | None = None

    def signed(self) -> tuple[Decimal | None, ...]:
        return (self.balance, self.amount, self.fee)


class ExecutionsMessage(Wire, frozen=True):
    """`sequence` counts up by one for each message of the subscription, from 1."""

    type: Type
    data: tuple[Execution, ...]
    sequence: Count


class BalancesMessage(Wire, frozen=True):
    type: Type
    data: tuple[Balance, ...]
    sequence: Count


class BatchItem(Wire, frozen=True):
    """What became of one order of a batch; without `success` an order id says that it was taken."""

    order_id: str | None = None
    cl_ord_id: str | None = None
    error: str | None = None
    success: bool | None = None

    @property
    def accepted(self) -> bool:
        return self.order_id is not None and self.error is None and self.success is not False


class Result(Wire, frozen=True):
    """What an order method gives back, whichever it was; fields of other methods are None."""

    order_id: str | None = None
    cl_ord_id: str | None = None
    amend_id: str | None = None
    count: int | None = None
    orders: tuple[BatchItem, ...] = ()
    currentTime: str | None = None  # noqa: N815  # the wire's own spelling
    triggerTime: str | None = None  # noqa: N815
    warnings: tuple[str, ...] | None = None


class Response(Wire, frozen=True):
    """The answer to an order method. Accepted means by the exchange's front: what becomes of it, executions tell.

    One comes for each order of a cancel_order. `batch_add` may give its items bare or under `orders`: read `items`.
    """

    method: str
    success: bool
    req_id: int | None = None
    result: Result | tuple[BatchItem, ...] | None = None
    error: str | None = None
    orders_cancelled: int | None = None
    time_in: Timestamp | None = None
    time_out: Timestamp | None = None

    @property
    def order_id(self) -> str | None:
        return self.result.order_id if isinstance(self.result, Result) else None

    @property
    def items(self) -> tuple[BatchItem, ...]:
        """The orders of a batch, in the order of the request."""
        if isinstance(self.result, Result):
            return self.result.orders
        return self.result or ()

    @property
    def cancelled(self) -> int | None:
        """How many orders a cancel_all or batch_cancel ended, where it says so."""
        if isinstance(self.result, Result) and self.result.count is not None:
            return self.result.count
        return self.orders_cancelled


PrivateMessage = ExecutionsMessage | BalancesMessage | Response | wire.Message


class _Head(msgspec.Struct):
    channel: str | None = None
    method: str | None = None


_HEAD = decoder(_Head)
_CHANNELS = {"executions": decoder(ExecutionsMessage), "balances": decoder(BalancesMessage)}
_RESPONSE = decoder(Response)
METHODS = frozenset(
    (
        *("add_order", "amend_order", "edit_order", "cancel_order", "cancel_all", "cancel_all_orders_after"),
        *("batch_add", "batch_cancel"),
    )
)


def decode(raw: bytes | bytearray | memoryview) -> PrivateMessage:
    """One message of the private wire. Raises ContractError in words that say what is wrong, and with how it begins."""
    try:
        found = _decoder_of(raw)
        return wire.decode(raw) if found is None else found.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"not a Kraken message: {error} (it begins {bytes(raw[:_SHOWN])!r})") from None


def _decoder_of(raw: bytes | bytearray | memoryview) -> msgspec.json.Decoder[Any] | None:
    """Whoever reads it here; None where it is the public wire's."""
    head = _HEAD.decode(raw)
    if head.channel is not None:
        return _CHANNELS.get(head.channel)
    return _RESPONSE if head.method in METHODS else None
