"""Walk-forward re-optimisation: settings are chosen on one stretch, and traded on the next, again and again.

Every run begins flat and ends at its window's last bar, its position valued there: no trade spans a border, so
nothing of a test is known where its settings are chosen, and there is nothing to purge.
"""

import msgspec

from gal_friday_core.errors import DataError
from gal_friday_core.times import DAY_NS, to_iso

LEAST_DAYS = 5
"""Of a window: fewer daily returns say nothing."""


class Window(msgspec.Struct, frozen=True):
    """Choose on bars of [train_ns, test_ns), trade on those of [test_ns, end_ns)."""

    train_ns: int
    test_ns: int
    end_ns: int


def windows(
    start_ns: int, end_ns: int, *, train_days: int, test_days: int, anchored: bool = False
) -> list[Window]:
    """Test windows follow each other from `train_days` after the start, on UTC midnights, to the end.

    The last one may be shorter, not below `LEAST_DAYS`. `anchored`: every choice looks back to the start, else
    over `train_days`. Raises DataError where not a single window fits.
    """
    if min(train_days, test_days) < LEAST_DAYS:
        raise DataError(f"windows of {min(train_days, test_days)} days: {LEAST_DAYS} at least say anything")
    first = -(-start_ns // DAY_NS) * DAY_NS
    found = []
    test_ns = first + train_days * DAY_NS
    while end_ns - test_ns >= LEAST_DAYS * DAY_NS:
        train_ns = first if anchored else test_ns - train_days * DAY_NS
        found.append(Window(train_ns, test_ns, min(test_ns + test_days * DAY_NS, end_ns)))
        test_ns += test_days * DAY_NS
    if not found:
        raise DataError(
            f"{to_iso(start_ns)[:16]} to {to_iso(end_ns)[:16]} is too short to choose on {train_days} days and trade "
            f"{LEAST_DAYS} or more: use more history or a shorter --train-days"
        )
    return found
