"""The drill: start the roles, strike them in turn while they trade, let them come to rest, compare all sides.

`run` is all of it. What it tells of an outage is measured by this process: from the blow to the role's own word that it is
ready, or, where its process went on, to the next strand that it handled.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from gal_friday_core.errors import ConfigError, GalFridayError, StorageError
from gal_friday_core.money import ZERO
from gal_friday_live.config_writing import write_config
from gal_friday_live.processes import Children
from gal_friday_live.strand_drill.crew import Crew, Guarded, Member, Starts
from gal_friday_live.strand_drill.ground import Ground, settings, standing
from gal_friday_live.strand_drill.strikes import DISCONNECT, KILL, RESTART, Strike, schedule
from gal_friday_live.strand_drill.truth import DIFFERS, DOUBLED, LOST, Evidence, Finding, count, findings
from gal_friday_live.strand_drill.witness import Witness

ALPHA, DECISION, TRADER = ROLES = ("alpha", "decision", "trader")
STANDBY: Final = "trader-standby"
READY, STANDING_BY = "ready", "standby"
SUPERSEDED: Final = "has taken over as trader"
"""Among the last words of a trader whose lease another one took: here only its standby can."""
BEGINS_AT_MOST: Final = 5
LOOK_EVERY_S: Final = 0.25
MOVES_WITHIN_S: Final = 180.0
RESTS_WITHIN_S: Final = 90.0
"""After the last blow everything must have arrived by then, and all sides agree."""
REST_LOOK_S: Final = 0.5


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """`kills` and `disconnects` of each role and `restarts` of the database; `speed` is the market's. So many plans are decided
    `between` two blows that each meets a desk at work.
    """

    folder: Path
    kills: int = 3
    disconnects: int = 1
    restarts: int = 1
    standby: bool = False
    speed: float = 20.0
    seed: int = 1
    between: int = 2


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """What one blow cost: `role` is who was away, for `seconds`. `by_standby` where another process took over."""

    blow: str
    target: str
    role: str
    seconds: float
    by_standby: bool = False


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """A halt that the drill ended as an operator would: what cannot be journalled halts, as when the database restarts."""

    role: str
    reason: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: `lost` and `doubled` are counts of `findings`; `speed` is the market's at the end, less than asked for where
    the machine was too busy, and `begun_again` counts roles that it starved of the exchange as they began.
    """

    plans: int
    approved: int
    orders: int
    fills: int
    kills: int
    disconnects: int
    restarts: int
    lost: int
    doubled: int
    differs: int
    outages: Sequence[Outage]
    resumptions: Sequence[Resumption]
    latency_ms: Mapping[str, Mapping[str, float]]
    seconds: float
    speed: float
    findings: Sequence[Finding]
    begun_again: int = 0

    @property
    def holds(self) -> bool:
        return not self.findings


Say = Callable[[str], object]


async def run(terms: Terms, say: Say = lambda _: None, starts: Starts | None = None) -> Result:
    """The whole drill; `starts` makes processes, guarded ones if left out. Raises GalFridayError where it could not be carried out."""
    began = time.monotonic()
    say("starting the database, the exchange and the roles")
    async with standing(terms.folder, speed=terms.speed, seed=terms.seed) as ground:
        with Children(terms.folder / "logs") as children:
            crew = Crew(
                terms.folder, starts or Guarded(children),
                env={"GAL_FRIDAY_DATABASE_URL": ground.database_url}, commands=_commands(terms, ground),
            )  # fmt: skip
            async with Witness.of(ground.database_url) as witness:
                return await Drill(terms, ground, crew, witness, say).run(began)


class Drill:
    """One drill on its ground. `run` gives its result."""

    def __init__(self, terms: Terms, ground: Ground, crew: Crew, witness: Witness, say: Say) -> None:
        self._terms = terms
        self._ground = ground
        self._crew = crew
        self._witness = witness
        self._say = say
        self._outages: list[Outage] = []
        self._resumptions: list[Resumption] = []
        self._blows: list[str] = []
        self._decided = 0
        self._begun_again = 0

    async def run(self, began: float) -> Result:
        """Raises GalFridayError where a role does not come up, ends by itself, or nothing moves any more."""
        for name in ROLES:
            await self._crew.start(name)
        for name in ROLES:
            await self._crew.members[name].until(READY)
        if self._terms.standby:  # only now: whoever comes first has the account
            await self._stand_by()
        for strike in schedule(
            ROLES, kills=self._terms.kills, disconnects=self._terms.disconnects,
            restarts=self._terms.restarts, seed=self._terms.seed,
        ):  # fmt: skip
            await self._at_work()
            await asyncio.sleep(strike.pause_s)
            await self._struck(strike)
        await self._at_work()
        seen, found = await self._at_rest()
        return self._result(seen, found, await self._witness.latency_ms(), time.monotonic() - began)

    async def _at_work(self) -> None:
        """Wait until plans were decided since the last blow. Raises GalFridayError where none are."""
        deadline = time.monotonic() + MOVES_WITHIN_S
        while (decided := await self._witness.decided()) < self._decided + self._terms.between:
            await self._look_after()
            if time.monotonic() > deadline:
                raise GalFridayError(
                    f"no {self._terms.between} plans were decided in {MOVES_WITHIN_S:g} s after "
                    f"{self._blows[-1] if self._blows else 'the start'}: the roles' logs are in {self._crew.folder / 'logs'}"
                )
            await asyncio.sleep(LOOK_EVERY_S)
        self._decided = decided

    async def _struck(self, strike: Strike) -> None:
        said, known = f"{strike.blow} {strike.target}", len(self._outages)
        self._blows.append(said)
        struck = time.monotonic()
        if strike.blow == KILL:
            await self._killed(strike.target, struck)
        else:
            await self._shaken(strike, struck)
        self._decided = await self._witness.decided()
        away = ", ".join(f"{one.role} {one.seconds:.1f} s" for one in self._outages[known:])
        self._say(f"{said}: away {away}; {self._decided} plans decided so far")

    async def _killed(self, role: str, struck: float) -> None:
        """A SIGKILL, and another process in its place. Where one stands by, that is who is waited for."""
        standby = self._crew.members.pop(STANDBY, None) if role == TRADER else None
        await self._crew.kill(role)
        if standby is None:
            await self._up(role, READY)
        else:
            await self._takes_over(standby)
        self._away(KILL, role, role, struck, by_standby=standby is not None)
        if standby is not None:
            await self._stand_by()

    async def _shaken(self, strike: Strike, struck: float) -> None:
        """Connections end, nobody dies: each role that was hit handles its next strand."""
        hit = ROLES if strike.blow == RESTART else (strike.target,)
        before = {role: await self._witness.handled(role) for role in hit}
        if strike.blow == DISCONNECT:
            await self._witness.disconnect(self._crew.members[strike.target].name)
        else:
            await self._ground.restart_database()
        for role in hit:
            await self._moves(role, before[role], strike)
            self._away(strike.blow, strike.target, role, struck)

    async def _require_running(self) -> None:
        """Raises GalFridayError where a role ended by itself; a trader that lost the account to its standby is meant to, and one that
        a starved exchange kept waiting is started again.
        """
        trader, standby = self._crew.members[TRADER], self._crew.members.get(STANDBY)
        if standby is not None and not standby.starved and _has_lost(trader):
            self._say("the standby was first after the outage: it is the trader now")
            await self._takes_over(self._crew.members.pop(STANDBY))
            await self._stand_by()
        for seat in (*ROLES, STANDBY):
            member = self._crew.members.get(seat)
            if member is not None and member.starved:
                self._begins_again(seat)
                await (self._stand_by() if seat == STANDBY else self._up(seat, READY, name=member.name))
        self._crew.require_running()

    async def _takes_over(self, standby: Member) -> None:
        """The standby is the trader, once it is ready."""
        self._crew.members[TRADER] = standby
        try:
            await standby.until(READY)
        except GalFridayError:
            if not standby.starved:
                raise
            self._begins_again(TRADER)
            await self._up(TRADER, READY, name=standby.name)

    async def _up(self, seat: str, *events: str, name: str | None = None) -> Member:
        """A process in the seat that has said so. One that the exchange did not answer is begun again, as a service manager does."""
        for begins_left in reversed(range(BEGINS_AT_MOST)):
            member = await self._crew.start(seat, name)
            try:
                await member.until(*events)
            except GalFridayError:
                if not (member.starved and begins_left):
                    raise
                self._begins_again(seat)
            else:
                return member
        raise AssertionError("unreachable: the last one is ready or raises")

    def _begins_again(self, seat: str) -> None:
        self._begun_again += 1
        self._say(f"{seat} did not reach the exchange on this busy machine, and is started again")

    async def _look_after(self) -> None:
        """What an operator does: resume what was halted. Raises GalFridayError where a role ended by itself."""
        await self._require_running()
        for role in ROLES:
            member = self._crew.members[role]
            try:
                status = await member.ask("status")
                if status["halted"]:
                    await member.ask("resume", reason="the drill goes on", who="the drill")
                    self._say(f"{role} was halted and is resumed: {status['halt_reason']}")
                    self._resumptions.append(Resumption(role=role, reason=status["halt_reason"]))
            except (StorageError, ConfigError):
                continue  # it starts, or its checklist does not hold yet: asked again

    async def _stand_by(self) -> None:
        """A new process waits for the account, in the folder that is free; where the trader has just ended it has the account."""
        taken = self._crew.members[TRADER]
        standby = await self._up(
            STANDBY, READY, STANDING_BY, name=TRADER if taken.name == STANDBY else STANDBY
        )
        if READY not in standby.heard:
            return
        async with asyncio.timeout(MOVES_WITHIN_S):
            while taken.process.running:  # noqa: ASYNC110 - a process that ends tells no event of ours
                await asyncio.sleep(LOOK_EVERY_S)
        if not _has_lost(taken):
            taken.require_running()
        self._say("the trader ended as its standby began: that is the trader now")
        self._crew.members[TRADER] = self._crew.members.pop(STANDBY)
        await self._stand_by()

    async def _moves(self, role: str, before: int, strike: Strike) -> None:
        deadline = time.monotonic() + MOVES_WITHIN_S
        while await self._witness.handled(role) <= before:
            await self._look_after()
            if time.monotonic() > deadline:
                raise GalFridayError(f"{role} handled nothing in {MOVES_WITHIN_S:g} s after {strike.blow}")
            await asyncio.sleep(LOOK_EVERY_S)

    def _away(self, blow: str, target: str, role: str, struck: float, *, by_standby: bool = False) -> None:
        seconds = round(time.monotonic() - struck, 3)
        self._outages.append(
            Outage(blow=blow, target=target, role=role, seconds=seconds, by_standby=by_standby)
        )

    async def _at_rest(self) -> tuple[Evidence, list[Finding]]:
        """No more plans; then all sides, once they agree, or what still does not hold when the time is up.

        Stops and targets fill meanwhile, so that one look alone may see a fill on its way.
        """
        self._say("no more plans: waiting for everything to arrive")
        await self._halted()
        deadline = time.monotonic() + RESTS_WITHIN_S
        while True:
            seen = await self._seen()
            found = findings(seen) if seen is not None else []
            if seen is not None and (not found or time.monotonic() > deadline):
                return seen, found
            if time.monotonic() > deadline + RESTS_WITHIN_S:
                raise GalFridayError(
                    "a role did not answer any more, so that its books could not be compared"
                )
            await self._require_running()
            await asyncio.sleep(REST_LOOK_S)

    async def _halted(self) -> None:
        """Entries end by an operator's halt; what is held keeps its stops."""
        words = {"reason": "the drill comes to rest", "who": "the drill", "action": "CANCEL_ENTRIES"}
        deadline = time.monotonic() + MOVES_WITHIN_S
        while True:
            try:
                await self._crew.members[ALPHA].ask("halt", **words)
            except (StorageError, ConfigError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(REST_LOOK_S)
            else:
                return

    async def _seen(self) -> Evidence | None:
        """All sides; None where one could not be asked, or the exchange moved while they were."""
        filled = [fill.exec_id for fill in self._ground.account.executions]
        held = {"exchange": self._ground.held()}
        try:
            for role in ROLES:
                held[role] = _holdings(await self._crew.members[role].ask("positions"))
            written = await self._witness.evidence(await self._trader_session())
        except StorageError:
            return None
        if filled != [fill.exec_id for fill in self._ground.account.executions]:
            return None
        ordered = [order.asked.cl_ord_id or "" for order in self._ground.account.orders.values()]
        return msgspec.structs.replace(written, ordered=ordered, filled=filled, held=held)

    async def _trader_session(self) -> str:
        """Whose journal is the account's own."""
        ready = await self._crew.members[TRADER].until(READY)
        return str(ready["session"])

    def _result(
        self,
        seen: Evidence,
        found: Sequence[Finding],
        latency_ms: Mapping[str, Mapping[str, float]],
        seconds: float,
    ) -> Result:
        blows = [blow.partition(" ")[0] for blow in self._blows]
        return Result(
            plans=len(seen.plans),
            approved=sum(decision.approved for decision in seen.decisions),
            orders=len(seen.ordered),
            fills=len(seen.filled),
            kills=blows.count(KILL),
            disconnects=blows.count(DISCONNECT),
            restarts=blows.count(RESTART),
            lost=count(found, LOST),
            doubled=count(found, DOUBLED),
            differs=count(found, DIFFERS),
            outages=self._outages,
            resumptions=self._resumptions,
            latency_ms=latency_ms,
            seconds=round(seconds, 1),
            speed=self._ground.time.speed,
            findings=found,
            begun_again=self._begun_again,
        )


def _has_lost(trader: Member) -> bool:
    """Whether it ended and left the account to whoever stands by."""
    return trader.starved or (not trader.process.running and SUPERSEDED in trader.process.last_words())


def _holdings(books: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a role says is held, by asset: each position's base, and cash."""
    held = {pair.partition("/")[0]: Decimal(str(one["quantity"])) for pair, one in books["positions"].items()}
    held["USD"] = Decimal(str(books["cash"]))
    return {asset: amount for asset, amount in held.items() if amount != ZERO}


def _commands(terms: Terms, ground: Ground) -> dict[str, list[str]]:
    """How each role is started, all with one configuration."""
    path = terms.folder / "drill.yaml"
    write_config(path, settings())
    common = ["--venue", ground.venue_url, "--config", str(path), "--json"]
    found = {role: ["live", "--role", role, *common] for role in ROLES}
    found[STANDBY] = [*found[TRADER], "--standby"]
    return found
