"""One seed, one world: a market, an exchange, a database, a network, an engine, and what goes wrong.

First everything may go wrong, and what must hold at every instant is looked at (`invariants`); then nothing goes
wrong any more, and everything must become well (`liveness`). An engine that crashed, or gave up, is started again
over the same database and the same exchange, as a service manager would.
"""

import asyncio
import contextvars
import gc
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from gal_friday_adapters.kraken.books import load
from gal_friday_adapters.kraken.dead_man_switch import SwitchRule
from gal_friday_adapters.kraken.nonce import Nonces
from gal_friday_adapters.kraken.rest_memory import RestMemory
from gal_friday_adapters.simulated_kraken.demo import KEY, SECRET
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.config import Config
from gal_friday_core.times import SECOND_NS
from gal_friday_live.engine import Engine
from gal_friday_live.simulation.faults import Fault, more, schedule
from gal_friday_live.simulation.invariants import Invariants, Violation
from gal_friday_live.simulation.life import Life, Setting
from gal_friday_live.simulation.liveness import WITHIN_S, unwell
from gal_friday_live.simulation.loop import LIFE, WORLD, SimLoop, SimulationStuckError, no_real_world
from gal_friday_live.simulation.market import LISTINGS, ORDERS_A_SECOND, SECONDS, START_NS, market
from gal_friday_live.simulation.page import Page
from gal_friday_live.simulation.store import Store
from gal_friday_live.simulation.trace import Trace, TraceHandler
from gal_friday_live.simulation.troubles import Surface, Troubles
from gal_friday_live.simulation.watched import WatchedExchange, WatchedVenue
from gal_friday_live.simulation.wires import Network

TICK_S = 0.25
"""How often the market moves by itself."""
SAFETY_S = 200.0
LOOK_S = 1.0
SENDING_S = 0.01
"""An intent that was durable when the account was taken may be on its way to the line for so long."""
ELDER_S, ENDS_WITHIN_S = 60.0, 20.0
"""How long an engine goes on that has lost its account to another one and does not hear of it; and how soon one that
does hear of it must have ended.
"""
THIN = 0.25
"""Of all worlds have markets that hold little: what is bought comes in parts, and not all of it."""
RESTART_S = 2.0
CASH = Decimal(10_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a world. `first_life` is how many steps its first engine took, `lasts` for how long things could
    go wrong.
    """

    seed: int
    violations: tuple[Violation, ...]
    seconds: float
    steps: int
    lives: int
    orders: int
    fills: int
    digest: str
    faults: tuple[Fault, ...]
    crash_at: int | None = None
    lasts: float = SAFETY_S
    first_life: int = 0
    trace: Sequence[str] = field(repr=False, default=())

    @property
    def ok(self) -> bool:
        return not self.violations

    def brief(self) -> "Outcome":
        """The same without its trace."""
        return replace(self, trace=())


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What may be asked of a world beside its seed. `crash_at` ends the engine at that step of its first life;
    `faults` replace those of the seed, `rate` is that of outside orders a second; `settings` some of its configuration, by dotted key; `tamper` may break an engine
    before it starts, for tests of these tests.
    """

    seed: int
    crash_at: int | None = None
    faults: Sequence[Fault] | None = None
    seconds: float = SAFETY_S
    rate: float = ORDERS_A_SECOND
    tamper: Callable[[Life], None] | None = None
    settings: tuple[tuple[str, Any], ...] = ()


def run(plan: Plan, made: Callable[["World"], None] = lambda _: None) -> Outcome:
    """Simulate one world. `made` is told of it before it begins."""
    load()
    loop = SimLoop(plan.seed)
    collecting = gc.isenabled()
    gc.disable()  # when garbage is found must not decide anything
    world = World(plan, loop)
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


class World:
    """See the module's text."""

    def __init__(self, plan: Plan, loop: SimLoop) -> None:
        self._plan = plan
        self._loop = self.loop = loop
        seed = plan.seed
        chance = self._chance("world")
        self.life: Life | None = None
        self._elders: dict[int, Life] = {}
        self._taken_s = 0.0
        self._lives = 0
        self._died = asyncio.Event()
        self._overtaken = asyncio.Event()
        self.trace = Trace(loop.time, self._where)
        self.config = _config(chance, plan.settings)
        listings = LISTINGS[: chance.choice((1, 1, 2))]
        lasts = max(SECONDS, plan.seconds + WITHIN_S)
        thin = self._chance("thin").random() < THIN
        markets = {
            listing.symbol: market(listing, seed * 7 + number, thin=thin, rate=plan.rate, seconds=lasts)
            for number, listing in enumerate(listings)
        }
        venue = WatchedVenue(seed=seed, start_ns=START_NS, listings=listings, markets=markets)
        venue.open_account(KEY, {"USD": CASH, **{one.base.name: Decimal(0) for one in listings}}, tier="pro")
        self.faults = WireFaults({}, seed)
        self.exchange = WatchedExchange(
            venue, now=self.now_ns, faults=self.faults, tokens=Tokens(self._chance("tokens").randbytes)
        )
        keyring = Keyring([ApiKey(KEY, SECRET, account=KEY)])
        self.network = Network(loop, self.exchange, keyring, chance=self._chance("network"), trace=self.trace)
        self.store = Store(loop, chance=self._chance("store"), trace=self.trace)
        self.page = Page()
        self.troubles = Troubles(
            Surface(
                loop=loop, venue=venue, wire=self.faults, network=self.network, store=self.store,
                keyring=keyring, page=self.page, now_ns=self.now_ns,
            ),
            self,
        )  # fmt: skip
        self.invariants = Invariants(
            self.exchange, self.store, self.config, now_ns=self.now_ns, trace=self.trace
        )
        venue.accepted = self.invariants.accepted
        venue.refused = self.invariants.refused
        self.invariants.calm.is_calm = self._is_calm
        self.invariants.calm.held_by_others = self.troubles.held_by_others
        self.invariants.crowded = lambda: bool(self._elders)
        self.invariants.lately_withdrawn = self.troubles.lately_withdrawn
        self.exchange.advanced = self.invariants.advanced
        self.exchange.hub.shown = self.invariants.shown
        self.network.sent = self._sent
        loop.after_step = self._after_step
        self.schedule = tuple(plan.faults) if plan.faults is not None else self._drawn(chance)
        self._setting = Setting(
            loop=loop, network=self.network, store=self.store, listings=listings, config=self.config,
            horizon_bars=chance.choice((2, 2, 3)), seed=seed, wall_ns=self._wall_ns, steady_ns=self._steady_ns,
            nonces=Nonces(self._steady_ns), asked=RestMemory("pro", self._steady_ns),
            free_disk_mb=lambda: self.troubles.free_mb, page=self.page,
            model_s=lambda: self.troubles.model_s,
            switch=SwitchRule() if chance.random() < 0.3 else None,
        )  # fmt: skip

    # Time

    def now_ns(self) -> int:
        """The true time."""
        return START_NS + int(self._loop.time() * SECOND_NS)

    def _steady_ns(self) -> int:
        return self.now_ns()

    def _wall_ns(self) -> int:
        return self.now_ns() + self.troubles.skew_ns

    # The course of things

    async def pass_by(self) -> None:
        """Safety, then liveness."""
        loop = self._loop
        self.exchange.advance()
        self._move_market()
        self._watch_calm()
        keeping = loop.create_task(self._keep_alive())
        try:
            for fault in self.schedule:
                await asyncio.sleep(max(fault.at_s - loop.time(), 0.0))
                self.troubles.strike(fault)
            await asyncio.sleep(max(self._plan.seconds - loop.time(), 0.0))
            self.troubles.end()
            self._set_clock()
            await self._converge()
        finally:
            keeping.cancel()

    def outcome(self) -> Outcome:
        steps = self._loop.steps
        for problem in self._loop.problems:
            self.invariants.violate("ERROR", problem)
        return Outcome(
            seed=self._plan.seed, violations=tuple(self.invariants.violations), seconds=self._loop.time(),
            steps=sum(count for life, count in steps.items() if life != WORLD), lives=self._lives,
            orders=self.invariants.accepted_orders, fills=self.invariants.filled, digest=self.trace.digest,
            faults=self.schedule, crash_at=self._plan.crash_at, lasts=self._plan.seconds, first_life=steps[1],
            trace=tuple(self.trace.lines),
        )  # fmt: skip

    def _move_market(self) -> None:
        """By a timer, and no task: a task takes two steps where a timer takes one."""
        self._loop.call_later(TICK_S, self._move_market)
        if self.exchange.is_due():
            self.exchange.advance()

    def _watch_calm(self) -> None:
        self._loop.call_later(LOOK_S, self._watch_calm)
        self.invariants.calm.look()

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
        self.network.hang_up(life.number)
        self.life = None

    def _wired(self, life: Life) -> None:
        assert life.engine is not None
        if self._plan.tamper is not None:
            self._plan.tamper(life)
        self.invariants.watch(life.engine)

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

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{what} {self._plan.seed}")  # noqa: S311 - a world is drawn from its seed

    def _where(self) -> str:
        life = self.life.number if self.life is not None else 0
        return f"{life}:{self._loop.steps[life]}" if life else "-"


def _config(chance: random.Random, settings: Iterable[tuple[str, Any]]) -> Config:
    drawn: dict[str, dict[str, Any]] = {
        "market": {"pairs": ["BTC/USD"], "max_silence_s": 4.0, "max_book_age_s": 5.0},
        "exchange": {"tier": "pro", "order_deadline_s": chance.choice((2.0, 5.0)), "rest_timeout_s": 4.0},
        "risk": {
            "risk_per_trade": "0.005", "max_daily_drawdown": "1", "max_weekly_drawdown": "1",
            "max_total_drawdown": "1", "max_slippage": 0.03, "max_spread": 0.03, "max_depth_share": 1,
        },
        "monitoring": {"every_s": 1.0, "recover_after_s": 2.0},
        "reconciliation": {"every_minutes": 1, "pause_s": 0.5, "retry_s": 5.0},
    }  # fmt: skip
    for key, value in settings:
        section, _, name = key.partition(".")
        drawn.setdefault(section, {})[name] = value
    return Config.model_validate(drawn)
