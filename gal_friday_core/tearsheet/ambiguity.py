"""Bars in which both the stop and the target of a trade were reached, so that their order is not known.

The simulated exchange takes the stop first, as the label does. What that may have cost is counted here: each such
trade told again with the target instead.
"""

from decimal import Decimal

import msgspec

from gal_friday_core.money import ZERO, fee_of, value_of
from gal_friday_core.orders import Order
from gal_friday_core.payloads import ExecutionReport
from gal_friday_core.protection import stop_id
from gal_friday_core.tearsheet.costs import asked_price
from gal_friday_core.tearsheet.record import RunRecord, closed_by


class Ambiguity(msgspec.Struct, frozen=True, kw_only=True):
    """`trades` ended in such a bar, of `stopped` that ended by their stop; `signals` names them. `at_stake` is by how
    much more they had earned at their targets, in quote currency: at most that much is pessimism.
    """

    stopped: int
    trades: int
    at_stake: str
    signals: tuple[str, ...]


def ambiguity(run: RunRecord) -> Ambiguity:
    """Of every trade that ended by its stop inside a bar. A gap through the stop at the open leaves no doubt."""
    stops = [fill for fill in run.fills if fill.order_type == "STOP_LOSS"]
    entered = {fill.client_order_id: fill.timestamp_exchange for fill in run.fills}
    by_stop = {stop_id(key): entry for key, entry in run.entries.items() if key in entered}
    found = [
        (fill, entry)
        for fill in stops
        for entry in [by_stop.get(fill.client_order_id)]
        if entry is not None
        and fill.timestamp_exchange > entered[entry.client_order_id]
        and _both_reached(fill, entry, run)
    ]
    return Ambiguity(
        stopped=len({fill.client_order_id for fill in stops}),
        trades=len({entry.client_order_id for _, entry in found}),
        at_stake=str(sum((_forgone(fill, entry, run.costs.taker_fee) for fill, entry in found), ZERO)),
        signals=tuple(dict.fromkeys(entry.signal_id for _, entry in found)),
    )


def _both_reached(fill: ExecutionReport, entry: Order, run: RunRecord) -> bool:
    """Inside a bar a stop meets its trigger; one that was jumped over, the open. Recorded trades leave nothing open."""
    stop, target = entry.stop_price, entry.target_price
    note = run.notes.fills.get(fill.execution_id or "")
    if note is not None and note.recorded:
        return False
    if stop is None or target is None or asked_price(fill, run.costs, run.notes) != stop:
        return False
    bars = run.bars[fill.trading_pair]
    row = closed_by(bars, fill.timestamp_exchange)
    reached = bars.low[row] <= float(stop) < bars.open[row] and bars.high[row] >= float(target)
    return bool(reached)


def _forgone(fill: ExecutionReport, entry: Order, taker_fee: Decimal) -> Decimal:
    """What the target had brought more than the stop did, both after their fees."""
    quantity = fill.last_quantity or ZERO
    won = value_of(quantity, entry.target_price or ZERO)
    lost = value_of(quantity, fill.last_price or ZERO)
    return (won - fee_of(won, taker_fee)) - (lost - (fill.commission or ZERO))
