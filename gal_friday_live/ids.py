"""Identifiers: unique ones for event instances, derived ones for logical events.

A derived id is a function of what it names, so that a backtest and a replay of the same market give the
same orders the same names.
"""

import hashlib
import secrets
import uuid
from collections.abc import Callable
from itertools import count
from operator import itemgetter

_NAMESPACE = uuid.UUID("6f9c1c2e-6b0e-5d51-9a0d-3f1a7f0c6a11")
_SEED = hashlib.sha1(_NAMESPACE.bytes, usedforsecurity=False)
_FIELDS = itemgetter(slice(8), slice(8, 12), slice(13, 16), 16, slice(17, 20), slice(20, 32))
_VARIANT = {digit: f"{int(digit, 16) & 0x3 | 0x8:x}" for digit in "0123456789abcdef"}


def derived(*parts: str) -> str:
    """The UUID (version 5) of a logical event.

    >>> derived("order", "signal-1") == derived("order", "signal-1") != derived("order", "signal-2")
    True
    """
    digest = _SEED.copy()
    digest.update("\x1f".join(parts).encode())
    low, middle, high, variant, clock, node = _FIELDS(digest.hexdigest())
    # As `uuid.uuid5` would, without making a UUID first: an order's id is on the way from signal to exchange.
    return f"{low}-{middle}-5{high}-{_VARIANT[variant]}{clock}-{node}"


class SequentialIds:
    """Event ids `<prefix>-<n>` in UUID form; two runs with the same prefix give the same ids.

    >>> SequentialIds(7).next_id()
    '00000000-0000-8000-8700-000000000000'
    """

    def __init__(self, prefix: int = 0) -> None:
        high = f"{prefix & 0xFFFF_FFFF_FFFF_FFFF:016x}"
        # UUID version 8: sixteen hexadecimal digits of prefix, then a counter.
        form = f"{high[:8]}-{high[8:12]}-8{high[12:15]}-8{high[15]}00-%012x"
        # Each event has one: formatted and counted without a step of Python.
        self.next_id: Callable[[], str] = map(form.__mod__, count()).__next__

    derived = staticmethod(derived)


def random_ids() -> SequentialIds:
    """Ids under a random 64-bit prefix: unique to this process, at the price of a counter."""
    return SequentialIds(secrets.randbits(64))
