"""Stops that the market has passed: each is gone by then. Where no report says so, the venue is asked."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from gal_friday_core.blotter import OrderRecord


class PassedStops:
    """Calls `ask` with a stop's client order id where the bid was below its trigger at two looks in a row.

    A report that is lost as the last one of its line leaves no gap in the numbers behind it: nothing else would tell
    before the account is compared, and until then the position has no stop.
    """

    def __init__(self, ask: Callable[[str], None]) -> None:
        self._ask = ask
        self._passed: dict[str, frozenset[str]] = {}

    def look(
        self, pair: str, stops: Iterable[OrderRecord], trigger: Decimal | None, best_bid: Decimal | None
    ) -> None:
        """Every so often, with the pair's open stops, the price at which they sell, and what is bid now, None for unknown."""
        before = self._passed.pop(pair, frozenset())
        if trigger is None or best_bid is None or best_bid >= trigger:
            return
        passed = frozenset(record.order.client_order_id for record in stops)
        for client_order_id in sorted(passed & before):
            self._ask(client_order_id)
        self._passed[pair] = passed
