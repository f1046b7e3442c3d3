"""The blotter against a plain reference: every fill once, every state allowed, nothing lost."""

from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from gal_friday_core.blotter import Blotter
from gal_friday_core.errors import ContractError
from gal_friday_core.order_machine import ENDED, OrderEvent
from gal_friday_core.orders import TRANSITIONS
from gal_friday_core.payloads import ExecutionReport
from tests.core.trading import PAIR, order


def report(key="a", status="NEW", *, side="BUY", quantity="1", told="0", execution=None, **changes):
    last, price = execution[1:] if execution else (None, None)
    given = {
        "signal_id": f"signal-{key}", "client_order_id": key, "trading_pair": PAIR, "exchange": "test",
        "order_status": status, "order_type": "MARKET", "side": side, "quantity_ordered": Decimal(quantity),
        "quantity_filled": Decimal(told), "timestamp_exchange": 5,
        "execution_id": execution[0] if execution else None,
        "last_quantity": Decimal(last) if last else None, "last_price": Decimal(price) if price else None,
    }  # fmt: skip
    return ExecutionReport(**{**given, **changes})


def blotter_with(*orders):
    blotter = Blotter()
    for one in orders or (order("a"),):
        blotter.add(one)
    return blotter


def test_an_order_is_taken_once():
    blotter = blotter_with()
    with pytest.raises(ContractError, match="an id is used once"):
        blotter.add(order("a"))


def test_the_same_fill_counts_once_however_often_it_is_told():
    blotter = blotter_with()
    fill = report(status="PARTIALLY_FILLED", told="0.4", execution=("x1", "0.4", "100"))
    first, second = blotter.apply(fill), blotter.apply(fill)
    assert (first.news, first.fill, second.news, second.fill) == (True, True, False, False)
    assert blotter.get("a").filled == Decimal("0.4")


def test_fills_out_of_order_add_up_and_the_last_completes():
    blotter = blotter_with()
    blotter.apply(report(status="PARTIALLY_FILLED", told="1", execution=("x2", "0.6", "110")))
    record = blotter.get("a")
    assert (record.status, record.missing) == ("PARTIALLY_FILLED", Decimal("0.4"))
    blotter.apply(report(status="PARTIALLY_FILLED", told="0.4", execution=("x1", "0.4", "100")))
    assert (record.status, record.missing) == ("FILLED", 0)
    assert record.average_price == Decimal(106)


def test_the_venue_word_of_completion_without_its_fills_is_kept_as_missing():
    blotter = blotter_with()
    blotter.apply(report(status="FILLED", told="1"))
    record = blotter.get("a")
    assert (record.status, record.filled, record.missing) == ("FILLED", 0, 1)
    applied = blotter.apply(report(status="FILLED", told="1", execution=("x1", "1", "100")))
    assert (applied.fill, record.missing, applied.anomaly) == (True, 0, None)


def test_a_fill_after_the_cancel_is_booked_and_the_order_stays_ended():
    blotter = blotter_with()
    blotter.apply(report(status="CANCELED"))
    applied = blotter.apply(report(status="PARTIALLY_FILLED", told="0.3", execution=("x1", "0.3", "100")))
    assert (applied.fill, applied.anomaly, applied.record.status) == (True, None, "CANCELED")
    assert applied.record.filled == Decimal("0.3")
    assert blotter.open() == []


def test_a_fill_of_a_refused_order_is_booked_and_told():
    blotter = blotter_with()
    blotter.apply(report(status="REJECTED"))
    applied = blotter.apply(report(status="FILLED", told="1", execution=("x1", "1", "100")))
    assert applied.anomaly.code == "FILL_OF_REFUSED_ORDER"
    assert (applied.fill, applied.record.filled, applied.record.status) == (True, 1, "REJECTED")


def test_a_fill_of_an_order_never_sent_is_booked_and_told():
    applied = Blotter().apply(report("never", "FILLED", told="1", execution=("x1", "1", "100")))
    assert applied.anomaly.code == "UNSENT_ORDER"
    assert (applied.fill, applied.record.order.purpose) == (True, "EXTERNAL")


def test_somebody_elses_order_is_taken_in_without_alarm():
    applied = Blotter().apply(report("external:O-SLIM-1", "NEW", signal_id=""))
    assert (applied.news, applied.anomaly, applied.record.order.purpose) == (True, None, "EXTERNAL")


@pytest.mark.parametrize(
    ("name", "purpose"), [("a-SL", "STOP"), ("a-SL-OB-SLTP-7", "STOP"), ("a-TP", "TARGET")]
)
def test_protection_that_the_venue_made_belongs_to_its_entry(name, purpose):
    applied = blotter_with().apply(report(name, "NEW", side="SELL"))
    assert applied.anomaly is None
    assert (applied.record.order.purpose, applied.record.order.parent) == (purpose, "a")
    assert applied.record.order.reduce_only


def test_an_order_that_lives_after_its_end_is_told_and_stays_ended():
    blotter = blotter_with()
    blotter.apply(report(status="EXPIRED"))
    applied = blotter.apply(report(status="NEW"))
    assert (applied.anomaly.code, applied.news, applied.record.status) == (
        "ALIVE_AFTER_END",
        False,
        "EXPIRED",
    )


def test_an_illegal_state_is_told_and_not_applied():
    blotter = blotter_with()
    blotter.apply(report(status="FILLED", told="1", execution=("x1", "1", "100")))
    applied = blotter.apply(report(status="REJECTED"))
    assert (applied.anomaly.code, applied.record.status) == ("ILLEGAL_TRANSITION", "FILLED")


def test_more_than_was_ordered_is_booked_and_told():
    blotter = blotter_with()
    blotter.apply(report(status="FILLED", told="1", execution=("x1", "1", "100")))
    applied = blotter.apply(report(status="FILLED", told="1.5", execution=("x2", "0.5", "100")))
    assert (applied.anomaly.code, applied.record.filled) == ("OVERFILLED", Decimal("1.5"))


def test_half_a_fill_is_refused():
    with pytest.raises(ContractError, match="half a fill"):
        blotter_with().apply(report(status="FILLED", told="1", execution=("x1", None, None)))


def test_a_fill_that_races_an_amendment_counts_against_the_new_quantity():
    blotter = blotter_with()
    blotter.apply(report(status="NEW"))
    blotter.apply(report(status="PARTIALLY_FILLED", told="0.5", execution=("x1", "0.5", "100")))
    applied = blotter.apply(report(status="PARTIALLY_FILLED", quantity="2", told="0.5"))
    assert applied.news
    assert (applied.record.quantity, applied.record.left) == (2, Decimal("1.5"))
    blotter.apply(report(status="PARTIALLY_FILLED", quantity="2", told="2", execution=("x2", "1.5", "100")))
    assert applied.record.status == "FILLED"


def test_a_fill_tells_nothing_of_the_ordered_quantity():
    blotter = blotter_with()
    blotter.apply(
        report(status="PARTIALLY_FILLED", quantity="0.4", told="0.4", execution=("x1", "0.4", "100"))
    )
    assert blotter.get("a").quantity == 1


def test_what_sells_is_told_by_what_it_means_for_protection():
    stop = replace(order("s", "SELL", "STOP_LOSS", "0.7", trigger_price=90), purpose="STOP")
    leaving = replace(order("l", "SELL", "STOP_LOSS", "0.2", trigger_price=90), purpose="STOP")
    leaves = replace(order("e", "SELL", "MARKET", "0.1"), purpose="EXIT")
    blotter = blotter_with(order("a"), stop, leaving, leaves)
    blotter.apply(report("l", "NEW", side="SELL", quantity="0.2"))
    blotter.note("l", OrderEvent.CANCEL_ASKED)
    sells = blotter.sells(PAIR)
    assert [[one.order.client_order_id for one in group] for group in sells] == [["s"], ["l"], ["e"]]
    assert blotter.covered(PAIR) == Decimal("0.7")


def test_an_order_without_an_answer_must_be_told_by_the_venue():
    blotter = blotter_with(order("a"), order("b"), order("c"))
    blotter.apply(report("b", "NEW"))
    blotter.apply(report("c", "UNKNOWN"))
    assert [one.order.client_order_id for one in blotter.unanswered()] == ["a", "c"]
    assert [one.order.client_order_id for one in blotter.unknown(PAIR)] == ["c"]


@pytest.mark.parametrize("made_at", [1_000, 10**15])
def test_how_long_an_order_stood_is_counted_by_the_venues_clock(made_at):
    blotter = blotter_with(order(created_at=made_at))
    blotter.apply(report(status="NEW", exchange_order_id="X", timestamp_exchange=5 * 10**9))
    blotter.apply(report(status="CANCELED", exchange_order_id="X", timestamp_exchange=8 * 10**9))
    assert blotter.get("a").rested_ns == 3 * 10**9


def test_where_the_venue_told_of_the_end_alone_our_clock_counts():
    blotter = blotter_with(order(created_at=1_000))
    blotter.apply(report(status="CANCELED", exchange_order_id="X", timestamp_exchange=4_000))
    assert blotter.get("a").rested_ns == 3_000


def test_the_oldest_ended_orders_are_forgotten_with_their_fills_and_open_ones_never():
    blotter = Blotter(keep_ended=2)
    for key in "abcd":
        blotter.add(order(key))
        if key != "a":
            blotter.apply(report(key, "FILLED", told="1", execution=(f"x{key}", "1", "100")))
    assert [one.order.client_order_id for one in blotter.records()] == ["a", "c", "d"]
    assert not blotter.is_booked("xb")
    assert blotter.is_booked("xc")


STATES = sorted(set(TRANSITIONS) - {"ERROR"})
QUANTITY = Decimal(1)


class BlotterMachine(RuleBasedStateMachine):
    """Reports of three orders in any order, repeated at will, against sums kept in plain dictionaries."""

    executions = Bundle("executions")

    def __init__(self):
        super().__init__()
        self.blotter = Blotter()
        self.booked: dict[str, dict[str, Decimal]] = {key: {} for key in "abc"}
        self.ended: dict[str, str] = {}
        for key in "abc":
            self.blotter.add(order(key))

    def told(self, key):
        return sum(self.booked[key].values(), Decimal(0))

    @rule(target=executions, key=st.sampled_from("abc"), part=st.integers(1, 4), status=st.sampled_from(["PARTIALLY_FILLED", "FILLED"]))  # fmt: skip
    def fills(self, key, part, status):
        execution = (key, f"x{sum(map(len, self.booked.values()))}", Decimal(part) / 4)
        self.apply_fill(execution, status)
        return (*execution, status)

    @rule(execution=executions)
    def repeats(self, execution):
        before = self.blotter.get(execution[0]).status
        applied = self.apply_fill(execution[:3], execution[3])
        assert not applied.fill
        assert before not in ENDED or applied.record.status == before

    @rule(key=st.sampled_from("abc"), status=st.sampled_from(STATES))
    def tells(self, key, status):
        before = self.blotter.get(key).status
        applied = self.blotter.apply(report(key, status, told=str(self.told(key))))
        after = applied.record.status
        assert after == before or after in TRANSITIONS[before]
        assert not applied.fill

    @rule(key=st.sampled_from("abc"), event=st.sampled_from(sorted(OrderEvent)))
    def notes(self, key, event):
        before = self.blotter.get(key).status
        if event not in (OrderEvent.PART_FILLED, OrderEvent.ALL_FILLED):
            after = self.blotter.note(key, event)
            assert after == before or after in TRANSITIONS[before]

    def apply_fill(self, execution, status):
        key, execution_id, quantity = execution
        self.booked[key][execution_id] = quantity
        told = report(key, status, told="0", execution=(execution_id, str(quantity), "100"))
        applied = self.blotter.apply(told)
        if applied.fill and self.told(key) >= QUANTITY and applied.record.status not in ENDED - {"FILLED"}:
            assert applied.record.status == "FILLED"
        return applied

    @invariant()
    def every_fill_counts_once(self):
        for key, fills in self.booked.items():
            record = self.blotter.get(key)
            assert record.filled == sum(fills.values(), Decimal(0))
            assert len(record.executions) == len(fills)

    @invariant()
    def what_ended_never_opens_again_and_the_rest_is_open(self):
        for key in "abc":
            status = self.blotter.get(key).status
            assert self.ended.get(key, status) == status
            if status in ENDED:
                self.ended[key] = status

        standing = {record.order.client_order_id for record in self.blotter.open(PAIR)}
        assert standing == set("abc") - set(self.ended)
        assert standing == {record.order.client_order_id for record in self.blotter.open()}


BlotterMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBlotterMachine = BlotterMachine.TestCase
