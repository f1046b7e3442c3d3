"""The private line in memory: sequences, silence, and what cannot be read."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_adapters.kraken.order_entry import OrderEntry
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_adapters.kraken.private_line import PrivateLine
from gal_friday_core.errors import ExchangeError, OutcomeUnknownError
from gal_friday_core.kraken import order_requests

STAMP = "2024-03-01T00:00:00.000000Z"


class Wire:
    """A connection that keeps what is sent."""

    def __init__(self):
        self.sent, self.closed = [], False

    def send(self, message):
        self.sent.append(json.loads(message))

    def close(self):
        self.closed = True


class Ears:
    """A sink that keeps what it hears."""

    def __init__(self):
        self.orders, self.balances, self.answers, self.gaps, self.systems = [], [], [], [], []
        self.threshold = None

    def on_executions(self, message):
        self.orders += [event.order_id for event in message.data]

    def on_balances(self, message):
        self.balances += [entry.asset for entry in message.data]

    def on_answer(self, response):
        self.answers.append(response)

    def on_threshold(self, maxratecount):
        self.threshold = maxratecount

    def on_gap(self, reason):
        self.gaps.append(reason)

    def on_status(self, system):
        self.systems.append(system)


class Bench:
    """An open line, on a time of its own."""

    def __init__(self, *, standing=True):
        self.now, self.ends = 0.0, 0
        self.ears, self.wire = Ears(), Wire()
        self.line = PrivateLine(
            "token",
            self.ears,
            patience=Patience(silence_s=2.0, answer_s=5.0),
            timer=lambda: self.now,
            ended=self.end,
        )
        self.line.opened(self.wire)
        if standing:
            self.executions(1, kind="snapshot")
            self.balances(1, kind="snapshot")

    def end(self):
        self.ends += 1

    def say(self, message):
        self.line.on_message(json.dumps(message).encode())

    def executions(self, sequence, *orders, kind="update"):
        data = [{"order_id": order, "exec_type": "new", "timestamp": STAMP} for order in orders]
        self.say({"channel": "executions", "type": kind, "data": data, "sequence": sequence})

    def balances(self, sequence, kind="update"):
        data = [{"asset": "BTC", "balance": 1.5}]
        self.say({"channel": "balances", "type": kind, "data": data, "sequence": sequence})

    def wait(self, seconds, *, heartbeats=False):
        """Let time pass in the steps in which a line is watched."""
        for _ in range(round(seconds / 0.125)):
            self.now += 0.125
            if heartbeats:
                self.say({"channel": "heartbeat"})
            self.line.check()


def test_it_asks_for_both_channels_with_its_token_and_stands_with_their_snapshots():
    bench = Bench(standing=False)
    assert [request["params"]["channel"] for request in bench.wire.sent] == ["executions", "balances"]
    assert {request["params"]["token"] for request in bench.wire.sent} == {"token"}
    assert [request["req_id"] for request in bench.wire.sent] == [1, 2]
    bench.executions(1, kind="snapshot")
    assert not bench.line.stands
    bench.balances(1, kind="snapshot")
    assert bench.line.stands


def test_a_skipped_number_is_a_gap_and_a_new_snapshot_ends_it():
    bench = Bench()
    bench.executions(2, "A")
    bench.wire.sent.clear()
    bench.executions(4, "C")
    assert bench.ears.gaps == ["executions: 4 came after 2"]
    assert bench.ears.orders == ["A", "C"]
    assert not bench.line.stands
    methods = [(request["method"], request["params"]["channel"]) for request in bench.wire.sent]
    assert methods == [("unsubscribe", "executions"), ("subscribe", "executions")]
    bench.executions(5, "D")  # still of the old subscription
    bench.executions(1, "A", "B", "C", kind="snapshot")
    assert bench.line.stands
    bench.executions(2, "E")
    assert len(bench.ears.gaps) == 1


def test_a_number_that_was_there_already_is_not_heard_again():
    bench = Bench()
    bench.executions(2, "A")
    bench.executions(2, "A")
    bench.executions(1, "A")
    assert bench.ears.orders == ["A"]
    assert bench.ears.gaps == []


def test_gaps_in_quick_succession_are_told_but_asked_for_once():
    bench = Bench()
    bench.executions(3, "A")
    bench.executions(1, kind="snapshot")
    bench.wire.sent.clear()
    bench.executions(3, "B")
    assert len(bench.ears.gaps) == 2
    assert bench.wire.sent == []


def test_a_straggler_of_an_earlier_subscription_hides_nothing_of_the_present_one():
    bench = Bench()
    bench.executions(7, "A")
    bench.executions(1, kind="snapshot")
    bench.executions(6, "old")
    bench.executions(2, "B")
    assert bench.ears.orders == ["A", "old", "B"]
    bench.wire.sent.clear()
    bench.wait(5.0, heartbeats=True)
    assert [request["method"] for request in bench.wire.sent] == ["unsubscribe", "subscribe"]
    assert not bench.line.stands


def test_a_silent_line_is_pinged_and_then_given_up():
    bench = Bench()
    bench.wire.sent.clear()
    bench.wait(1.5)
    assert [request["method"] for request in bench.wire.sent] == ["ping"]
    assert bench.line.is_open
    bench.wait(0.5)
    assert bench.wire.closed
    assert "silent for 2.00 s" in bench.line.closed
    assert bench.ends == 1


def test_heartbeats_keep_it_open():
    bench = Bench()
    bench.wait(30, heartbeats=True)
    assert bench.line.stands


def test_our_own_delay_is_not_taken_for_its_silence():
    bench = Bench()
    bench.now += 10.0
    bench.line.check()
    assert bench.line.is_open


def test_a_snapshot_that_never_comes_ends_the_line():
    bench = Bench(standing=False)
    bench.executions(1, kind="snapshot")
    bench.wait(5.0, heartbeats=True)
    assert bench.line.closed == "no snapshot of balances in 5.0 s"


def test_a_refused_subscription_ends_the_line_with_the_reason():
    bench = Bench(standing=False)
    bench.say({"method": "subscribe", "success": False, "error": "EGeneral:Permission denied", "req_id": 1})
    assert (bench.line.refused.code, bench.line.refused.kind) == ("PERMISSION_DENIED", "AUTH")
    assert bench.wire.closed


def test_the_limit_that_comes_with_the_subscription_is_told():
    bench = Bench(standing=False)
    result = {"channel": "executions", "maxratecount": 125}
    bench.say({"method": "subscribe", "success": True, "result": result, "req_id": 1})
    assert bench.ears.threshold == 125


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.just(b'{"channel":"executions","type":"update"}'), max_size=12))
def test_whatever_comes_it_neither_raises_nor_stands_on_a_gap(messages):
    bench = Bench()
    for raw in messages:
        bench.line.on_message(raw)
    assert bench.line.stands or bench.ears.gaps or bench.line.closed


# What waits for an answer


async def test_an_answer_goes_to_the_request_with_its_number():
    bench, entry = Bench(), OrderEntry()
    first, second = (entry.ask(bench.line, name, cancel_all) for name in ("first", "second"))
    numbers = [request["req_id"] for request in bench.wire.sent[-2:]]
    bench.say({"method": "cancel_all", "success": True, "result": {"count": 2}, "req_id": numbers[1]})
    bench.say(
        {
            "method": "cancel_all",
            "success": False,
            "error": "EGeneral:Permission denied",
            "req_id": numbers[0],
        }
    )
    for answer in bench.ears.answers:
        entry.answered(answer)
    assert (await entry.outcome(second, "second", 1.0)).cancelled == 2
    with pytest.raises(ExchangeError) as refused:
        await entry.outcome(first, "first", 1.0)
    assert refused.value.code == "PERMISSION_DENIED"
    await asyncio.sleep(0)  # what is answered is forgotten
    entry.answered(bench.ears.answers[0])
    assert entry.stray == 1


async def test_without_an_answer_in_time_or_without_a_line_the_outcome_is_unknown():
    bench, entry = Bench(), OrderEntry()
    late, lost = (entry.ask(bench.line, name, cancel_all) for name in ("late", "lost"))
    with pytest.raises(OutcomeUnknownError, match="no answer within"):
        await entry.outcome(late, "late", 0.001)
    entry.lost("cable")
    with pytest.raises(OutcomeUnknownError, match="cable"):
        await entry.outcome(lost, "lost", 1.0)


def cancel_all(token, number):
    return order_requests.cancel_all(token=token, req_id=number)
