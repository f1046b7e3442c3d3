from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gal_friday_core.book import DEPTHS, BookResult, OrderBook
from gal_friday_core.errors import ContractError
from gal_friday_core.kraken.wire import BookMessage, decode
from tests.core.kraken_books import (
    PAIR,
    Levels,
    PlainBook,
    captured,
    message,
    mutated,
    number,
    respelt,
    text,
)

BIDS: Levels = [(294302 - 3 * place, 18967538 + place) for place in range(10)]
ASKS: Levels = [(294303 + 2 * place, 825215653 * (place + 1)) for place in range(10)]


def book(depth: int = 10, decimals: tuple[int, int] = (1, 8)) -> OrderBook:
    return OrderBook(PAIR, depth, *decimals)


def snapshot(bids: Levels = BIDS, asks: Levels = ASKS, depth: int = 10) -> bytes:
    return text("snapshot", bids, asks, PlainBook(depth).apply(bids, asks, snapshot=True))


def started() -> OrderBook:
    made = book()
    assert made.apply_raw(snapshot()) == BookResult.SNAPSHOT
    return made


def same(made: OrderBook, plain: PlainBook) -> bool:
    at_once = [column.tolist() for column in made.columns()]
    one_by_one = made.bid_prices, made.bid_quantities, made.ask_prices, made.ask_quantities
    return (
        at_once == [column.tolist() for column in one_by_one]
        and list(zip(made.bid_prices.tolist(), made.bid_quantities.tolist(), strict=True)) == list(plain.bids.items())
        and list(zip(made.ask_prices.tolist(), made.ask_quantities.tolist(), strict=True))
        == list(plain.asks.items())
    )  # fmt: skip


def test_the_columns_are_those_of_the_last_message_whichever_way_it_came() -> None:
    made, plain = started(), PlainBook(10)
    plain.apply(BIDS, ASKS, snapshot=True)
    assert same(made, plain)
    bids: Levels = [(294302, 5)]
    told = decode(text("update", bids, [], plain.apply(bids, [], snapshot=False)))
    assert isinstance(told, BookMessage)
    assert made.apply(told) == BookResult.APPLIED
    assert same(made, plain)
    made.invalidate()
    assert [len(column) for column in made.columns()] == [0, 0, 0, 0]


@pytest.mark.data
def test_the_real_capture_verifies_message_by_message_on_both_paths(shared_data: Path) -> None:
    fast, slow = book(), book()
    for count, raw in enumerate(captured(shared_data)):
        told = decode(raw)
        assert isinstance(told, BookMessage)
        expected = BookResult.APPLIED if count else BookResult.SNAPSHOT
        assert fast.apply_raw(raw) == slow.apply(told) == expected
        assert fast.levels() == slow.levels()
        assert fast.timestamp_ns == slow.timestamp_ns == told.timestamp
        assert fast.checksum == told.checksum
    assert count == 50


@pytest.mark.data
def test_a_single_changed_digit_of_the_real_capture_is_found_at_its_message(shared_data: Path) -> None:
    raws = captured(shared_data)
    for broken in range(1, len(raws)):
        at = next(
            place
            for place in reversed(range(raws[broken].index(b'"checksum"')))
            if raws[broken][place : place + 1].isdigit()
        )
        digit = b"1" if raws[broken][at : at + 1] != b"1" else b"2"
        raw = raws[broken][:at] + digit + raws[broken][at + 1 :]
        made = book()
        results = [made.apply_raw(item) for item in [*raws[:broken], raw]]
        assert results[-1] == BookResult.CHECKSUM, raw
        assert BookResult.CHECKSUM not in results[:-1]
        assert not made.verified


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 3, 10, 25]), st.data())
def test_any_stream_of_messages_gives_the_plain_book_at_every_step(depth: int, data: st.DataObject) -> None:
    made, slow, plain = book(depth), book(depth), PlainBook(depth)
    highest = data.draw(st.sampled_from([8, 60, 10**9]))
    steps = data.draw(st.lists(message(highest, 2 * depth + 4), min_size=1, max_size=30))
    for count, (fresh, bids, asks) in enumerate(steps):
        kind = "snapshot" if fresh or not count else "update"
        checksum = plain.apply(bids, asks, snapshot=kind == "snapshot")
        raw = text(kind, bids, asks, checksum)
        assert made.apply_raw(raw) == (BookResult.SNAPSHOT if kind == "snapshot" else BookResult.APPLIED)
        assert same(made, plain)
        told = decode(raw)
        assert isinstance(told, BookMessage)
        slow.apply(told)
        assert same(slow, plain)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_long_walk_through_a_deep_book_stays_equal_to_the_plain_one(depth: int) -> None:
    chance = np.random.default_rng(depth)
    made, plain, middle = book(depth), PlainBook(depth), 10**6
    bids = [(middle - 1 - place, int(chance.integers(1, 10**12))) for place in range(depth)]
    asks = [(middle + 1 + place, int(chance.integers(1, 10**12))) for place in range(depth)]
    assert made.apply_raw(text("snapshot", bids, asks, plain.apply(bids, asks, snapshot=True))) == 2
    for _ in range(600):
        middle += int(chance.integers(-3, 4))
        gone = (
            [(price, 0) for price in plain.bids if price >= middle],
            [(price, 0) for price in plain.asks if price <= middle],
        )
        bids = gone[0] + [
            (middle - 1 - int(chance.exponential(depth / 2)), int(chance.integers(0, 9))) for _ in range(3)
        ]
        asks = gone[1] + [
            (middle + 1 + int(chance.exponential(depth / 2)), int(chance.integers(0, 9))) for _ in range(3)
        ]
        raw = text("update", bids, asks, plain.apply(bids, asks, snapshot=False))
        assert made.apply_raw(raw) == BookResult.APPLIED
        assert same(made, plain)
        assert not made.crossed


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_spacing_key_order_and_unknown_keys_make_no_difference(data: st.DataObject) -> None:
    made = book()
    assert made.apply_raw(data.draw(respelt(snapshot()))) == BookResult.SNAPSHOT
    assert same(made, PlainBook(10, dict(BIDS), dict(ASKS)))


@pytest.mark.parametrize(
    ("price", "qty"),
    [("29430.2", "0.2"), ("29430.200", "0.20000000"), ("294302e-1", "2E-1"), ("2.94302E+4", "0.02e1"), ("29430.20e0", "2000e-4")],
)  # fmt: skip
def test_a_number_is_the_same_however_it_is_written(price: str, qty: str) -> None:
    plain = PlainBook(10)
    checksum = plain.apply([(294302, 20000000)], [], snapshot=True)
    raw = text("snapshot", [(294302, 20000000)], [], checksum)
    raw = raw.replace(b"29430.2,", price.encode() + b",").replace(b"0.20000000", qty.encode())
    made = book()
    assert made.apply_raw(raw) == BookResult.SNAPSHOT
    assert made.levels() == ([(Decimal("29430.2"), Decimal("0.2"))], [])


@pytest.mark.parametrize(
    "wrong",
    [
        "-29430.2", "29430.25", "0", "0.0", "NaN", "Infinity", "null", '"29430.2"', "029430.2", "29430.", ".2", "1e",
        "1e400", "1e-400", "9999999999999999999", "29430.2.1", "2943O.2", "+29430.2", "[]", "", "1e+", "1E5.0",
    ],
)  # fmt: skip
def test_a_price_that_is_none_empties_the_book(wrong: str) -> None:
    made = started()
    raw = text("update", [(294302, 1)], [], 1).replace(b"29430.2", wrong.encode())
    assert made.apply_raw(raw) == BookResult.MALFORMED
    assert not made.verified
    assert len(made.bid_prices) == len(made.ask_prices) == 0
    assert made.timestamp_ns is None


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b'"bids":[', b'"bids":{'),
        (b'"bids"', b'"asks"'),
        (b',"checksum":1', b""),
        (b'"checksum":1', b'"checksum":4294967296'),
        (b'"checksum":1', b'"checksum":-1'),
        (b'"checksum":1', b'"checksum":1,"checksum":1'),
        (b'"symbol":"BTC/USD",', b""),
        (b'"type":"update"', b'"type":"news"'),
        (b'"type":"update",', b""),
        (b'"qty":0.00000001', b'"qty":1,"qty":1'),
        (b',"qty":0.00000001', b""),
        (b"15:30:01", b"15:61:01"),
        (b"2023-07-30", b"2023-02-30"),
        (b"2023-07-30T15:30:01.789020Z", b"yesterday"),
        (b".789020Z", b".789020"),
        (b".789020Z", b".1234567890Z"),
        (b"}]}", b"}]}}"),
        (b"}]}", b"},{}]}"),
        (b"}]}", b"}]} x"),
        (b"}]}", b"}"),
        (b'{"channel":"book",', b'{"channel":"book","channel":"book",'),
        (b'{"channel":"book",', b'[{"channel":"book",'),
    ],
)
def test_a_message_that_breaks_the_rules_empties_the_book(there: bytes, instead: bytes) -> None:
    made, raw = started(), text("update", [(294302, 1)], [], 1)
    assert raw.count(there) >= 1
    assert made.apply_raw(raw.replace(there, instead, 1)) == BookResult.MALFORMED
    assert not made.verified


def test_an_update_before_a_snapshot_is_ignored_and_a_snapshot_heals() -> None:
    made = book()
    update = text("update", [(294302, 1)], [], 1)
    assert made.apply_raw(update) == BookResult.NO_SNAPSHOT
    assert made.apply_raw(snapshot()) == BookResult.SNAPSHOT
    assert made.apply_raw(update) == BookResult.CHECKSUM
    assert made.checksum != 1
    assert made.apply_raw(update) == BookResult.NO_SNAPSHOT
    assert made.apply_raw(snapshot()) == BookResult.SNAPSHOT
    assert made.verified
    made.invalidate()
    assert (made.verified, made.levels()) == (False, ([], []))


@pytest.mark.parametrize(
    ("raw", "result"),
    [
        (b'{"channel":"heartbeat"}', BookResult.NOT_A_BOOK),
        (b'{"method":"pong","req_id":1,"time_in":"x"}', BookResult.NOT_A_BOOK),
        (b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD"', BookResult.NOT_A_BOOK),
        (text("update", [], [], 1).replace(b"BTC/USD", b"BTC/USDT"), BookResult.OTHER_PAIR),
        (text("update", [], [], 1).replace(b"BTC/USD", b"BTC/US"), BookResult.OTHER_PAIR),
        (text("update", [], [], 1).replace(b"BTC/USD", b"ETH/USD"), BookResult.OTHER_PAIR),
    ],
)
def test_what_is_not_for_this_book_leaves_it_as_it_was(raw: bytes, result: BookResult) -> None:
    made = started()
    assert made.apply_raw(raw) == result
    assert made.verified
    assert same(made, PlainBook(10, dict(BIDS), dict(ASKS)))


@settings(max_examples=400, deadline=None)
@given(
    mutated(
        [
            text("update", [(294302, 1)], [(294309, 0), (294310, 5)], 77),
            snapshot(),
            b'{"channel":"heartbeat"}',
        ]
    )
)
def test_no_damaged_message_passes_as_another(raw: bytes) -> None:
    """Whatever the bytes: a book is verified afterwards only if the slow path reads the same out of them."""
    made, slow = started(), started()
    result = BookResult(made.apply_raw(raw))
    if result in (BookResult.APPLIED, BookResult.SNAPSHOT):
        told = decode(raw)
        assert isinstance(told, BookMessage)
        assert slow.apply(told) == result
        assert made.levels() == slow.levels()
        assert made.timestamp_ns == slow.timestamp_ns
    elif result in (BookResult.NOT_A_BOOK, BookResult.OTHER_PAIR):
        assert made.levels() == started().levels()
    else:
        assert made.levels() == ([], [])
        assert not made.verified


@settings(max_examples=100, deadline=None)
@given(mutated([text("update", [(294302, 1)], [(294309, 0)], 77), snapshot()]))
def test_what_the_slow_path_accepts_the_fast_path_does_not_silently_drop(raw: bytes) -> None:
    try:
        told = decode(raw)
    except ContractError:
        assume(False)
    if isinstance(told, BookMessage) and told.symbol == PAIR:
        assert started().apply_raw(raw) not in (BookResult.NOT_A_BOOK, BookResult.OTHER_PAIR)


def test_a_message_longer_than_any_before_is_taken_and_stale_text_behind_it_is_not_read() -> None:
    deep = [(10**6 - place, 1 + place) for place in range(1000)]
    high = [(10**6 + 1 + place, 1 + place) for place in range(1000)]
    made = book(1000)
    assert made.apply_raw(snapshot(deep, high, 1000)) == BookResult.SNAPSHOT
    assert made.apply_raw(snapshot(deep, high, 1000)[:-1]) == BookResult.MALFORMED
    assert made.apply_raw(bytearray(snapshot(deep, high, 1000))) == BookResult.SNAPSHOT
    assert made.apply_raw(memoryview(snapshot(deep, high, 1000))) == BookResult.SNAPSHOT
    for length in (0, 1, 30, 100):
        assert made.apply_raw(snapshot(deep, high, 1000)[:length]) == BookResult.MALFORMED


def test_more_levels_than_a_side_of_a_message_may_have_empty_the_book() -> None:
    made = started()
    raw = text("update", [(price, 1) for price in range(1, 200)], [], 1)
    assert made.apply_raw(raw) == BookResult.MALFORMED
    told = decode(raw)
    assert isinstance(told, BookMessage)
    assert started().apply(told) == BookResult.MALFORMED


@pytest.mark.parametrize("decimals", [(0, 0), (1, 8), (10, 5), (12, 12)])
def test_every_precision_keeps_its_decimals(decimals: tuple[int, int]) -> None:
    made, plain = book(10, decimals), PlainBook(10)
    levels = [(17, 10**17 + 3), (5, 7)]
    raw = text("snapshot", levels, [], plain.apply(levels, [], snapshot=True), decimals=decimals)
    assert made.apply_raw(raw) == BookResult.SNAPSHOT
    best = made.levels(1)[0][0]
    assert (format(best.price, "f"), format(best.qty, "f")) == (
        number(17, decimals[0]),
        number(10**17 + 3, decimals[1]),
    )


def test_a_crossed_book_says_so() -> None:
    made = book()
    assert made.apply_raw(snapshot([(5, 1)], [(5, 1)])) == BookResult.SNAPSHOT
    assert made.crossed


@pytest.mark.parametrize(
    "wrong", [("BTC/USD", 0, 1, 8), ("BTC/USD", 1001, 1, 8), ("", 10, 1, 8), ("BTC/USD", 10, 13, 8), ("BTC/USD", 10, 1, -1)]
)  # fmt: skip
def test_a_book_that_cannot_be_kept_is_refused(wrong: tuple[str, int, int, int]) -> None:
    with pytest.raises(ContractError):
        OrderBook(*wrong)


@pytest.mark.parametrize("direction", [1, -1])
def test_bursts_that_outrun_the_book_again_and_again_keep_every_level(direction: int) -> None:
    """Moves both sides through all the room they have, also while they are longest."""
    chance = np.random.default_rng(3)
    made, plain, price = book(), PlainBook(10), 10**9
    assert (
        made.apply_raw(
            text(
                "snapshot", [(price, 1)], [(price, 1)], plain.apply([(price, 1)], [(price, 1)], snapshot=True)
            )
        )
        == 2
    )
    for _ in range(80):
        burst = [
            (price + direction * (1 + step), int(chance.integers(1, 99)))
            for step in range(int(chance.integers(1, 85)))
        ]
        price = burst[-1][0]
        assert made.apply_raw(text("update", burst, burst, plain.apply(burst, burst, snapshot=False))) == 1
        assert same(made, plain)
