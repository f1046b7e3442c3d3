"""The ledger hears a real venue's events with some lost, repeated and out of order, and REST for the rest."""

import itertools
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_adapters.kraken.executions_ledger import ExecutionsLedger
from gal_friday_adapters.simulated_kraken import private_feed
from gal_friday_adapters.simulated_kraken.text import encode
from gal_friday_core.account import FillFacts, OrderFacts
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken import private_wire, words
from gal_friday_core.orders import TRANSITIONS, Order, is_terminal
from gal_friday_core.times import SECOND_NS
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.listings import DEMO_LISTINGS
from gal_friday_core.venue.requests import AddOrder, CancelOrder, Conditional
from gal_friday_core.venue.updates import ExecutionUpdate
from tests.adapters.simulated_kraken.running import Ladder

PAIR = "BTC/USD"
START = 1_700_000_000 * SECOND_NS
STOP = Conditional(order_type="stop-loss", trigger_price=Decimal(29500))


def ours(name: str) -> Order:
    return Order(
        client_order_id=name, signal_id=f"signal of {name}", trading_pair=PAIR, side="BUY", order_type="LIMIT",
        quantity=Decimal(1), created_at=START,
    )  # fmt: skip


ORDERS = [ours(name) for name in ("entry", "resting", "expiring")]


def day() -> tuple[list[private_wire.Execution], list[OrderFacts], list[FillFacts]]:
    """A day of a venue: what the line would say, and what REST says of it in the end."""
    venue = Venue(seed=3, start_ns=START, markets={listing.symbol: Ladder() for listing in DEMO_LISTINGS})
    venue.open_account("me", {"USD": Decimal(1_000_000), "BTC": Decimal(5)})
    for step, asked in enumerate(requests()):
        response = venue.call("me", asked, START + step * SECOND_NS)
        assert response.error is None
    updates = venue.advance(START + 60 * SECOND_NS)
    told = [update for update in updates if isinstance(update, ExecutionUpdate)]
    orders = list(venue.account("me").orders.values())
    return [wire(update) for update in told], [facts(order) for order in orders], fills(venue)


def requests():
    yield limit("entry", "1.7", "30000.4", conditional=STOP)
    yield limit("resting", "0.3", "29990.0")
    yield limit("expiring", "2.0", "30000.4", expire_time=START + 30 * SECOND_NS, time_in_force="gtd")
    yield limit("foreign", "0.2", "30000.9", conditional=STOP)
    yield CancelOrder(cl_ord_id=("resting",))
    yield AddOrder(symbol=PAIR, side="sell", order_type="market", order_qty=Decimal("0.4"))


def limit(name: str, quantity: str, price: str, **fields) -> AddOrder:
    return AddOrder(
        symbol=PAIR, side="buy", order_type="limit", order_qty=Decimal(quantity), limit_price=Decimal(price),
        cl_ord_id=name, **fields,
    )  # fmt: skip


def wire(update: ExecutionUpdate) -> private_wire.Execution:
    entry = private_feed.execution(update)
    raw = encode({"channel": "executions", "type": "update", "data": [entry], "sequence": 1})
    return private_wire.decode(raw).data[0]


def facts(order) -> OrderFacts:
    return OrderFacts(
        exchange_order_id=order.order_id, trading_pair=order.symbol, side=words.side(order.asked.side),
        order_type=words.order_type(order.asked.order_type),
        status=words.order_status(order.rest_status, order.cum_qty), quantity=order.quantity,
        filled=order.cum_qty, opened_at=order.opened_ns, client_order_id=order.asked.cl_ord_id,
        parent_exchange_order_id=order.ord_ref_id, closed_at=order.closed_ns, limit_price=order.limit,
        trigger_price=order.stop,
    )  # fmt: skip


def fills(venue: Venue) -> list[FillFacts]:
    return [
        FillFacts(
            execution_id=fill.exec_id, exchange_order_id=fill.order_id, trading_pair=fill.symbol,
            side=words.side(fill.side), order_type=words.order_type(fill.order_type), quantity=fill.quantity,
            price=fill.price, fee=fill.fee, fee_asset=fill.fee_asset, timestamp=fill.time_ns,
        )
        for fill in venue.account("me").executions
    ]  # fmt: skip


EVENTS, FACTS, FILLS = day()


def named(report) -> str:
    return report.client_order_id


def check(reports) -> None:
    """What must hold of any stream of reports, and what this day must come to."""
    assert len(FILLS) > 5
    told = [report for report in reports if report.execution_id is not None]
    assert sorted(report.execution_id for report in told) == sorted(fill.execution_id for fill in FILLS)
    for truth in FACTS:
        own = [report for report in reports if report.exchange_order_id == truth.exchange_order_id]
        assert len({named(report) for report in own}) == 1
        assert own[-1].order_status == truth.status
        assert own[-1].quantity_filled == truth.filled
        counted = sum((report.last_quantity for report in own if report.execution_id), Decimal(0))
        assert counted == truth.filled
        for before, after in itertools.pairwise(own):
            assert after.order_status in TRANSITIONS[before.order_status] | {before.order_status}
            assert after.quantity_filled >= before.quantity_filled
            assert not is_terminal(before.order_status), f"{named(after)} was told on after its end"
    assert {named(report).partition("-SL-")[0].partition(":")[0] for report in reports} == {
        "entry", "resting", "expiring", "external",
    }  # fmt: skip


def ledger() -> ExecutionsLedger:
    fresh = ExecutionsLedger("kraken")
    for order in ORDERS:
        fresh.expect(order)
    return fresh


def test_events_alone_tell_the_day():
    book = ledger()
    reports = [report for event in EVENTS for report in book.hear(event)]
    check(reports)
    stops = [report for report in reports if "-SL-" in named(report)]
    assert stops
    assert {stop.signal_id for stop in stops} == {"signal of entry"}
    assert book.unresolved() == book.unheard() == []


def test_rest_alone_tells_the_day():
    book = ledger()
    reports = [report for fill in FILLS for report in book.fill(fill)]
    reports += [report for order in reversed(FACTS) for report in book.facts(order)]
    check(reports)


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(0, 1), st.floats(0, 1))
def test_whatever_is_lost_repeated_or_late_the_same_is_told(chance: random.Random, lost: float, late: float):
    book = ledger()
    kept = [event for event in EVENTS for _ in range(chance.choice((1, 1, 2))) if chance.random() >= lost]
    for number in range(len(kept)):
        if chance.random() < late:
            other = chance.randrange(len(kept))
            kept[number], kept[other] = kept[other], kept[number]
    read = [*[(book.facts, item) for item in FACTS], *[(book.fill, item) for item in FILLS]]
    chance.shuffle(read)
    said = [(book.hear, event) for event in kept] + read
    cut = chance.randrange(len(said) + 1)
    reports = []
    for take, item in [*said[cut:], *said[:cut], *read]:
        try:
            reports += take(item)
        except ContractError:
            assert take == book.hear  # a sparse fill of an order that nobody knows: REST tells it
    check(reports)
    assert book.unresolved() == []


def test_an_end_waits_for_its_fills():
    book = ledger()
    entry = next(order for order in FACTS if order.client_order_id == "entry")
    assert [report.order_status for report in book.facts(entry)] == ["NEW"]
    assert book.unresolved() == [entry.exchange_order_id]
    own = [fill for fill in FILLS if fill.exchange_order_id == entry.exchange_order_id]
    assert len(own) > 1
    statuses = [report.order_status for fill in own for report in book.fill(fill)]
    assert statuses == ["PARTIALLY_FILLED"] * (len(own) - 1) + ["FILLED"]
    assert book.unresolved() == []


def test_an_old_state_does_not_bring_an_ended_order_back():
    book = ledger()
    truth = next(order for order in FACTS if order.client_order_id == "expiring")
    own = [event for event in EVENTS if event.order_id == truth.exchange_order_id]
    ends = [report for event in reversed(own) if event.exec_type != "trade" for report in book.hear(event)]
    assert truth.status == "EXPIRED"
    assert not any(is_terminal(report.order_status) for report in ends)
    told = [report for fill in FILLS for report in book.fill(fill) if named(report) == "expiring"]
    assert [report.order_status for report in told][-1] == "EXPIRED"


def test_the_stop_of_an_entry_that_is_not_known_yet_waits_for_it():
    book = ledger()
    stop = next(order for order in FACTS if order.parent_exchange_order_id and order.status != "FILLED")
    assert book.facts(stop) == []
    assert book.parents() == [stop.parent_exchange_order_id]
    parent = next(order for order in FACTS if order.exchange_order_id == stop.parent_exchange_order_id)
    assert stop.exchange_order_id in {report.exchange_order_id for report in book.facts(parent)}
    assert book.parents() == []


def test_a_stop_of_an_earlier_run_is_known_by_its_name():
    stop = next(order for order in FACTS if order.parent_exchange_order_id)
    name = f"entry-SL-{stop.exchange_order_id}"
    book = ExecutionsLedger("kraken")
    book.expect(Order(
        client_order_id=name, signal_id="signal of entry", trading_pair=PAIR, side="SELL", order_type="STOP_LOSS",
        quantity=stop.quantity, created_at=START, purpose="STOP", parent="entry",
    ))  # fmt: skip
    assert book.unheard() == []
    assert {named(report) for report in book.facts(stop)} == {name}
    assert book.name(name) == (stop.exchange_order_id, None)


def test_only_a_resting_entry_needs_the_dead_mans_switch():
    book = ExecutionsLedger("kraken")
    assert not book.resting_entries()
    book.expect(ours("resting"))
    assert book.resting_entries()
    resting = next(order for order in FACTS if order.client_order_id == "resting")
    book.facts(resting)
    assert resting.status == "CANCELED"
    assert not book.resting_entries()


@pytest.mark.parametrize("assets", [("USD", "BTC")])
def test_a_fill_with_fees_in_two_assets_is_refused_rather_than_halved(assets):
    event = next(event for event in EVENTS if event.exec_type == "trade")
    fees = tuple(private_wire.Fee(asset=asset, qty=Decimal("0.1")) for asset in assets)
    book = ledger()
    strange = private_wire.Execution(
        **{name: getattr(event, name) for name in event.__struct_fields__ if name != "fees"}, fees=fees
    )
    with pytest.raises(ContractError, match="BTC, USD"):
        book.hear(strange)
