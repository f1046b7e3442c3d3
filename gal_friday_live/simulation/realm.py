"""What every simulated world has, whoever trades in it: a market, an exchange, a network, time, and what goes wrong.

First everything may go wrong, and what must hold at every instant is looked at (`invariants`); then nothing goes
wrong any more, and everything must become well.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from gal_friday_adapters.simulated_kraken.demo import KEY, SECRET
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_adapters.simulated_kraken.tokens import Tokens
from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.config import Config
from gal_friday_core.times import SECOND_NS
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.invariants import Invariants, Violation
from gal_friday_live.simulation.liveness import WITHIN_S
from gal_friday_live.simulation.loop import WORLD, SimLoop
from gal_friday_live.simulation.market import LISTINGS, ORDERS_A_SECOND, SECONDS, START_NS, market
from gal_friday_live.simulation.page import Page
from gal_friday_live.simulation.store import Store
from gal_friday_live.simulation.trace import Trace
from gal_friday_live.simulation.troubles import Surface, Troubles
from gal_friday_live.simulation.watched import WatchedExchange, WatchedVenue
from gal_friday_live.simulation.wires import Network

TICK_S = 0.25
"""How often the market moves by itself."""
SAFETY_S = 200.0
LOOK_S = 1.0
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
    desk: bool = False
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
    `faults` replace those of the seed, `rate` is that of outside orders a second; `settings` some of its configuration, by dotted key; `tamper` may break an engine (with
    `desk` a role) before it starts, for tests of these tests. With `desk` the engine is a split one.
    """

    seed: int
    crash_at: int | None = None
    faults: Sequence[Fault] | None = None
    seconds: float = SAFETY_S
    rate: float = ORDERS_A_SECOND
    tamper: Callable[[Any], None] | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    desk: bool = False


class Realm(ABC):
    """A world without who trades in it. A subclass draws what goes wrong, and judges when all is well."""

    schedule: tuple[Fault, ...]
    troubles: Troubles
    invariants: Invariants

    def __init__(self, plan: Plan, loop: SimLoop) -> None:
        self._plan = plan
        self._loop = self.loop = loop
        seed = plan.seed
        self._drawing = chance = self._chance("world")
        self._lives = 0
        self.trace = Trace(loop.time, self._where)
        self.config = _config(chance, plan.settings)
        self.listings = LISTINGS[: chance.choice(self._markets)]
        lasts = max(SECONDS, plan.seconds + WITHIN_S)
        thin = self._chance("thin").random() < THIN
        markets = {
            listing.symbol: market(listing, seed * 7 + number, thin=thin, rate=plan.rate, seconds=lasts)
            for number, listing in enumerate(self.listings)
        }
        self.venue = WatchedVenue(seed=seed, start_ns=START_NS, listings=self.listings, markets=markets)
        self.venue.open_account(
            KEY, {"USD": CASH, **{one.base.name: Decimal(0) for one in self.listings}}, tier="pro"
        )
        self.faults = WireFaults({}, seed)
        self.exchange = WatchedExchange(
            self.venue, now=self.now_ns, faults=self.faults, tokens=Tokens(self._chance("tokens").randbytes)
        )
        self.keyring = Keyring([ApiKey(KEY, SECRET, account=KEY)])
        self.network = Network(
            loop, self.exchange, self.keyring, chance=self._chance("network"), trace=self.trace
        )
        self.page = Page()

    @property
    def _markets(self) -> Sequence[int]:
        """How many pairs a world may have, each as likely as it stands here."""
        return (1, 1, 2)

    def _watched_by(self, invariants: Invariants, store: Store) -> None:
        """Have what trades judged, and trouble made."""
        surface = Surface(
            loop=self._loop, venue=self.venue, wire=self.faults, network=self.network, store=store,
            keyring=self.keyring, page=self.page, now_ns=self.now_ns,
        )  # fmt: skip
        self.troubles = self._troubles(surface)
        self.invariants = invariants
        self.venue.accepted = invariants.accepted
        self.venue.refused = invariants.refused
        invariants.calm.is_calm = self._is_calm
        invariants.calm.held_by_others = self.troubles.held_by_others
        invariants.lately_withdrawn = self.troubles.lately_withdrawn
        self.exchange.advanced = invariants.advanced
        self.exchange.hub.shown = invariants.shown

    @abstractmethod
    def _troubles(self, surface: Surface) -> Troubles:
        """Who makes trouble."""

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
        keeping = self._begin()
        try:
            for fault in self.schedule:
                await asyncio.sleep(max(fault.at_s - loop.time(), 0.0))
                self.troubles.strike(fault)
            await asyncio.sleep(max(self._plan.seconds - loop.time(), 0.0))
            self.troubles.end()
            await self._converge()
        finally:
            for task in keeping:
                task.cancel()

    @abstractmethod
    def _begin(self) -> "Sequence[asyncio.Task[None]]":
        """Start who trades, and see to it that they are started again."""

    @abstractmethod
    async def _converge(self) -> None:
        """Nothing goes wrong any more. A violation where not all is well within a while."""

    @abstractmethod
    def _is_calm(self) -> bool:
        """Whether nothing is wrong at this moment, as far as the world knows, and the account's line is open."""

    @abstractmethod
    def _where(self) -> str:
        """Who is at work, for the trace."""

    def outcome(self) -> Outcome:
        return self._outcome(first_life=self._loop.steps[1])

    def _outcome(self, first_life: int) -> Outcome:
        for problem in self._loop.problems:
            self.invariants.violate("ERROR", problem)
        return Outcome(
            seed=self._plan.seed, violations=tuple(self.invariants.violations), seconds=self._loop.time(),
            steps=sum(count for life, count in self._loop.steps.items() if life != WORLD), lives=self._lives,
            orders=self.invariants.accepted_orders, fills=self.invariants.filled, digest=self.trace.digest,
            faults=self.schedule, crash_at=self._plan.crash_at, lasts=self._plan.seconds, first_life=first_life,
            desk=self._plan.desk, trace=tuple(self.trace.lines),
        )  # fmt: skip

    def _move_market(self) -> None:
        """By a timer, and no task: a task takes two steps where a timer takes one."""
        self._loop.call_later(TICK_S, self._move_market)
        if self.exchange.is_due():
            self.exchange.advance()

    def _watch_calm(self) -> None:
        self._loop.call_later(LOOK_S, self._watch_calm)
        self.invariants.calm.look()

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{what} {self._plan.seed}")  # noqa: S311 - a world is drawn from its seed


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
