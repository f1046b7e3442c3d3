"""Which variant a unit belongs to: a keyed hash, so that it is the same for ever and nobody can foresee it.

A unit names what must not change sides, such as a pair's bar or day. The key belongs to one experiment, so
that two experiments over the same units do not go hand in hand.
"""

from collections.abc import Sequence
from hashlib import blake2b

Shares = Sequence[tuple[str, float]]


def place(key: str, unit: str) -> float:
    """A number in [0, 1), even over units.

    >>> place("k", "BTC/USD@1") == place("k", "BTC/USD@1") != place("k", "BTC/USD@2")
    True
    """
    digest = blake2b(unit.encode(), digest_size=8, key=key.encode()[:64]).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53


def assign(key: str, unit: str, shares: Shares) -> str:
    """The variant that serves the unit; with the same shares always the same.

    >>> assign("k", "BTC/USD@1", [("a", 1.0), ("b", 0.0)])
    'a'
    """
    rest = place(key, unit)
    for name, share in shares:
        if rest < share:
            return name
        rest -= share
    return next(name for name, share in reversed(shares) if share > 0)  # what rounding left over
