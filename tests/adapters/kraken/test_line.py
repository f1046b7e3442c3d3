"""One line in memory: whatever bytes come, it neither raises nor tells of a book that is not verified."""

import json
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_adapters.kraken.line import MarketLine
from gal_friday_adapters.kraken.market import Market
from gal_friday_adapters.kraken.patience import Patience
from gal_friday_core.candles import Series
from gal_friday_core.times import SECOND_NS
from gal_friday_live.clock import SimulatedClock
from tests.adapters.kraken.heard import Heard
from tests.adapters.kraken.local_kraken import PAIRS, START, LocalKraken, ohlc

PAIR = "BTC/USD"


class Wire:
    """A connection that keeps what is sent."""

    def __init__(self):
        self.sent, self.closed = [], False

    def send(self, message):
        self.sent.append(json.loads(message))

    def close(self):
        self.closed = True


class Bench:
    """A line that stands, on a time of its own."""

    def __init__(self, **patience):
        self.now = 0.0
        self.clock = SimulatedClock(START)
        self.venue = LocalKraken(self.clock)
        self.heard, self.wire = Heard(), Wire()
        self.market = Market(
            series=[Series("kraken", pair, "1m") for pair in PAIRS], channels=("book", "trade", "ohlc"), depth=10,
            url="ws://test", clock=self.clock, timer=lambda: self.now, patience=Patience(**patience),
        )  # fmt: skip
        self.line = MarketLine(self.market, self.heard, ended=lambda: None)
        self.line.opened(self.wire)
        self.answer()

    def answer(self):
        """Grant everything asked for so far."""
        while self.wire.sent:
            request = self.wire.sent.pop(0)
            params = request.get("params", {})
            for pair in params.get("symbol", [""]):
                result = {"channel": params.get("channel"), "symbol": pair}
                self.say({"method": request["method"], "success": True, "result": result})
                if request["method"] == "subscribe":
                    self.line.on_message(self.venue.snapshot(params["channel"], pair).encode())

    def say(self, message):
        self.line.on_message(json.dumps(message).encode())

    def change(self, pair=PAIR):
        book = self.venue.books[pair]
        bids, asks = book.change()
        return book.message("update", bids, asks, self.venue.stamp()).encode()

    def pass_time(self, seconds, step=0.1):
        for _ in range(round(seconds / step)):
            self.now += step
            self.clock.advance_to(self.clock.now_ns() + int(step * SECOND_NS))
            self.line.check()


def test_it_asks_for_instruments_first_and_then_for_everything_and_stands():
    bench = Bench()
    assert bench.line.stands
    assert set(bench.heard.usable) == set(PAIRS)


@cache
def messages():
    venue = LocalKraken(SimulatedClock(START))
    book = venue.books[PAIR]
    bids, asks = book.change()
    trade = {"channel": "trade", "type": "update", "data": [venue.add_trade(PAIR)]}
    candle = {"channel": "ohlc", "type": "update", "data": [ohlc(PAIR, 1)]}
    return (
        book.message("update", bids, asks, venue.stamp()).encode(),
        venue.snapshot("book", PAIR).encode(),
        json.dumps(trade).encode(),
        json.dumps(candle).encode(),
        venue.snapshot("instrument", None).encode(),
        b'{"channel":"heartbeat"}',
        b'{"channel":"status","type":"update","data":[{"system":"online"}]}',
        b'{"method":"subscribe","success":true,"result":{"channel":"book","symbol":"BTC/USD"},"req_id":3}',
        b'{"method":"subscribe","success":false,"error":"Currency pair not supported","req_id":3}',
        b'{"error":"Exceeded msg rate"}',
    )


@st.composite
def mutated(draw):
    """A real message with some bytes changed, dropped, doubled or cut off."""
    raw = bytearray(draw(st.sampled_from(messages())))
    for _ in range(draw(st.integers(1, 4))):
        if not raw:
            break
        at = draw(st.integers(0, len(raw) - 1))
        kind = draw(st.sampled_from(["change", "drop", "double", "cut", "swap"]))
        if kind == "change":
            raw[at] = draw(st.integers(0, 255))
        elif kind == "drop":
            del raw[at]
        elif kind == "double":
            raw[at:at] = raw[at : at + draw(st.integers(1, 20))]
        elif kind == "cut":
            del raw[at:]
        else:
            raw[at:at] = draw(
                st.sampled_from([b"NaN", b"-1", b"1e400", b"null", b"{}", b"[[", b'"', b"\xff"])
            )
    return bytes(raw)


@settings(max_examples=300, deadline=None)
@given(st.lists(mutated(), min_size=1, max_size=6))
def test_mutated_messages_never_raise_and_never_leave_a_wrong_book_in_use(raws):
    bench = Bench()
    for raw in raws:
        bench.line.on_message(raw)  # Heard asserts that what it is told is verified
        bench.line.check()
    for pair in bench.heard.usable:
        assert bench.line.books.books[pair].verified
    bench.answer()
    if bench.line.closed is None and bench.line.refusal is None:
        for _ in range(2):  # the first may be the one that shows a spoilt book
            bench.line.on_message(bench.change())
            bench.answer()
            bench.pass_time(12)
            bench.answer()
            bench.line.on_message(b'{"channel":"heartbeat"}')
        assert bench.line.stands
        shown = [[int(level.price * 10) for level in side] for side in bench.line.books.books[PAIR].levels()]
        assert shown == [[price for price, _ in bench.venue.books[PAIR].best(side)] for side in (0, 1)]


def test_a_silent_line_is_asked_half_way_and_given_up_at_the_end():
    bench = Bench(silence_s=2.0)
    bench.pass_time(0.9)
    assert bench.wire.sent == []
    bench.pass_time(0.3)
    assert [request["method"] for request in bench.wire.sent] == ["ping"]
    bench.say({"method": "pong", "req_id": 0})
    bench.pass_time(1.9)
    assert bench.line.closed is None
    bench.pass_time(0.3)
    assert bench.line.closed.startswith("silent for 2.")
    assert bench.wire.closed


def test_a_held_up_loop_does_not_take_its_own_silence_for_the_lines():
    bench = Bench(silence_s=2.0)
    bench.now += 30
    bench.line.check()
    assert bench.line.closed is None
    bench.line.on_message(b'{"channel":"heartbeat"}')
    bench.pass_time(1.5)
    assert bench.line.closed is None


def test_a_book_that_never_verifies_is_asked_for_ever_more_slowly_and_ends_the_line():
    bench = Bench(silence_s=10**6)
    asked = []
    bad = (
        b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":7}]}'
    )
    for _ in range(400):
        bench.line.on_message(bad)
        if any(request["method"] == "subscribe" for request in bench.wire.sent):
            asked.append(bench.now)
            for request in bench.wire.sent:
                result = {"channel": "book", "symbol": PAIR}
                bench.say({"method": request["method"], "success": True, "result": result})
            bench.wire.sent.clear()
        bench.pass_time(0.1)
        if bench.line.closed:
            break
    assert bench.line.closed == "a book that never verifies"
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert len(asked) <= 10
    assert bench.heard.invalid == [(PAIR, "CHECKSUM")]


def test_a_snapshot_that_never_comes_is_asked_for_again():
    bench = Bench(answer_s=1.0, silence_s=10**6)
    bench.line.books.fail(PAIR, "CHECKSUM")
    first = [request["method"] for request in bench.wire.sent]
    bench.wire.sent.clear()
    bench.say({"method": "subscribe", "success": True, "result": {"channel": "book", "symbol": PAIR}})
    bench.pass_time(1.2)
    again = [request["method"] for request in bench.wire.sent]
    assert first == again == ["unsubscribe", "subscribe"]
    bench.answer()
    assert bench.line.stands


def test_changed_decimals_of_a_pair_end_the_line():
    bench = Bench()
    changed = json.loads(bench.venue.snapshot("instrument", None))
    changed["type"] = "update"
    changed["data"]["pairs"] = changed["data"]["pairs"][:1]
    changed["data"]["pairs"][0]["price_precision"] = 2
    bench.say(changed)
    assert bench.line.closed == "the decimals of BTC/USD changed"


def test_the_clock_makes_the_last_candle_final_without_another_message():
    bench = Bench(grace_s=3.0, silence_s=10**6)
    bench.pass_time(62.5, step=0.5)
    assert bench.heard.candles == []
    bench.pass_time(1, step=0.5)
    assert [bar.timestamp_bar_start for bar in bench.heard.candles] == [START, START]


@pytest.mark.parametrize("system", ["maintenance", "cancel_only", "post_only"])
def test_the_exchanges_own_state_is_told(system):
    bench = Bench()
    bench.say({"channel": "status", "type": "update", "data": [{"system": system}]})
    assert bench.heard.states[-1] == (True, system, "system status")
