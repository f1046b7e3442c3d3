"""Bugs of limits and halts: exceeded, forgotten, loosened, not looked at."""

import asyncio
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gal_friday_core.drawdown import Peaks
from gal_friday_core.money import ZERO, product
from gal_friday_live.recovery import RecoveryChecklist
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.life import Life
from gal_friday_live.simulation.planted.bug import PlantedBug, at, at_closes, calm, together

HALTED = together(at_closes("operator", "halt", (5.0, 20.0)))


def knows_no_limit_for_a_pair(life: Life) -> None:
    """What is held of one pair is not limited."""
    risk: Any = life.engine and life.engine.risk
    risk._limits = risk._limits.model_copy(
        update={"max_pair_exposure": Decimal(1), "max_total_exposure": Decimal(1)}
    )


def sizes_by_the_money_it_began_with(life: Life) -> None:
    """What the account was worth at the start is what every size and limit is taken of."""
    engine: Any = life.engine
    risk = engine.risk
    portfolio = risk._portfolio
    first: list[Decimal] = []

    class Remembering:
        def __getattr__(self, name: str) -> Any:
            return getattr(portfolio, name)

        def state(self) -> Any:
            state = portfolio.state()
            if state.total_equity and not first:
                first.append(state.total_equity)
            return replace(state, total_equity=first[0]) if first else state

    risk._portfolio = Remembering()


def nets_sells_against_buys(life: Life) -> None:
    """An open sell, a resting stop included, makes room for a buy."""
    engine: Any = life.engine
    reservations, blotter = engine.risk._reservations, engine.execution.blotter
    buying = reservations.buying

    def netted(pair: str | None = None) -> Decimal:
        sells = [record for record in blotter.open(pair) if record.order.side == "SELL"]
        worth = [product(record.left, record.trigger_price or record.limit_price or ZERO) for record in sells]
        return Decimal(buying(pair)) - sum(worth, ZERO)

    reservations.buying = netted


def forgets_the_days_loss_at_a_restart(life: Life) -> None:
    """A new run counts its losses from what it finds."""
    engine: Any = life.engine
    portfolio = engine.portfolio
    restore = portfolio.restore

    async def fresh() -> None:
        await restore()
        portfolio._portfolio.peaks = Peaks(engine.clock.now_ns(), portfolio.equity)

    portfolio.restore = fresh


def takes_over_looser_limits(life: Life) -> None:
    """A configuration that is read again is taken over as it is."""
    manager: Any = life.settings

    def reload() -> list[Any]:
        manager._config = manager.read()
        for listener in manager._listeners:
            listener(manager._config)
        return []

    manager.reload = reload


def does_not_look_at_the_halt(life: Life) -> None:
    """Neither the risk check nor the last look before the send asks whether trading is halted."""
    engine: Any = life.engine
    engine.execution._is_halted = engine.risk._is_halted = lambda: False
    engine.execution._checks = lambda _order: None
    engine.risk._trading_state = lambda: "ACTIVE"


def looks_at_the_halt_before_it_waits(life: Life) -> None:
    """The last checks come before the journal is waited for: a halt in between is not seen."""
    engine: Any = life.engine
    execution = engine.execution
    record, refusal = execution._record_intent, execution._refusal
    decided: dict[str, Any] = {}

    async def first(order: Any) -> None:
        decided[order.client_order_id] = refusal(order, order.created_at + 10**12)
        await record(order)

    execution._record_intent = first
    execution._refusal = lambda order, _expires_at: decided.pop(order.client_order_id)


def forgets_the_halt_at_a_restart(life: Life) -> None:
    """A new run begins active whatever the last one journalled."""
    engine: Any = life.engine

    async def restore(_journal: Any) -> None:
        """Nothing."""

    engine.halt.restore = restore


def keeps_the_halt_in_memory(life: Life) -> None:
    """A halt is journalled nowhere."""
    halt: Any = life.engine and life.engine.halt

    def unwritten(_record: Any) -> None:
        halt._written = asyncio.Event()
        halt._written.set()

    halt._record = unwritten


def resumes_without_looking(life: Life) -> None:
    """Whoever says so lets trading go on; nobody compares the account before."""
    engine: Any = life.engine
    engine.halt.checklist = RecoveryChecklist()


def sends_while_it_reconciles(life: Life) -> None:
    """Whoever decides and sends does not ask whether the account is being compared."""
    engine: Any = life.engine
    gate = engine.gate

    class Incurious:
        def __getattr__(self, name: str) -> Any:
            return getattr(gate, name)

        def why(self, pair: str) -> tuple[str, str] | None:
            blocks = [
                one for one in gate.blocks() if one["pair"] in ("", pair) and one["code"] != "RECONCILING"
            ]
            return (blocks[0]["code"], blocks[0]["why"]) if blocks else None

    engine.execution._gate = engine.risk._gate = engine.monitoring._gate = Incurious()


def wants_the_same_again_and_again(life: Life) -> None:
    """Each wish to buy becomes a hundred, each with a signal of its own."""
    engine: Any = life.engine
    strategy = engine.strategy
    propose = strategy._propose

    def again(desk: Any, proposal: Any, price: Any, moment: int, prediction: Any = None) -> None:
        for number in range(100 if proposal.side == "BUY" else 1):
            propose(desk, proposal, price, moment + number, prediction)

    strategy._propose = again


BUGS = (
    PlantedBug(
        name="no-limit-for-a-pair",
        about="sizes by risk alone: a narrow stop buys more than the account should hold",
        promise="P6", plant=knows_no_limit_for_a_pair, weather=calm,
    ),
    PlantedBug(
        name="equity-of-the-start",
        about="sizes by the balance read at the start (freqtrade's wallet between updates, fixed starting capital)",
        promise="P6", plant=sizes_by_the_money_it_began_with, weather=at(Fault(45.0, "flow", "-6000")),
    ),
    PlantedBug(
        name="netted-reservations",
        about="nets open sells against buys (the worst case of a side counts)",
        promise="P6", plant=nets_sells_against_buys, weather=calm, settings=(("risk.max_total_exposure", "0.25"),),
    ),
    PlantedBug(
        name="loss-forgotten-at-a-restart",
        about="counts the day's loss anew after a restart (freqtrade protections, many bots)",
        promise="P11", plant=forgets_the_days_loss_at_a_restart, seconds=420.0,
        weather=at(*(Fault(when + 60.0 * bar, kind, what) for bar in range(6)
                     for when, kind, what in ((50.0, "crash", ""), (65.0, "operator", "resume")))),
        settings=(("risk.max_daily_drawdown", "0.002"), ("risk.risk_per_trade", "0.02"),
                  ("risk.max_pair_exposure", "0.9"), ("risk.max_total_exposure", "0.9")),
    ),
    PlantedBug(
        name="reload-loosens",
        about="takes looser limits over while it runs (15c3-5: limits are nobody's to switch off)",
        promise="P11", plant=takes_over_looser_limits, weather=at(Fault(40.0, "operator", "loosen")),
    ),
    PlantedBug(
        name="halt-not-looked-at",
        about="lets orders that were decided before a halt leave after it",
        promise="P5", plant=does_not_look_at_the_halt, weather=HALTED,
    ),
    PlantedBug(
        name="halt-checked-before-an-await",
        about="checks, waits for the journal, and sends (every asyncio engine once)",
        promise="P5", plant=looks_at_the_halt_before_it_waits,
        weather=together(at_closes("store", "slow", (-0.5, 0.5), 10.0), at_closes("operator", "halt", (1.0, 6.0)),
                         at_closes("operator", "resume", (15.0, 25.0))),
    ),
    PlantedBug(
        name="halt-forgotten-at-a-restart",
        about="starts active after a halt (a kill switch that systemd's Restart=always undoes)",
        promise="P5", plant=forgets_the_halt_at_a_restart,
        weather=together(HALTED, at_closes("crash", "", (30.0, 50.0))),
    ),
    PlantedBug(
        name="halt-kept-in-memory",
        about="tells everybody of a halt and writes it nowhere",
        promise="P5", plant=keeps_the_halt_in_memory, weather=HALTED,
    ),
    PlantedBug(
        name="resume-without-reconciliation",
        about="resumes on command, with whatever books it has",
        promise="P5", plant=resumes_without_looking,
        weather=together(at_closes("operator", "halt", (45.0, 48.0)), at_closes("operator", "resume", (49.0, 54.0))),
    ),
    PlantedBug(
        name="sent-while-reconciling",
        about="trades on books that are being compared with the exchange's (jesse, hummingbot: entries right at reconnect)",
        promise="P5", plant=sends_while_it_reconciles,
        weather=together(at_closes("rest", "bad gateway", (-10.0, -9.0), 14.0, 0.6), at_closes("cut", "private", (-8.5, -5.0))),
    ),
    PlantedBug(
        name="runaway-strategy",
        about="wants the same again a hundred times (Knight Capital, 2012: parent orders that never ended)",
        promise="P17", plant=wants_the_same_again_and_again, weather=calm,
        settings=(("risk.risk_per_trade", "0.0001"), ("risk.halt_orders_per_minute", 60)),
    ),
)  # fmt: skip
