"""Orders for protection that the venue refuses: how often, what that keeps back, and the halt that it calls for."""

from collections import Counter

from gal_friday_core.brackets import Desk, unprotected
from gal_friday_core.payloads import PotentialHaltTrigger
from gal_friday_live.bus import PubSubManager
from gal_friday_live.trading_gate import TradingGate

CODE = "UNPROTECTED"
SOURCE = "ProtectionKeeper"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0
"""Between two tries to place protection that is refused; they double. A venue that comes back, or a disk that has room again,
must not find the position bare for longer than that.
"""


class RefusedProtection:
    """While a position is bare for it, entries of its pair are kept back, and a halt is called for once."""

    def __init__(self, gate: TradingGate, event_bus: PubSubManager) -> None:
        self._gate = gate
        self._bus = event_bus
        self._refusals: Counter[str] = Counter()
        self._bare: set[str] = set()

    def count(self, pair: str) -> float:
        """One more was refused; the seconds until the next try."""
        self._refusals[pair] += 1
        return min(FIRST_PAUSE_S * 2.0 ** (self._refusals[pair] - 1), LONGEST_PAUSE_S)

    def any_of(self, pair: str) -> bool:
        return self._refusals[pair] > 0

    def tell(self, pair: str, desk: Desk | None) -> None:
        """Say whether the pair is bare for it, as its desk stands."""
        if desk is None or not unprotected(desk):
            if desk is None or desk.swap is None:
                self._bare.discard(pair)
                self._gate.clear(CODE, pair=pair)
            if desk is not None and desk.sells.stops:
                del self._refusals[pair]
            return
        why = f"{desk.free} of {pair} has no stop: {self._refusals[pair]} orders for it were refused"
        self._gate.block(CODE, why, pair=pair)
        if pair not in self._bare:
            self._bare.add(pair)
            call_for_halt(self._bus, CODE, pair, why)


def call_for_halt(event_bus: PubSubManager, code: str, pair: str, why: str) -> None:
    """Tell who decides that a pair's protection is not what it should be."""
    trigger = PotentialHaltTrigger(reason=code, source=SOURCE, details={"pair": pair, "why": why})
    event_bus.emit("POTENTIAL_HALT_TRIGGER", trigger, source=SOURCE)
