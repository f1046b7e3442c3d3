import numpy as np
import pytest

from gal_friday_core.errors import DataError
from gal_friday_core.market_events import BOOK, INVALID, LEVELS, TRADE, MarketEvents, from_table


def some_events() -> MarketEvents:
    rng = np.random.default_rng(1)
    kind = np.array([BOOK, TRADE, TRADE, INVALID, BOOK], np.int8)
    is_book, is_trade = kind == BOOK, kind == TRADE
    ladders = [rng.integers(1, 10**12, (5, LEVELS)) * is_book[:, None] for _ in range(4)]
    return MarketEvents(
        "kraken",
        "BTC/USD",
        1,
        8,
        np.arange(5, dtype=np.int64),
        np.arange(5, dtype=np.int64) - 1,
        kind,
        *ladders,
        rng.integers(1, 100, 5) * is_trade,
        rng.integers(1, 100, 5) * is_trade,
        np.where(is_trade, 1, 0).astype(np.int8),
        np.arange(5) * is_trade,
    )


def test_a_stored_table_reads_back_as_the_same_events() -> None:
    events = some_events()
    back = from_table(events.table(), events.metadata())
    assert (back.venue, back.pair, back.price_decimals, back.quantity_decimals) == ("kraken", "BTC/USD", 1, 8)
    for name, column in events.arrays().items():
        other = back.arrays()[name]
        assert other.dtype == column.dtype, name
        assert np.array_equal(other, column), name


def test_every_stored_column_is_one_dimensional_and_as_long_as_the_events() -> None:
    events = some_events()
    assert {column.shape for column in events.table().values()} == {(5,)}
    assert len(events.table()) == 7 + 4 * LEVELS


def test_a_slice_keeps_every_column_aligned() -> None:
    part = some_events()[1:3]
    assert len(part) == 2
    assert {len(column) for column in part.arrays().values()} == {2}
    assert set(part.kind.tolist()) == {TRADE}


def test_a_table_that_lacks_a_column_is_refused_by_its_name() -> None:
    events = some_events()
    table = events.table()
    del table["ask_prices_3"]
    with pytest.raises(DataError, match="ask_prices_3"):
        from_table(table, events.metadata())
