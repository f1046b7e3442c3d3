"""One comparison of the account from its first reading to its last: what was seen, done, and is left."""

from collections import Counter
from typing import Any, Final

import msgspec

from gal_friday_core.config import ReconciliationConfig
from gal_friday_core.payloads import Reconciliation
from gal_friday_core.reconciliation import Discrepancy
from gal_friday_live.account_reader import Reading

TYPE: Final = "PORTFOLIO"
_NEEDS_PROOF: Final = frozenset({"ADJUST", "HALT", "END_ORDER"})
"""What is believed only when several steady readings in a row say the same; for a trifle two are enough."""


class ReconciliationRun:
    """`clean` once a reading shows no difference; `is_exhausted` after enough that nothing was done about."""

    def __init__(self, cause: str, started_ns: int, settings: ReconciliationConfig) -> None:
        self.cause = cause
        self.started_ns = started_ns
        self.readings = 0
        self._settings = settings
        self._idle = 0
        self._seen: Counter[tuple[str | None, ...]] = Counter()
        self._all: dict[tuple[str | None, ...], Discrepancy] = {}
        self._left: tuple[Discrepancy, ...] = ()
        self._actions: list[dict[str, Any]] = []
        self._reading: Reading | None = None
        self._halted = False
        self._failure = ""

    @property
    def clean(self) -> bool:
        return self._reading is not None and not self._left and not self._failure

    @property
    def is_over(self) -> bool:
        """Nothing is left to be done, or nothing that a machine may do."""
        return self.clean or self._halted

    @property
    def is_exhausted(self) -> bool:
        """Whether reading again now could show nothing else: what waits for the market is not waited for here."""
        for_the_market = all(found.kind == "COINS_WITHOUT_PRICE" for found in self._left)
        return self._halted or for_the_market or self._idle >= self._settings.readings

    @property
    def problem(self) -> str:
        """What stands between this and a clean end, in words."""
        return self._failure or "; ".join(found.text for found in self._left) or "the line was lost meanwhile"

    def see(self, reading: Reading, found: tuple[Discrepancy, ...]) -> None:
        """Take in one reading. What it no longer shows, or shows otherwise, begins anew."""
        self.readings += 1
        self._idle += 1
        self._reading, self._left = reading, found
        now = {item.signature: item for item in found}
        self._all |= now
        if reading.steady:
            self._seen = Counter({key: self._seen[key] + 1 for key in now})
        else:
            self._seen.clear()

    def may_act_on(self, found: Discrepancy, *, steady: bool) -> bool:
        if found.resolution == "WAIT":
            return False
        if found.resolution not in _NEEDS_PROOF:
            return True
        needed = 2 if found.resolution == "ADJUST" else self._settings.confirmations
        return steady and self._seen[found.signature] >= needed

    def did(self, found: Discrepancy) -> None:
        self._idle = 0
        self._actions.append({"action": found.resolution, "kind": found.kind, "text": found.text})

    def halted_by(self, found: Discrepancy) -> None:
        """What nothing explains: somebody must look."""
        self._halted = True
        self._actions.append({"action": "HALT", "kind": found.kind, "text": found.text})

    def fail(self, why: str) -> None:
        """The account could not be read to the end."""
        self._failure = why

    def told(self) -> Reconciliation:
        """The event (000 §3.14): every difference that any reading showed, and what was done."""
        return Reconciliation(
            reconciliation_type=TYPE,
            status=self._status(),
            discrepancies=tuple(plain(found) for found in self._all.values()),
            internal_state=self._internal(),
            exchange_state=self._external(),
            resolution_actions=tuple(self._actions) or None,
        )

    def record(self, *, clean: bool, finished_ns: int) -> dict[str, Any]:
        """The journal's line."""
        return {
            "cause": self.cause,
            "clean": clean,
            "started_ns": self.started_ns,
            "finished_ns": finished_ns,
            "readings": self.readings,
            "problem": "" if clean else self.problem,
        } | plain(self.told())

    def _status(self) -> str:
        if self._failure:
            return "FAILED"
        if self._left:
            return "DISCREPANCY_FOUND"
        return "RESOLVED" if self._all else "CLEAN"

    def _internal(self) -> dict[str, Any]:
        if self._reading is None:
            return {}
        ours = self._reading.ours
        return {"open_orders": len(ours.orders), "balances": _texts(ours.balances)}

    def _external(self) -> dict[str, Any]:
        if self._reading is None:
            return {}
        theirs = self._reading.theirs
        return {
            "open_orders": len(theirs.open_orders),
            "fills": len(theirs.fills),
            "flows": len(theirs.flows),
            "balances": _texts(theirs.balances),
        }


def _texts(amounts: dict[str, Any]) -> dict[str, str]:
    return {asset: str(amount) for asset, amount in amounts.items()}


def plain(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as JSON would give it back."""
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found
