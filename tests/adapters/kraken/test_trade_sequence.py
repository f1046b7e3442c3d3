"""Trades by their ids, whatever order and repetition the wire brings."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.kraken.trade_sequence import TradeSequence


@dataclass(frozen=True)
class Trade:
    trade_id: int


def trades(*numbers):
    return [Trade(number) for number in numbers]


def test_the_first_snapshot_is_history():
    sequence = TradeSequence()
    assert sequence.snapshot(trades(3, 1, 2)) == ([], 0)
    assert sequence.update(trades(4)) == (trades(4), 0)


def test_an_empty_first_snapshot_makes_the_first_trade_the_beginning():
    sequence = TradeSequence()
    assert sequence.snapshot([]) == ([], 0)
    assert sequence.update(trades(9)) == (trades(9), 0)


def test_an_exchange_that_counts_anew_is_a_gap_of_unknown_width_and_is_followed():
    sequence = TradeSequence()
    sequence.update(trades(1_000))
    assert sequence.snapshot(trades(1, 2)) == ([], -1)
    assert sequence.update(trades(3)) == (trades(3), 0)


@given(st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=12), st.integers(0, 60))
def test_each_trade_comes_once_in_order_and_the_missing_are_counted(messages, first):
    sequence = TradeSequence()
    sequence.update(trades(first))
    heard, missing = [first], 0
    for numbers in messages:
        new, missed = sequence.update(trades(*numbers))
        heard += [trade.trade_id for trade in new]
        missing += missed
    assert heard == sorted(set(heard))
    assert missing == heard[-1] - heard[0] + 1 - len(heard)
    assert max([first, *(number for numbers in messages for number in numbers)]) == heard[-1]
