"""Whether anybody buys: told by what was sold at market, or triggered, and ended all the same."""

from collections import Counter

from gal_friday_core.blotter import OrderRecord
from gal_friday_core.times import SECOND_NS

STILLBORN_NS = 2 * SECOND_NS
"""Protection that ends unfilled so soon was triggered where nobody buys."""
FUTILE = 2
"""In a row: a third would end as two did."""


class Buyers:
    """Counts by pair the orders in a row that found no buyer."""

    def __init__(self) -> None:
        self._futile: Counter[str] = Counter()

    def are_gone(self, pair: str) -> bool:
        return self._futile[pair] >= FUTILE

    def try_again(self, pair: str) -> None:
        """Protection gives way to a sale, or is placed anew: what was learnt is old."""
        self._futile.pop(pair, None)

    def judge(self, pair: str, record: OrderRecord, *, asked: bool) -> bool:
        """Take in protection of ours that ended, `asked` to end or not. Whether the next try should wait: it failed too."""
        order = record.order
        if order.order_type == "MARKET" and record.filled < record.quantity:
            self._futile[pair] = FUTILE  # it took all that was bid for
        elif record.filled or record.rested_ns >= STILLBORN_NS:
            self._futile.pop(pair, None)
        elif not asked:
            self._futile[pair] += 1
        return self._futile[pair] > FUTILE
