"""What an order of an earlier run has asked of the matching engine, as far as the journal tells.

Kraken counts on while no engine runs. An engine that began to count at nothing would ask too much of a pair that the
one before it had worked hard.
"""

from gal_friday_core.blotter import OrderRecord
from gal_friday_core.kraken.rate_counters import points


def requests(record: OrderRecord, now_ns: int) -> list[tuple[int, int]]:
    """How long ago, in nanoseconds, and for how many points. `now_ns` is the clock that stamps orders.

    An order that was cancelled counts as if we had asked for that; one whose quantity or prices changed, as amended
    once at the dearest. A clock that was set back since makes requests young.
    """
    order, end_ns = record.order, record.updated_at
    costs = [(order.created_at, points("add", 0))]
    if _was_amended(record):
        costs.append((end_ns, points("amend", 0)))
    if record.status in ("CANCELED", "PENDING_CANCEL"):
        costs.append((end_ns, points("cancel", max(end_ns - order.created_at, 0))))
    return [(max(now_ns - asked_ns, 0), cost) for asked_ns, cost in costs]


def _was_amended(record: OrderRecord) -> bool:
    order = record.order
    return (record.quantity, record.limit_price, record.trigger_price) != (
        order.quantity, order.limit_price, order.trigger_price
    )  # fmt: skip
