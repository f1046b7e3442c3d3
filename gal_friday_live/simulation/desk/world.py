"""One seed, one world with a split engine in it: trader, decision maker, and one or two alphas, each a life of its own.

What must hold at every instant is what must hold of a whole engine, asked of the trader and of the exchange; in the end
everything that the drill of real processes compares must agree too.
"""

import asyncio
import contextvars
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.rest_memory import RestMemory
from gal_friday_core.journal import JournalLine
from gal_friday_live.bus import PubSubManager
from gal_friday_live.execution_handler import ExecutionHandler
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.protection_keeper import ProtectionKeeper
from gal_friday_live.reconciliation_service import ReconciliationService
from gal_friday_live.roles.decision import Decision
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.trader import Trader
from gal_friday_live.simulation.desk.evidence import evidence
from gal_friday_live.simulation.desk.faults import DeskTroubles, drawn
from gal_friday_live.simulation.desk.invariants import StrandInvariants
from gal_friday_live.simulation.desk.role_life import Chair, RoleLife
from gal_friday_live.simulation.desk.server import Server
from gal_friday_live.simulation.desk.tables import Delivered
from gal_friday_live.simulation.invariants import Invariants
from gal_friday_live.simulation.life import SESSION, Setting
from gal_friday_live.simulation.liveness import WITHIN_S, unwell
from gal_friday_live.simulation.loop import LIFE, WORLD, SimLoop
from gal_friday_live.simulation.page import Page
from gal_friday_live.simulation.present import Limited
from gal_friday_live.simulation.realm import LOOK_S, RESTART_S, Outcome, Plan, Realm
from gal_friday_live.simulation.troubles import Surface
from gal_friday_live.strand_drill.truth import findings
from gal_friday_live.trading_gate import TradingGate

SENDING_S = 0.01
"""An order whose intent was durable when the account was taken may be on its way to the line for so long."""
STANDBY = 0.4
"""Of all worlds have a second process that stands by for one of the roles."""
GONE_AFTER_S = 5.0
"""A machine that is paused for so long is gone, for all it was connected to."""
FENCED = frozenset({"ORDER_INTENT", "EXECUTION_REPORT", "SYSTEM_STATE", "PLAN", "VERDICT"})
"""Kinds that only the holder of the lease may write."""
RESUMED_EVERY_S = 5


@dataclass(frozen=True, kw_only=True)
class TraderView:
    """A trader as the invariants look at engines."""

    bus: PubSubManager
    halt: HaltCoordinator
    gate: TradingGate
    portfolio: PortfolioManager
    execution: ExecutionHandler
    protection: ProtectionKeeper
    reconciliation: ReconciliationService | None
    risk: Limited

    @classmethod
    def of(cls, trader: Trader) -> "TraderView":
        base, trades = trader.base, trader.trades
        return cls(
            bus=base.bus, halt=base.halt, gate=base.gate, portfolio=trader.portfolio, execution=trades.execution,
            protection=trades.protection, reconciliation=trades.reconciliation, risk=trader.budgets,
        )  # fmt: skip


class DeskWorld(Realm):
    """`present` is who sits on each chair, by its name."""

    def __init__(self, plan: Plan, loop: SimLoop) -> None:
        self.present: dict[str, RoleLife] = {}
        self._died: dict[int, asyncio.Event] = {}
        self._all_lives: dict[int, RoleLife] = {}
        super().__init__(plan, loop)
        self.server = Server(loop, chance=self._chance("store"), trace=self.trace, now_ns=self.now_ns)
        invariants = Invariants(self.exchange, self.server, self.config, now_ns=self.now_ns, trace=self.trace)
        self.server.committed_by = self._on_committed
        self._watched_by(invariants, self.server)
        self.strands = StrandInvariants(invariants.violate, self.now_ns)
        self.server.written = self.strands.written
        self.network.sent = self._sent
        loop.after_step = self._after_step
        chance = self._drawing
        self.schedule = tuple(plan.faults) if plan.faults is not None else tuple(drawn(chance, plan.seconds))
        self._setting = Setting(
            loop=loop, network=self.network, store=self.server, listings=self.listings, config=self.config,
            horizon_bars=chance.choice((2, 2, 3)), seed=plan.seed, wall_ns=self._wall_ns, steady_ns=self._steady_ns,
            nonces=Nonces(self._steady_ns), asked=RestMemory("pro", self._steady_ns),
            free_disk_mb=lambda: self.troubles.free_mb, page=self.page,
            model_s=lambda: self.troubles.model_s, switch=None,
        )  # fmt: skip
        self.chairs = self._set_up(two=len(self.listings) > 1 and chance.random() < 0.5)
        self._standby = chance.choice(self.chairs) if chance.random() < STANDBY else None
        self._paused: set[int] = set()
        self._thawed: set[int] = set()  # what they send in the moment in which they go on has a deadline

    @property
    def _markets(self) -> Sequence[int]:
        return (1, 2, 2)

    def _set_up(self, *, two: bool) -> tuple[Chair, ...]:
        chairs = [
            Chair(module="trader", name="trader", listings=self.listings, page=self.page),
            Chair(module="dm", name="dm", listings=self.listings, page=Page()),
        ]
        for name, listings in (
            (("alpha", self.listings[:1]), ("beta", self.listings[1:]))
            if two
            else (("alpha", self.listings),)
        ):
            chairs.append(Chair(module="alpha", name=name, listings=listings, page=Page()))
        return tuple(chairs)

    def _troubles(self, surface: Surface) -> DeskTroubles:
        return DeskTroubles(surface, self, self.server)

    # The course of things

    def _begin(self) -> "Sequence[asyncio.Task[None]]":
        keeping = [self._loop.create_task(self._keep_seated(chair)) for chair in self.chairs]
        if self._standby is not None:
            keeping.append(self._loop.create_task(self._keep_seated(self._standby, standby=True)))
        return keeping

    async def _keep_seated(self, chair: Chair, *, standby: bool = False) -> None:
        """Start a process for a chair, and another one whenever it is gone."""
        if standby:
            await asyncio.sleep(RESTART_S)
        while True:
            self._lives += 1
            life = RoleLife(self._setting, self.server, chair, self._lives, standby=standby)
            self._all_lives[life.number] = life
            died = self._died[life.number] = asyncio.Event()
            context = contextvars.copy_context()
            context.run(LIFE.set, life.number)
            self.trace("world", f"{chair.name} begins as life {life.number}")
            task = self._loop.create_task(life.run(self._wired), context=context)
            waiting = asyncio.ensure_future(died.wait())
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if task.done():
                self._note_end(life, task)
            self._clear_away(life)
            await asyncio.sleep(RESTART_S)

    def _note_end(self, life: RoleLife, task: "asyncio.Task[str]") -> None:
        error = task.exception()
        if error is not None:
            self.invariants.violate("ERROR", f"{life.chair.name} ended by {type(error).__name__}: {error}")
        else:
            self.trace("world", f"{life.chair.name}, life {life.number}: {task.result()}")

    def _clear_away(self, life: RoleLife) -> None:
        """What a process leaves behind when it is gone."""
        self._loop.end(life.number)
        self._unwatch(life)
        self.network.hang_up(life.number)
        self.server.hang_up(life.number)
        del self._all_lives[life.number], self._died[life.number]
        if self.present.get(life.chair.name) is life:
            del self.present[life.chair.name]

    def _wired(self, life: RoleLife) -> None:
        before = self.present.get(life.chair.name)
        if before is not None:
            self._unwatch(before)
        self.present[life.chair.name] = life
        if self._plan.tamper is not None:
            self._plan.tamper(life)
        if isinstance(life.role, Trader):
            self.invariants.watch(TraderView.of(life.role))
        elif isinstance(life.role, Decision):
            self.invariants.watch_decisions(life.role)
            self.strands.watch(life.role)

    def _unwatch(self, life: RoleLife) -> None:
        if self.present.get(life.chair.name) is not life:
            return
        if isinstance(life.role, Trader):
            self.invariants.gone()
        elif isinstance(life.role, Decision):
            self.invariants.undecided()
            self.strands.watch(None)

    def _on_committed(self, session: str, line: JournalLine) -> None:
        if line.kind not in {"FEATURES", "PREDICTION", "STORAGE_CHECK"}:
            whose = next((chair.name for chair in self.chairs if chair.session == session), "?")
            self.trace("store", f"{whose}: {line.kind} {line.key}")
        writer = self._all_lives.get(LIFE.get())
        if line.kind in FENCED and writer is not None and writer.lease.token < self.server.tokens[session]:
            self.invariants.violate(
                "S7", f"life {writer.number} writes {line.kind} after another took its lease"
            )
        if session == SESSION:
            self.server.committed(line)

    def _after_step(self, life: int) -> None:
        self.invariants.after_step()
        if self._plan.crash_at is not None and self._steps_taken() == self._plan.crash_at:
            self._kill_life(life)

    def _steps_taken(self) -> int:
        """Of all roles together."""
        return self._loop.steps.total() - self._loop.steps[WORLD]

    def outcome(self) -> Outcome:
        return self._outcome(first_life=self._steps_taken())

    def _sent(self, method: str, fields: Mapping[str, Any]) -> None:
        """An order request leaves a trader: the present one, or one whose account another has taken."""
        number, present = LIFE.get(), self.present.get("trader")
        if present is not None and number == present.number:
            self.invariants.sent(method, fields)
            self._check_strand(method, fields)
            return
        elder = self._all_lives[number]
        if elder.role is not None and elder.role.monitoring.superseded:
            self.invariants.violate("P1", f"life {number} knows that it has no account, and sends {method}")
        elif method in {"add_order", "AddOrder"} and self._is_late(elder) and number not in self._thawed:
            key = fields.get("cl_ord_id")
            self.invariants.violate("P1", f"life {number} sends {key} after another took its account")

    def _check_strand(self, method: str, fields: Mapping[str, Any]) -> None:
        if method in {"add_order", "AddOrder"} and (fields.get("side") or fields.get("type")) == "buy":
            signal = self.invariants.signal_of(str(fields.get("cl_ord_id")))
            if signal is not None:
                self.strands.sent(signal)

    def _watch_calm(self) -> None:
        super()._watch_calm()
        up = {name: life.role for name, life in self.present.items() if life.up and life.role is not None}
        calm = self._is_calm()
        self.strands.look(up, calm=calm)
        self.strands.look_at_inboxes((row for row in self._waiting() if row.recipient in up), calm=calm)

    def _is_late(self, elder: RoleLife) -> bool:
        server = self.server
        taken = server.tokens.get(SESSION, 0) > elder.lease.token
        return taken and self._loop.time() > server.taken_s[SESSION] + SENDING_S

    # When all is over

    async def _converge(self) -> None:
        until = self._loop.time() + WITHIN_S
        problems = ["nothing was looked at"]
        while self._loop.time() < until:
            await asyncio.sleep(LOOK_S)
            problems = self._unwell()
            if not problems:
                self.trace("world", "all is well")
                return
            if int(self._loop.time()) % RESUMED_EVERY_S == 0:
                self._see_to_halts()
        self.invariants.violate("LIVENESS", f"after {WITHIN_S:g} s without a fault: {'; '.join(problems)}")

    def _unwell(self) -> list[str]:
        missing = [
            chair.name for chair in self.chairs if not (life := self.present.get(chair.name)) or not life.up
        ]
        if missing:
            return [f"{', '.join(missing)} not up"]
        roles = {name: life.role for name, life in self.present.items() if life.role is not None}
        trader = roles["trader"]
        assert isinstance(trader, Trader)
        problems = unwell(TraderView.of(trader), True, self.exchange, self.invariants)
        for name, role in roles.items():
            problems += self._unwell_role(name, role)
        waiting = [f"{row.strand_id} for {row.recipient} is {row.state}" for row in self._waiting()]
        seen = evidence(self.server.tables, self.exchange, roles, self.troubles.others)
        return problems + waiting + [f"{one.kind}: {one.what} ({one.subject})" for one in findings(seen)]

    def _waiting(self) -> Iterator[Delivered]:
        tables = self.server.tables
        return (tables.rows[inbox][seq] for inbox, open_rows in tables.open.items() for seq in open_rows)

    def _unwell_role(self, name: str, role: Role) -> list[str]:
        problems = []
        if name != "trader" and role.halt.halted:
            problems.append(f"{name} halted: {role.halt.reason}")
        if name != "trader" and (blocks := role.gate.blocks()):
            problems.append(f"{name} blocked: {blocks}")
        if name == "dm" and not self._buys() and (held := role.base.reservations.cash()):
            problems.append(f"dm reserves {held}, and no buy is open")
        return problems

    def _buys(self) -> bool:
        return any(self.invariants.open(symbol, "buy") for symbol in self.exchange.markets)

    def _see_to_halts(self) -> None:
        for name, life in tuple(self.present.items()):
            if life.up and life.role is not None and life.role.halt.halted:
                self.operate_on(name, "resume")

    def _is_calm(self) -> bool:
        """The whole desk up, nothing wrong, and nobody halted or locked out of the account's line."""
        life = self.present.get("trader")
        if life is None or not life.up:
            return False
        heard = any(wire.kind == "private" and wire.life == life.number for wire in self.network.wires)
        return heard and self._loop.time() > self.troubles.until

    # What goes wrong

    def kill(self, name: str) -> None:
        """`kill -9` of who sits there."""
        life = self.present.get(name)
        if life is not None:
            self._kill_life(life.number)

    def _kill_life(self, number: int) -> None:
        if number in self._died:
            self.trace("world", f"{self._all_lives[number].chair.name}, life {number}, is killed")
            self._loop.end(number)
            self._died[number].set()

    def ask_to_end(self, name: str) -> None:
        life = self.present.get(name)
        if life is not None:
            life.stopping.set()

    def unlease(self, name: str) -> None:
        life = self.present.get(name)
        if life is not None:
            life.lease.cut()

    def cut_lines(self, name: str) -> None:
        life = self.present.get(name)
        if life is not None:
            number, lease = life.number, self.server.holders.get(life.chair.session)
            self.server.cut(lambda session: session.life == number and session is not lease)

    def freeze(self, name: str, seconds: float) -> None:
        """The machine is paused; after a while its connections are given up at the other end."""
        life = self.present.get(name)
        if life is None or life.number in self._paused:
            return
        number = life.number
        self._paused.add(number)
        self._loop.freeze(number)
        self._loop.call_later(GONE_AFTER_S, self._give_up, number)
        self._loop.call_later(seconds, self._thaw, number)

    def _give_up(self, number: int) -> None:
        if number in self._paused:
            self.trace("world", f"life {number} is given up")
            self.network.hang_up(number)
            self.server.cut(lambda session: session.life == number)

    def _thaw(self, number: int) -> None:
        self.trace("world", f"life {number} goes on")
        self._paused.discard(number)
        self._thawed.add(number)
        self._loop.call_later(SENDING_S, self._thawed.discard, number)
        self._loop.thaw(number)

    def crash(self) -> None:
        self.kill("trader")

    def restart(self) -> None:
        self.ask_to_end("trader")

    def rival(self) -> None:
        self.unlease("trader")

    def operate(self, what: str) -> None:
        self.operate_on("trader", what)

    def operate_on(self, name: str, what: str) -> None:
        """What an operator asks of a role over its control socket."""
        life = self.present.get(name)
        if life is None or not life.up or life.role is None or life.context is None:
            return
        monitoring = life.role.monitoring

        async def act() -> None:
            if what == "resume":
                found = await monitoring.trigger_resume("looked at it", "ada")
                problems = "; ".join(f"{one.name} {one.problem}" for one in found.problems)
                self.trace("operator", f"resume of {name}: {found.refusal or 'done'} {problems}".rstrip())
            else:
                action = "LIQUIDATE_POSITIONS" if what == "liquidate" else "CANCEL_ENTRIES"
                await monitoring.trigger_halt("MANUAL", action, who="ada")  # type: ignore[arg-type]

        self.trace("operator", f"{what} of {name}")
        self._loop.create_task(act(), context=life.context.copy())

    def _where(self) -> str:
        life = LIFE.get()
        return f"{life}:{self._loop.steps[life]}" if life else "-"
