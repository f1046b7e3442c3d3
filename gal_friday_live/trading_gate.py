"""What keeps entries from being sent at this moment: one place that everybody may read at any instant."""

ALL = ""
"""The pair of a block that stands for every pair."""


class TradingGate:
    """Blocks by code and pair. Whoever sets a block clears it; orders that only reduce are never blocked here.

    Codes: RECONCILING, EXCHANGE_DISCONNECTED, LEASE_LOST, ORDER_UNKNOWN, UNPROTECTED, NOT_WARM, CLOCK_OFFSET,
    CLOCK_UNKNOWN, STORAGE_DOWN, DISK_FULL, LOOP_LAG, MEMORY; of another role of a split engine TRADER_HALTED and
    DECISION_HALTED.

    >>> gate = TradingGate()
    >>> gate.block("ORDER_UNKNOWN", "order 1 has no answer", pair="BTC/USD")
    >>> gate.why("BTC/USD"), gate.why("ETH/USD")
    (('ORDER_UNKNOWN', 'order 1 has no answer'), None)
    """

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, str], str] = {}

    def block(self, code: str, why: str, *, pair: str = ALL) -> None:
        """Keep entries back until `clear`; a second call only changes the reason."""
        self._blocks[(pair, code)] = why

    def clear(self, code: str, *, pair: str = ALL) -> None:
        self._blocks.pop((pair, code), None)

    def why(self, pair: str) -> tuple[str, str] | None:
        """Code and reason of the first block on the pair or on all, or None where entries may pass."""
        if not self._blocks:
            return None
        for (blocked, code), reason in self._blocks.items():
            if blocked in (ALL, pair):
                return code, reason
        return None

    def blocks(self) -> list[dict[str, str]]:
        """All that stand, oldest first, for a screen."""
        return [{"pair": pair, "code": code, "why": why} for (pair, code), why in self._blocks.items()]
