"""Bugs of a split engine: what is told twice, never, too early, or by who has no seat any more."""

from typing import Any

from gal_friday_adapters.strands.handling import Batch
from gal_friday_adapters.strands.inbox import End
from gal_friday_adapters.strands.writing import write
from gal_friday_live.roles.states import BLOCKS
from gal_friday_live.simulation.desk.faults import BUSY_S
from gal_friday_live.simulation.desk.role_life import RoleLife
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.planted.bug import PlantedBug, Weather, at, at_closes, together


def killed_busy(name: str, within_s: tuple[float, float]) -> Weather:
    """A role that dies while its strands are under way, and the database takes its time."""
    slow = at_closes("store", "slow", (0.0, BUSY_S - 0.1), within_s[1])
    return together(slow, at_closes("kill", name, within_s))


def acknowledges_before_it_handles(life: RoleLife) -> None:
    """Strands are done when they are claimed, and handled in another transaction."""
    listener: Any = life.listener
    handling = listener._handling

    async def handled(inbox: Any, claims: Any) -> None:
        async with inbox.connection.transaction():
            held = await inbox.hold(claims)
            await inbox.end([End(seq=one.claim.seq, state="done") for one in held])
        async with inbox.connection.transaction():
            for one in held:
                await handling._try(one, Batch(inbox.connection))

    handling.handle = handled


def trusts_in_hints(life: RoleLife) -> None:
    """A listener looks only when it is told to."""
    listener: Any = life.listener

    async def wait(inbox: Any) -> None:
        await listener._beat(inbox)
        await listener._hint.wait()

    listener._wait = wait


def tells_from_memory(life: RoleLife, *, all_of_it: bool = False) -> None:
    """Which lines were told is known to the process alone, which looks by the clock; what an earlier one left is not told."""
    forwarder: Any = life.forwarder
    if forwarder is None:
        return
    journal: Any = life.role.base.ports.journal  # type: ignore[union-attr]
    began_ns = 0 if all_of_it else life.role.base.clock.now_ns()  # type: ignore[union-attr]

    kinds, forwarder._kinds = forwarder._kinds, ()  # no hint reaches it

    async def forward() -> int:
        lines = [line async for line in journal.lines(kinds, forwarder._after)]
        told = [forwarder._tell(line) for line in lines if line.ts_ns >= began_ns]
        async with forwarder._database.transaction() as connection:
            await write(connection, forwarder._module, [strand for strand in told if strand is not None])
        forwarder._after = lines[-1].seq if lines else forwarder._after
        return 0

    forwarder.forward = forward


def tells_all_at_every_start(life: RoleLife) -> None:
    """The same, and a process that begins tells everything once more."""
    tells_from_memory(life, all_of_it=True)


def writes_without_the_fence(life: RoleLife) -> None:
    """Nobody asks whether another has the lease by now."""
    role: Any = life.role
    role.base.ports.journal._journal._fence = None
    if role.module == "dm":
        role.verdicts._journal._fence = None


def keeps_its_halt_to_itself(life: RoleLife) -> None:
    """A decision maker tells nobody that it is halted."""
    forwarder: Any = life.forwarder
    if life.chair.module == "dm":
        forwarder._kinds = ()


def forgets_that_the_decision_maker_is_halted(life: RoleLife) -> None:
    """Neither it nor the alphas mind."""
    role: Any = life.role
    block = role.gate.block

    def blocked(code: str, why: str, **pair: str) -> None:
        if code != BLOCKS["dm"]:
            block(code, why, **pair)

    role.gate.block = blocked
    if role.module == "dm":
        role.deciding.risk._is_halted = lambda: False
        role.deciding.risk._trading_state = lambda: "ACTIVE"


BUGS = (
    PlantedBug(
        name="acknowledged-on-receipt", desk=True, seconds=90.0,
        about="strands are acknowledged before they are handled, as queues do it by default",
        promise="LIVENESS", plant=acknowledges_before_it_handles, weather=killed_busy("dm", (6.0, 18.0)),
    ),
    PlantedBug(
        name="hints-trusted", desk=True, seconds=90.0,
        about="notifications are taken for the delivery: without one nothing is heard (LISTEN without a look into the table)",
        promise="S6", plant=trusts_in_hints, weather=at(Fault(15.0, "deaf", "", 70.0)),
    ),
    PlantedBug(
        name="told-from-memory", desk=True, seconds=90.0,
        about="what a trader journalled and had not told when it was killed is never told",
        promise="LIVENESS", plant=tells_from_memory, weather=at_closes("kill", "trader", (BUSY_S + 0.05, BUSY_S + 0.6)),
    ),
    PlantedBug(
        name="told-again", desk=True, seconds=60.0,
        about="a trader that begins anew tells the whole past once more",
        promise="S2", plant=tells_all_at_every_start, weather=at(Fault(25.0, "kill", "trader")),
    ),
    PlantedBug(
        name="fence-left-out", desk=True, seconds=90.0,
        about="a trader that was taken for dead comes back, and writes for an account that another one has",
        promise="S7", plant=writes_without_the_fence,
        weather=together(at_closes("freeze", "trader", (1.8, 3.0), 9.0)),
    ),
    PlantedBug(
        name="halt-untold", desk=True, seconds=60.0,
        about="the decision maker keeps its halt to itself, and the trader goes on with what was approved",
        promise="S5", plant=keeps_its_halt_to_itself, weather=at(Fault(25.0, "command", "dm halt")),
    ),
    PlantedBug(
        name="halted-and-deciding", desk=True, seconds=90.0,
        about="a halted decision maker approves what alphas propose that have not heard of it",
        promise="S3", plant=forgets_that_the_decision_maker_is_halted,
        weather=at(Fault(10.0, "command", "dm halt")),
    ),
)  # fmt: skip
