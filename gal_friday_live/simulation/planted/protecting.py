"""Bugs of protection: positions left bare, coins sold twice."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gal_friday_core.brackets import Cancel, PlaceStop, SendFreed
from gal_friday_core.errors import GalFridayError
from gal_friday_core.order_machine import OrderEvent
from gal_friday_core.orders import Amendment
from gal_friday_live.simulation.life import Life
from gal_friday_live.simulation.planted.bug import PlantedBug, at_closes, calm


def leaves_what_it_bought_without_a_stop(life: Life) -> None:
    """Entries carry no stop, and nobody looks after them."""
    engine: Any = life.engine
    submit = engine.exchange.submit

    async def bare(order: Any) -> None:
        await submit(replace(order, stop_price=None))

    engine.exchange.submit = bare
    engine.protection.tend = lambda _pair: None


def protects_the_first_part_only(life: Life) -> None:
    """Stops are placed for the first fill of an entry; what fills later has none."""
    engine: Any = life.engine
    submit, brackets = engine.exchange.submit, engine.protection.brackets
    apply, seen = brackets.apply, set()

    async def bare(order: Any) -> None:
        await submit(replace(order, stop_price=None))

    def first(order: Any, report: Any) -> None:
        if report.side == "SELL" or report.client_order_id not in seen:
            apply(order, report)
        seen.add(report.client_order_id)

    engine.exchange.submit = bare
    brackets.apply = first


def forgets_the_rest_after_a_part_was_sold(life: Life) -> None:
    """The first sale closes the trade, however little of it was sold."""
    engine: Any = life.engine
    brackets = engine.protection.brackets
    apply = brackets.apply

    def sold(order: Any, report: Any) -> None:
        apply(order, report)
        if report.side == "SELL":
            brackets.close(report.trading_pair)

    brackets.apply = sold


def does_not_place_lost_stops_anew(life: Life) -> None:
    """A stop that somebody cancelled (the dead man's switch takes stops too) is gone for good."""
    engine: Any = life.engine
    engine.protection._mend = lambda _pair, _desk, _action: False


def sells_at_the_target_beside_the_stop(life: Life) -> None:
    """The target is sold while the stop rests: whichever comes second sells what is not there."""
    engine: Any = life.engine
    act = engine.protection._act

    def both(pair: str, desk: Any, action: Any) -> bool:
        swapping = isinstance(action, Cancel) and desk.swap is not None
        return bool(act(pair, desk, SendFreed(desk.held) if swapping else action))

    engine.protection._act = both


def believes_a_cancel_that_was_only_asked_for(life: Life) -> None:
    """An order counts as ended once its end was asked for."""
    engine: Any = life.engine
    execution = engine.execution
    cancel = execution.cancel

    async def believed(key: str) -> None:
        await cancel(key)
        record = execution.blotter.get(key)
        if record is not None and record.is_open:
            execution.blotter.note(key, OrderEvent.CANCELED)
            engine.protection.tend(record.order.trading_pair)

    execution.cancel = believed


def cancels_everything_at_a_halt(life: Life) -> None:
    """A halt cancels all orders, stops too, and leaves it at that."""
    engine: Any = life.engine
    mend = engine.protection._mend
    engine.execution.cancel_entries = lambda: engine.tasks.start(engine.exchange.cancel_all(), "cancel all")
    engine.protection._mend = lambda *given: False if engine.halt.halted else mend(*given)


def does_not_wait_for_the_attached_stop(life: Life) -> None:
    """A fill without a stop gets one at once; the exchange's own is not waited for, nor looked for."""
    engine: Any = life.engine

    class Never(set[str]):
        def add(self, _pair: str) -> None:
            """Nothing is in doubt."""

    engine.protection._grace_s = 0.0
    engine.protection._unverified = Never()


def cancels_everything_when_it_stops(life: Life) -> None:
    """An engine that is asked to end leaves no orders behind, stops not even."""
    engine: Any = life.engine
    stop = engine.ingestor.stop

    async def last() -> None:
        await stop()
        with suppress(GalFridayError):
            await engine.exchange.cancel_all()

    engine.ingestor.stop = last


def amends_and_does_not_look_back(life: Life) -> None:
    """Each further part of an entry makes the first one's stop larger, whatever becomes of the amendment."""
    engine: Any = life.engine
    does_not_wait_for_the_attached_stop(life)
    protection, submit = engine.protection, engine.exchange.submit
    mend, asked = protection._mend, set()

    async def bare(order: Any) -> None:
        await submit(replace(order, stop_price=None))

    async def amend(key: str, quantity: Decimal) -> None:
        with suppress(GalFridayError):
            await engine.exchange.amend(key, Amendment(quantity=quantity))

    def grow(pair: str, desk: Any, action: Any) -> bool:
        stops = desk.sells.stops
        if not (isinstance(action, PlaceStop) and stops):
            return bool(mend(pair, desk, action))
        first = stops[0]
        wish = (first.order.client_order_id, first.quantity + action.quantity)
        if wish not in asked:
            asked.add(wish)
            engine.tasks.start(amend(*wish), "amend")
        return False

    engine.exchange.submit = bare
    protection._mend = grow


BUGS = (
    PlantedBug(
        name="no-stop-at-all",
        about="keeps the stop in its own memory (freqtrade without stoploss_on_exchange)",
        promise="P10", plant=leaves_what_it_bought_without_a_stop, weather=calm,
    ),
    PlantedBug(
        name="stop-lost-on-partial-fill",
        about="protects the first part of an entry and forgets the others (freqtrade, jesse: partial fills)",
        promise="P10", plant=protects_the_first_part_only, weather=calm,
    ),
    PlantedBug(
        name="rest-forgotten-after-a-part-was-sold",
        about="closes the trade when its target is filled in part",
        promise="P10", plant=forgets_the_rest_after_a_part_was_sold, weather=calm,
    ),
    PlantedBug(
        name="stop-not-restored",
        about="does not place stops again that the dead man's switch cancelled (Kraken's CancelAllOrdersAfter)",
        promise="P10", plant=does_not_place_lost_stops_anew, weather=at_closes("sweep", "", (4.0, 12.0)),
    ),
    PlantedBug(
        name="target-and-stop-both",
        about="sells at the target while the stop rests (freqtrade: insufficient funds on exit)",
        promise="P6", plant=sells_at_the_target_beside_the_stop, weather=calm,
    ),
    PlantedBug(
        name="cancel-believed-unconfirmed",
        about="takes a cancel that was asked for as done (hummingbot: filled while cancelling)",
        promise="P6", plant=believes_a_cancel_that_was_only_asked_for,
        weather=at_closes("wire", "reject", (0.0, 30.0), 30.0, 0.8),
    ),
    PlantedBug(
        name="stops-cancelled-at-a-halt",
        about="cancels all orders when it halts (ccxt cancel_all_orders: every pair, stops too)",
        promise="P10", plant=cancels_everything_at_a_halt, weather=at_closes("operator", "halt", (5.0, 20.0)),
    ),
    PlantedBug(
        name="second-stop-beside-the-first",
        about="places a stop while the exchange's own is on its way",
        promise="P6", plant=does_not_wait_for_the_attached_stop, weather=calm,
    ),
    PlantedBug(
        name="stops-cancelled-at-a-stop",
        about="leaves no orders behind when it is stopped (nautilus, hummingbot: cancel all orders on stop)",
        promise="P10", plant=cancels_everything_when_it_stops, weather=at_closes("restart", "", (5.0, 25.0)),
    ),
    PlantedBug(
        name="amend-race",
        about="amends a stop that the exchange has not confirmed yet, and takes it for done (freqtrade: stoploss adjusted)",
        promise="P10", plant=amends_and_does_not_look_back, weather=calm,
    ),
)  # fmt: skip
