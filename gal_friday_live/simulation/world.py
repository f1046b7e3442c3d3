"""One seed, one world: a market, an exchange, a database, a network, an engine, and what goes wrong.

First everything may go wrong, and what must hold at every instant is looked at (`invariants`); then nothing goes
wrong any more, and everything must become well (`liveness`). An engine that crashed, or gave up, is started again
over the same database and the same exchange, as a service manager would.
"""

import asyncio
import contextvars
import gc
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gal_friday_adapters.kraken.books import load
from gal_friday_adapters.kraken.dead_man_switch import SwitchRule
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.rest_memory import RestMemory
from gal_friday_live.engine import Engine
from gal_friday_live.simulation.desk.world import DeskWorld
from gal_friday_live.simulation.faults import Fault, more, schedule
from gal_friday_live.simulation.invariants import Invariants
from gal_friday_live.simulation.life import Life, Setting
from gal_friday_live.simulation.liveness import WITHIN_S, unwell
from gal_friday_live.simulation.loop import LIFE, SimLoop, SimulationStuckError, no_real_world
from gal_friday_live.simulation.realm import LOOK_S, RESTART_S, SAFETY_S, Outcome, Plan, Realm
from gal_friday_live.simulation.store import Store
from gal_friday_live.simulation.trace import TraceHandler
from gal_friday_live.simulation.troubles import Surface, Troubles

SENDING_S = 0.01
"""An intent that was durable when the account was taken may be on its way to the line for so long."""
ELDER_S, ENDS_WITHIN_S = 60.0, 20.0
"""How long an engine goes on that has lost its account to another one and does not hear of it; and how soon one that
does hear of it must have ended.
"""


def run(plan: Plan, made: Callable[[Any], None] = lambda _: None) -> Outcome:
    """Simulate one world. `made` is told of it before it begins."""
    load()
    loop = SimLoop(plan.seed)
    collecting = gc.isenabled()
    gc.disable()  # when garbage is found must not decide anything
    world: Realm = DeskWorld(plan, loop) if plan.desk else World(plan, loop)
    made(world)
    try:
        with no_real_world(), TraceHandler(world.trace):
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(world.pass_by())
            except SimulationStuckError as error:
                world.invariants.violate("LIVENESS", str(error))
            finally:
                outcome = world.outcome()
                loop.bury()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        if collecting:
            gc.enable()
    return outcome


class World(Realm):
    """See the module's text."""

    def __init__(self, plan: Plan, loop: SimLoop) -> None:
        self.life: Life | None = None
        super().__init__(plan, loop)
        self._elders: dict[int, Life] = {}
        self._taken_s = 0.0
        self._died = asyncio.Event()
        self._overtaken = asyncio.Event()
        self.store = Store(loop, chance=self._chance("store"), trace=self.trace)
        invariants = Invariants(self.exchange, self.store, self.config, now_ns=self.now_ns, trace=self.trace)
        self._watched_by(invariants, self.store)
        invariants.crowded = lambda: bool(self._elders)
        self.network.sent = self._sent
        loop.after_step = self._after_step
        chance = self._drawing
        self.schedule = tuple(plan.faults) if plan.faults is not None else self._drawn(chance)
        self._setting = Setting(
            loop=loop, network=self.network, store=self.store, listings=self.listings, config=self.config,
            horizon_bars=chance.choice((2, 2, 3)), seed=plan.seed, wall_ns=self._wall_ns, steady_ns=self._steady_ns,
            nonces=Nonces(self._steady_ns), asked=RestMemory("pro", self._steady_ns),
            free_disk_mb=lambda: self.troubles.free_mb, page=self.page,
            model_s=lambda: self.troubles.model_s,
            switch=SwitchRule() if chance.random() < 0.3 else None,
        )  # fmt: skip

    def _troubles(self, surface: Surface) -> Troubles:
        return Troubles(surface, self)

    # The course of things

    def _begin(self) -> "Sequence[asyncio.Task[None]]":
        return (self._loop.create_task(self._keep_alive()),)

    async def _keep_alive(self) -> None:
        """Start an engine, and another one whenever it is gone."""
        while True:
            self._lives += 1
            self._died = asyncio.Event()
            life = self.life = Life(self._setting, self._lives, skewed=self.troubles.skew_ns != 0)
            context = contextvars.copy_context()
            context.run(LIFE.set, life.number)
            self.trace("world", f"engine {life.number} begins")
            task = self._loop.create_task(life.run(self._wired), context=context)
            await self._until_gone(task)
            if self._overtaken.is_set():
                self._overtake(life, task)
                continue
            if task.done():
                self._note_end(task)
            self._clear_away(life)
            await asyncio.sleep(RESTART_S)

    async def _until_gone(self, task: "asyncio.Task[str]") -> None:
        """Until this life has ended by itself, was killed, or another one takes its account."""
        self._overtaken.clear()
        ends = [asyncio.ensure_future(event.wait()) for event in (self._died, self._overtaken)]
        await asyncio.wait([task, *ends], return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    def _overtake(self, elder: Life, task: "asyncio.Task[str]") -> None:
        """It goes on, and nobody tells it: the journal refuses what it writes, and so it must send nothing."""
        self.trace("world", f"engine {elder.number} has lost its lease and does not know it")
        self.invariants.gone()
        self.invariants.undecided()
        self._elders[elder.number] = elder
        self._taken_s = self._loop.time()
        self._loop.call_later(ELDER_S - ENDS_WITHIN_S, self._await_end, elder, task)

    def _await_end(self, elder: Life, task: "asyncio.Task[str]") -> None:
        knows = elder.engine is not None and elder.engine.monitoring.superseded
        self._loop.call_later(ENDS_WITHIN_S, self._end_elder, elder, task, knows)

    def _end_elder(self, elder: Life, task: "asyncio.Task[str]", knew: bool) -> None:
        if task.done():
            self._note_end(task)
        elif knew:
            self.invariants.violate("P1", f"engine {elder.number} knows that it has no account, and goes on")
        self._loop.end(elder.number)
        self.network.hang_up(elder.number)
        del self._elders[elder.number]

    def _sent(self, method: str, fields: Mapping[str, Any]) -> None:
        """An order request leaves an engine: the present one, or one whose account another has taken."""
        number = LIFE.get()
        elder = self._elders.get(number)
        if elder is None:
            self.invariants.sent(method, fields)
        elif elder.engine is not None and elder.engine.monitoring.superseded:
            self.invariants.violate("P1", f"engine {number} knows that it has no account, and sends {method}")
        elif (
            method in {"add_order", "AddOrder"}
            and self.store.fence > elder.fence
            and self._loop.time() > self._taken_s + SENDING_S
        ):
            self.invariants.violate(
                "P1",
                f"engine {number} sends {fields.get('cl_ord_id')} after engine {self._lives} took its account",
            )

    def _note_end(self, task: "asyncio.Task[str]") -> None:
        error = task.exception()
        if error is not None:
            self.invariants.violate("ERROR", f"the engine ended by {type(error).__name__}: {error}")
        else:
            self.trace("engine", task.result())

    def _clear_away(self, life: Life) -> None:
        """What a process leaves behind when it is gone."""
        self._loop.end(life.number)
        self.invariants.gone()
        self.invariants.undecided()
        self.network.hang_up(life.number)
        self.life = None

    def _wired(self, life: Life) -> None:
        assert life.engine is not None
        if self._plan.tamper is not None:
            self._plan.tamper(life)
        self.invariants.watch(life.engine)
        self.invariants.watch_decisions(life.engine)

    def _after_step(self, life: int) -> None:
        self.invariants.after_step()
        if life == 1 and self._plan.crash_at is not None and self._loop.steps[1] == self._plan.crash_at:
            self.crash()

    def crash(self) -> None:
        """`kill -9`."""
        if self.life is not None:
            self.trace("world", f"engine {self.life.number} is killed")
            self._loop.end(self.life.number)
            self._died.set()

    def rival(self) -> None:
        """Somebody starts a second engine while one runs, whose lease is lost and which does not know it."""
        if self.life is not None and self.life.up:
            self._overtaken.set()

    def restart(self) -> None:
        """As a service manager does it: the engine is asked to end."""
        if self.life is not None:
            self.life.stopping.set()

    async def _converge(self) -> None:
        """Nothing goes wrong any more. An operator lets a halted engine go on."""
        self._set_clock()
        until = self._loop.time() + WITHIN_S
        problems = ["nothing was looked at"]
        while self._loop.time() < until:
            await asyncio.sleep(LOOK_S)
            life = self.life
            engine = life.engine if life is not None else None
            up = life is not None and life.up
            problems = unwell(engine, up, self.exchange, self.invariants)
            if not problems:
                self.trace("world", "all is well")
                return
            if up and engine is not None and engine.halt.halted and int(self._loop.time()) % 5 == 0:
                self._see_to(engine)
        self.invariants.violate("LIVENESS", f"after {WITHIN_S:g} s without a fault: {'; '.join(problems)}")

    def _see_to(self, engine: Engine) -> None:
        """What somebody does who finds an engine halted. One that was locked out asks for nothing more by itself."""
        reasons = [engine.halt.reason or "", *(block["why"] for block in engine.gate.blocks())]
        locked_out = any("LOCKED_OUT" in why or "Temporary lockout" in why for why in reasons)
        if locked_out and not any(wire.kind == "private" for wire in self.network.wires):
            self.trace("operator", "restarts an engine that was locked out")
            self.restart()
        else:
            self.operate("resume")

    # What goes wrong

    def _is_calm(self) -> bool:
        """Whether nothing is wrong at this moment, as far as the world knows, and the account's line is open."""
        life = self.life
        if life is None or not life.up or life.engine is None:
            return False
        heard = any(wire.kind == "private" and wire.life == life.number for wire in self.network.wires)
        return heard and self._loop.time() > self.troubles.until

    # People

    def _set_clock(self) -> None:
        """Set the clock right, and start an engine anew that had begun with a wrong one."""
        self.troubles.skew_ns = 0
        if self.life is not None and self.life.skewed:
            self.trace("operator", "restarts an engine that began with a wrong clock")
            self.life.stopping.set()

    def operate(self, what: str) -> None:
        life = self.life
        if life is None or not life.up or life.engine is None or life.context is None:
            return
        monitoring = life.engine.monitoring

        async def act() -> None:
            if what == "resume":
                found = await monitoring.trigger_resume("looked at it", "ada")
                problems = "; ".join(f"{one.name} {one.problem}" for one in found.problems)
                self.trace("operator", f"resume: {found.refusal or 'done'} {problems}".rstrip())
            elif what == "loosen":
                self.trace("operator", life.loosen())
            else:
                action = "LIQUIDATE_POSITIONS" if what == "liquidate" else "CANCEL_ENTRIES"
                await monitoring.trigger_halt("MANUAL", action, who="ada")  # type: ignore[arg-type]

        self.trace("operator", what)
        self._loop.create_task(act(), context=life.context.copy())

    # How

    def _drawn(self, chance: random.Random) -> tuple[Fault, ...]:
        """What goes wrong by the seed."""
        drawn = schedule(chance, self._plan.seconds) + more(self._chance("more"), self._plan.seconds)
        return tuple(sorted(drawn, key=lambda fault: fault.at_s))

    def _where(self) -> str:
        life = self.life.number if self.life is not None else 0
        return f"{life}:{self._loop.steps[life]}" if life else "-"


__all__ = ["SAFETY_S", "Outcome", "Plan", "World", "run"]
