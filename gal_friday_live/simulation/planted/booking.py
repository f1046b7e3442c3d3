"""Bugs of the books: fills doubled or lost, fees, and differences believed that are none."""

import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gal_friday_core.money import ratio
from gal_friday_core.payloads import ExecutionReport
from gal_friday_live.simulation.faults import Fault
from gal_friday_live.simulation.life import Life
from gal_friday_live.simulation.planted.bug import CLOSES, PlantedBug, Weather, at, at_closes, calm, together

CUT: Weather = together(at_closes("latency", "", (0.0, 0.1), 10.0), at_closes("cut", "private", (0.8, 4.5)))


def _booking(life: Life, change: Any) -> None:
    """Let every fill pass through `change` before it is booked."""
    engine: Any = life.engine
    positions = engine.portfolio.positions
    book = positions.book
    positions.book = lambda report: book(change(report))


def books_a_fill_twice(life: Life) -> None:
    """Fills are not told apart by their execution id."""
    engine: Any = life.engine
    positions = engine.portfolio.positions
    book = positions.book

    def twice(report: ExecutionReport) -> Any:
        booked = book(report)
        if booked is not None:
            positions._portfolio.executions.pop(report.execution_id, None)
            book(report)
        return booked

    positions.book = twice


def books_what_is_filled_in_all(life: Life) -> None:
    """For each part, the sum of the parts is booked."""
    _booking(life, lambda report: replace(report, last_quantity=report.quantity_filled, last_cost=None))


def counts_in_floats(life: Life) -> None:
    """Quantities are sums of binary fractions."""
    sums: dict[str, float] = {}

    def drifted(report: ExecutionReport) -> ExecutionReport:
        if report.last_quantity is None:
            return report
        sign = 1 if report.side == "BUY" else -1
        before = sums.get(report.trading_pair, 0.0)
        after = sums[report.trading_pair] = before + sign * float(report.last_quantity)
        return replace(report, last_quantity=abs(Decimal(after) - Decimal(before)), last_cost=None)

    _booking(life, drifted)


def takes_cancelled_for_unfilled(life: Life) -> None:
    """Fills are booked once their order is filled; of one that ends otherwise nothing is."""
    engine: Any = life.engine
    positions = engine.portfolio.positions
    book = positions.book
    parts: dict[str, list[ExecutionReport]] = {}

    def whole(report: ExecutionReport) -> Any:
        kept = parts.setdefault(report.client_order_id, [])
        kept.append(report)
        if report.order_status != "FILLED":
            return None
        return [book(part) for part in parts.pop(report.client_order_id)][-1]

    positions.book = whole


def books_fees_in_the_base_asset(life: Life) -> None:
    """A fee in dollars is taken out of the coins."""

    def wrong(report: ExecutionReport) -> ExecutionReport:
        if report.commission is None or report.last_price is None:
            return report
        base = report.trading_pair.partition("/")[0]
        return replace(report, commission=ratio(report.commission, report.last_price), commission_asset=base)

    _booking(life, wrong)


def takes_fills_of_rest_for_others(life: Life) -> None:
    """REST's ids of fills are not those of the private line."""
    engine: Any = life.engine
    rest = engine.exchange.rest
    fills = rest.fills

    async def renamed(since_ns: int) -> list[Any]:
        return [replace(fill, execution_id=f"{fill.execution_id}-R") for fill in await fills(since_ns)]

    rest.fills = renamed


def takes_a_snapshot_for_news(life: Life) -> None:
    """The last fifty fills, told again with each new line, count as new."""
    engine: Any = life.engine
    told = [0]
    stream = engine.exchange.stream
    hear = stream.on_executions

    def on_executions(message: Any) -> None:
        if message.type == "snapshot":
            told[0] += 1
            message = replace(message, data=[renamed(event) for event in message.data])
        hear(message)

    def renamed(event: Any) -> Any:
        trade = event.exec_type == "trade" and told[0] > 1
        return replace(event, exec_id=f"{event.exec_id}-{told[0]}") if trade else event

    stream.on_executions = on_executions


def reads_nothing_after_a_reconnect(life: Life) -> None:
    """What happened while the private line was down is taken for nothing."""
    engine: Any = life.engine
    stream = engine.exchange.stream
    hear = stream.on_executions

    async def nothing(*_: Any) -> Any:
        return True

    async def no_fills(_: int) -> Any:
        return []

    stream._backfill.run = nothing
    stream.on_executions = lambda message: None if message.type == "snapshot" else hear(message)
    engine.exchange.rest.fills = no_fills


def ignores_gaps_in_the_sequence(life: Life) -> None:
    """A message that is missing is not missed."""
    engine: Any = life.engine
    keeper = engine.exchange._keeper
    connect = keeper._transport.connect

    class Deaf:
        async def connect(self, url: str, line: Any) -> Any:
            line._renew = lambda _name, _reason: None
            return await connect(url, line)

    async def nobody_asked() -> None:
        """Nor does what does not add up make anybody look."""

    keeper._transport = Deaf()
    engine.exchange.stream.ledger.unresolved = list


def ignores_orders_that_it_did_not_send(life: Life) -> None:
    """Reports of orders with an unknown id are dropped: the exchange's own stops, other people's orders."""
    engine: Any = life.engine
    execution = engine.execution
    put = execution._queue.put
    execution._queue.put = lambda report: put(report) if report.client_order_id in execution.blotter else None


def ignores_what_others_do(life: Life) -> None:
    """Orders that somebody else places on the account are nobody's business, nor are their fills."""
    engine: Any = life.engine
    put = engine.execution._queue.put
    engine.execution._queue.put = lambda report: (
        None if report.client_order_id.startswith("external:") else put(report)
    )


def believes_the_line_on_balances(life: Life) -> None:
    """What the private line said last of the balances is what they are."""
    engine: Any = life.engine
    exchange = engine.exchange

    async def heard() -> Any:
        return dict(exchange.stream.balances) or await exchange.rest.balances()

    exchange.balances = heard


def believes_one_reading(life: Life) -> None:
    """What one reading of the account shows is so, though something was filled while it was read."""
    engine: Any = life.engine
    service = engine.reconciliation
    repair = service._repair

    async def at_once(run: Any, reading: Any, found: Any) -> Any:
        run.may_act_on = lambda item, **_: item.resolution != "WAIT"
        return await repair(run, reading, found)

    service._repair = at_once


def _between_two_answers(chance: random.Random) -> Iterable[Fault]:
    """Money comes, so the account is read; meanwhile somebody trades, and the private line does not tell of it."""
    for begins_s in (close + after for close in CLOSES for after in (6.0, 30.0)):
        at_s = begins_s + chance.uniform(0.0, 10.0)
        yield Fault(at_s - 1.0, "latency", "", 12.0, 0.3)
        yield Fault(at_s, "flow", "500")
        yield Fault(at_s + chance.uniform(0.7, 1.4), "silence", "private")
        yield Fault(at_s + chance.uniform(1.2, 2.8), "stranger", "buy")


def leaks_reservations(life: Life) -> None:
    """What an order reserved is not given back when it ends."""
    engine: Any = life.engine
    reservations = engine.risk._reservations
    follow = reservations.on_report

    def forgetful(report: ExecutionReport) -> None:
        if report.order_status != "FILLED":
            follow(report)

    reservations.on_report = forgetful


BUGS = (
    PlantedBug(
        name="fill-applied-twice",
        about="books a fill each time that it is told (at-least-once streams; ours is told three times at a restart)",
        promise="P3", plant=books_a_fill_twice, weather=calm,
    ),
    PlantedBug(
        name="cumulative-quantity-booked",
        about="takes the quantity filled so far for the quantity of the fill (ccxt `filled`, many bots)",
        promise="P3", plant=books_what_is_filled_in_all, weather=calm,
    ),
    PlantedBug(
        name="quantities-in-floats",
        about="adds fills up as floats (freqtrade: dust that no order can sell; every book without decimals)",
        promise="P3", plant=counts_in_floats, weather=calm,
    ),
    PlantedBug(
        name="cancelled-taken-for-unfilled",
        about="forgets what an order had filled before it was cancelled (freqtrade: partially filled entries on time-out)",
        promise="P3", plant=takes_cancelled_for_unfilled, weather=at_closes("sweep", "", (1.0, 12.0)),
    ),
    PlantedBug(
        name="two-ids-for-one-fill",
        about="takes a fill read by REST for another than the same one heard on the line (hummingbot connectors)",
        promise="P3", plant=takes_fills_of_rest_for_others, weather=calm,
    ),
    PlantedBug(
        name="snapshot-taken-for-news",
        about="books the fills of a reconnect's snapshot once more (ccxt.pro: old fills mixed into the executions snapshot)",
        promise="P3", plant=takes_a_snapshot_for_news, weather=at_closes("cut", "private", (6.0, 30.0)),
    ),
    PlantedBug(
        name="fill-lost-on-reconnect",
        about="reads no fills after the line came back (freqtrade: an order filled while offline stays open)",
        promise="P4", plant=reads_nothing_after_a_reconnect, weather=CUT,
    ),
    PlantedBug(
        name="sequence-gap-ignored",
        about="does not count the messages of the private line (Kraken's `sequence`; most clients)",
        promise="P3", plant=ignores_gaps_in_the_sequence,
        weather=at_closes("wire", "sequence_gap", (0.0, 0.5), 6.0, 0.7),
    ),
    PlantedBug(
        name="unsent-fill-ignored",
        about="drops fills of orders that it did not send itself, an attached stop's included",
        promise="P3", plant=ignores_orders_that_it_did_not_send, weather=calm,
    ),
    PlantedBug(
        name="external-order-ignored",
        about="takes the account for its own: what its owner trades by hand is not booked (most bots)",
        promise="P3", plant=ignores_what_others_do, weather=at_closes("stranger", "buy", (10.0, 25.0)),
    ),
    PlantedBug(
        name="fee-in-the-wrong-asset",
        about="books a quote fee in base (ccxt fee currencies)",
        promise="P3", plant=books_fees_in_the_base_asset, weather=calm,
    ),
    PlantedBug(
        name="last-word-on-balances-believed",
        about="reconciles against balances whose last change was lost (ours, until seeds 211 and 545)",
        promise="LIVENESS", plant=believes_the_line_on_balances,
        weather=at_closes("wire", "sequence_gap", (-1.0, 0.0), 6.0, 0.7),
    ),
    PlantedBug(
        name="one-reading-believed",
        about="halts for, or books, a difference that a fill between two answers made (balances are no snapshot)",
        promise="P4", plant=believes_one_reading, weather=_between_two_answers,
    ),
    PlantedBug(
        name="reservation-leak",
        about="never gives back what a filled order reserved (jesse, hummingbot budget checker)",
        promise="LIVENESS", plant=leaks_reservations, weather=at(Fault(150.0, "cut", "public")),
    ),
)  # fmt: skip
