"""What strands must hold at every instant, judged from the database and from what leaves the trader.

S1 a plan is answered once, with an order to the trader where it was approved, and only there. S2 what a journal says is told
once. S3 a halted decision maker approves no buy. S4 no buy leaves after its plan's time. S5 a role that is halted keeps the
others' buys back, once all is calm. S6 no strand waits then for whoever is there to handle it. S7, which `world` looks at: who
has lost its lease writes nothing that counts.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gal_friday_adapters.strands.records import original_of
from gal_friday_core.events import Event
from gal_friday_core.payloads import TradeSignalApproved
from gal_friday_core.strands.strands import DECISION, EXECUTION, EXECUTION_PLAN, STATE
from gal_friday_core.times import SECOND_NS, from_iso
from gal_friday_live.roles.decision import Decision
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.states import BLOCKS
from gal_friday_live.simulation.calm import SETTLED_NS
from gal_friday_live.simulation.desk.tables import Delivered

LATE_NS = SECOND_NS // 2
"""How much later than its time an order may be on the wire: as much as the trader's clock may be off while it is trusted."""
UNTOLD_NS = SETTLED_NS
"""Longest until a halt that everybody could hear of is heard of."""
WAITS_NS = 20 * SECOND_NS
"""Longest that a strand waits: a claim of who is gone ends after fifteen seconds."""

Violate = Callable[[str, str], None]


class StrandInvariants:
    """`written` hears of each strand as it becomes visible, `sent` of each buy that leaves the trader, by its signal."""

    def __init__(self, violate: Violate, now_ns: Callable[[], int]) -> None:
        self._violate = violate
        self._now_ns = now_ns
        self._known: set[str] = set()
        self._answers: Counter[tuple[str, str]] = Counter()
        self._approved: dict[str, bool] = {}
        self._told: Counter[tuple[str, ...]] = Counter()
        self._expires: dict[str, int] = {}
        self._unheard: dict[tuple[str, str], int] = {}
        self._waits: dict[tuple[str, str], int] = {}
        self._broken: set[str] = set()
        self._decision: Decision | None = None

    def written(self, strand: Mapping[str, Any]) -> None:
        if strand["id"] in self._known:
            return  # its mark
        self._known.add(strand["id"])
        kind, plan = strand["kind"], original_of(strand["tags"])
        if kind in {DECISION, EXECUTION_PLAN} and plan is not None:
            self._answered(kind, plan, strand["dm_decision"])
        elif kind in {EXECUTION, STATE}:
            self._take_told(strand)

    def sent(self, signal_id: str) -> None:
        expires_at = self._expires.get(signal_id)
        if expires_at is None:
            self._violate("S1", f"a buy of signal {signal_id} is sent, which nobody approved")
        elif self._now_ns() > expires_at + LATE_NS:
            late_s = (self._now_ns() - expires_at) / SECOND_NS
            self._violate("S4", f"a buy of signal {signal_id} is sent {late_s:.1f} s after its time")

    def watch(self, decision: Decision | None) -> None:
        """A decision maker has been composed, or is gone."""
        self._decision = decision
        if decision is None:
            return
        decision.base.bus.subscribe("TRADE_SIGNAL_APPROVED", self._on_approved)

    def look(self, roles: Mapping[str, Role], *, calm: bool) -> None:
        """Every second or so: whether each role's halt is known to the others."""
        stand: dict[tuple[str, str], int] = {}
        for of, by in ((of, by) for by in BLOCKS for of in roles if of != by):
            halted, other = roles.get(by), roles[of]
            if not calm or halted is None or not halted.halt.halted:
                continue
            if BLOCKS[halted.module] not in {block["code"] for block in other.gate.blocks()}:
                stand[of, by] = self._unheard.get((of, by), self._now_ns())
        for (of, by), since in stand.items():
            if self._now_ns() - since > UNTOLD_NS:
                self._tell_once("S5", f"{by} is halted, and {of} does not know it")
        self._unheard = stand

    def look_at_inboxes(self, waiting: Iterable[Delivered], *, calm: bool) -> None:
        """Every second or so: strands that nobody handles."""
        now_ns = self._now_ns()
        stand: dict[tuple[str, str], int] = {}
        for row in waiting if calm else ():
            key = row.inbox, str(row.seq)
            stand[key] = self._waits.get(key, now_ns)
            if now_ns - stand[key] > WAITS_NS:
                self._tell_once("S6", f"{row.strand_id} waits for {row.recipient}, who is there")
        self._waits = stand

    def _tell_once(self, promise: str, what: str) -> None:
        if what not in self._broken:
            self._broken.add(what)
            self._violate(promise, what)

    def _answered(self, kind: str, plan: str, said: Mapping[str, Any]) -> None:
        self._answers[kind, plan] += 1
        if self._answers[kind, plan] > 1:
            self._violate("S1", f"plan {plan} has {self._answers[kind, plan]} answers of kind {kind}")
        approved = kind == EXECUTION_PLAN or said["verdict"] == "approved"
        if self._approved.setdefault(plan, approved) != approved:
            self._violate("S1", f"plan {plan} is refused, and sent to the trader")
        if kind == EXECUTION_PLAN:
            self._expires[said["signal_id"]] = from_iso(said["expires_at"])

    def _take_told(self, strand: Mapping[str, Any]) -> None:
        said = strand.get("tr_execution") or strand.get("tr_outcome") or strand["dm_decision"]
        what = (strand["module"], strand["kind"], repr(sorted(said.items(), key=lambda item: str(item[0]))))
        self._told[what] += 1
        if self._told[what] > 1:
            self._violate("S2", f"{strand['module']} tells {self._told[what]} times of {said}")

    def _on_approved(self, event: Event) -> None:
        signal, decision = event.payload, self._decision
        assert isinstance(signal, TradeSignalApproved)
        if decision is not None and signal.side == "BUY" and decision.halt.halted:
            self._violate(
                "S3", f"a buy of {signal.trading_pair} is approved while halted: {decision.halt.reason}"
            )
