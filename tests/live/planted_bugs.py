"""Bugs as others have shipped them, each put into an engine before it starts: the simulation must notice."""

from msgspec.structs import replace

from gal_friday_core.errors import OutcomeUnknownError


def resends_after_a_time_out(life):
    """An order without an answer is sent once more, by REST."""
    exchange = life.engine.exchange
    submit = exchange.submit

    async def again(order):
        try:
            await submit(order)
        except OutcomeUnknownError:
            await exchange.rest.add_order(order)

    exchange.submit = again


def sends_before_the_intent_is_durable(life):
    """The intent is written after the order has left."""
    execution = life.engine.execution
    record = execution._record_intent

    async def later(order):
        life.engine.tasks.start(record(order), "intent")

    execution._record_intent = later


def books_a_fill_twice(life):
    """Fills are not told apart by their execution id."""
    positions = life.engine.portfolio.positions
    book = positions.book

    def twice(report):
        booked = book(report)
        if booked is not None:
            positions._portfolio.executions.discard(report.execution_id)
            book(report)
        return booked

    positions.book = twice


def does_not_look_at_the_halt(life):
    """Neither the risk check nor the last look before the send asks whether trading is halted."""
    engine = life.engine
    engine.execution._is_halted = engine.risk._is_halted = lambda: False
    engine.execution._checks = lambda order: None
    engine.risk._trading_state = lambda: "ACTIVE"


def forgets_the_halt_at_a_restart(life):
    """A new run begins active whatever the last one journalled."""

    async def restore(journal):
        pass

    life.engine.halt.restore = restore


def knows_no_limit_for_a_pair(life):
    """What is held of one pair is not limited."""
    risk = life.engine.risk
    risk._limits = risk._limits.model_copy(update={"max_pair_exposure": 1, "max_total_exposure": 1})


def decides_on_a_book_that_failed(life):
    """Whatever a book said last counts, verified or not."""
    risk, ingestor = life.engine.risk, life.engine.ingestor
    kept, on_book = {}, ingestor.on_book

    def keep(pair, book, received_ns, raw):
        kept[pair] = book
        on_book(pair, book, received_ns, raw)

    ingestor.on_book = keep
    risk._market_fault = lambda pair: ""
    risk._book = kept.get


def leaves_what_it_bought_without_a_stop(life):
    """Entries carry no stop, and nobody looks after them."""
    engine = life.engine
    submit = engine.exchange.submit

    async def bare(order):
        await submit(replace(order, stop_price=None))

    engine.exchange.submit = bare
    engine.protection.tend = lambda pair: None


def believes_the_line_on_balances(life):
    """What the private line said last of the balances is what they are. (Ours, until seeds 211 and 545.)"""
    exchange = life.engine.exchange

    async def heard():
        return dict(exchange.stream.balances) or await exchange.rest.balances()

    exchange.balances = heard


def trades_on_a_clock_that_nobody_confirmed(life):
    """Entries pass before the exchange has told its time. (Ours, until seed 95.)"""
    life.engine.gate.clear("CLOCK_UNKNOWN")


BUGS = {
    resends_after_a_time_out: ("P1", 43),
    sends_before_the_intent_is_durable: ("P2", 12),
    books_a_fill_twice: ("P3", 0),
    does_not_look_at_the_halt: ("P5", 0),
    forgets_the_halt_at_a_restart: ("P5", 11),
    knows_no_limit_for_a_pair: ("P6", 0),
    leaves_what_it_bought_without_a_stop: ("LIVENESS", 0),
}
"""Each with the promise it breaks, and a seed in which that shows."""
