"""A recorded book and its trades as the outside market."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gal_friday_core.kraken.wire import decode
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.recorded_market import (
    Recorded,
    RecordedBook,
    RecordedMarket,
    RecordedTrade,
    recorded,
)
from gal_friday_core.venue.updates import BookUpdate, TradeUpdate
from tests.core.venue.trading import BTC, SECOND, START, Desk, money

Levels = list[tuple[str, str]]


def levels(given: Levels) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((money(price), money(quantity)) for price, quantity in given)


def book(at: int, bids: Levels, asks: Levels, *, snapshot: bool = False) -> RecordedBook:
    return RecordedBook(time_ns=at * SECOND, bids=levels(bids), asks=levels(asks), snapshot=snapshot)


def trade(at: int, side: Any, price: str, quantity: str) -> RecordedTrade:
    return RecordedTrade(time_ns=at * SECOND, side=side, price=money(price), quantity=money(quantity))


OPENING = book(100, [("30000", "2"), ("29999", "1")], [("30001", "2"), ("30002", "1")], snapshot=True)


def desk(*events: Recorded) -> Desk:
    return Desk(markets={BTC: RecordedMarket([OPENING, *events])})


def test_book_opens_with_the_snapshot_and_follows_the_record() -> None:
    it = desk(book(101, [("30000", "0"), ("29998", "4")], [("30001", "1.5")]))
    assert it.book() == ([("30000", "2"), ("29999", "1")], [("30001", "2"), ("30002", "1")])
    it.wait(1)
    assert it.book() == ([("29999", "1"), ("29998", "4")], [("30001", "1.5"), ("30002", "1")])


def test_what_a_client_took_is_missing_until_the_record_names_the_level() -> None:
    it = desk(book(101, [], [("30002", "1")]), book(102, [], [("30001", "1.9")]))
    it.order("buy", "0.5", "30001.0")
    it.wait(1)
    assert it.book()[1][0] == ("30001", "1.5")
    it.wait(1)
    assert it.book()[1][0] == ("30001", "1.9")


def test_client_waits_behind_what_was_there_before_it() -> None:
    it = desk(trade(101, "sell", "30000", "1.5"), trade(102, "sell", "30000", "1"))
    order = it.order("buy", "1", "30000.0")
    it.wait(1)
    assert order.cum_qty == 0
    it.wait(1)
    assert order.cum_qty == money("0.5")
    assert order.executions[0].maker


def test_cancel_outside_does_not_move_a_client_up() -> None:
    it = desk(
        book(101, [("30000", "3")], []),  # one more came behind the client
        book(102, [("30000", "2")], []),  # and left again
        trade(103, "sell", "30000", "2.4"),
    )
    order = it.order("buy", "1", "30000.0")
    it.wait(3)
    assert order.cum_qty == money("0.4")


def test_better_priced_client_is_met_first_at_its_own_price() -> None:
    it = desk(trade(101, "sell", "30000", "1.5"))
    order = it.order("buy", "1", "30000.5")
    it.updates()
    it.now += SECOND
    trades = it.trades()
    assert [(t.price, t.qty) for t in trades] == [(money("30000.5"), 1), (money("30000"), money("0.5"))]
    assert order.status == "filled"


def test_recorded_quote_beyond_a_clients_order_fills_it() -> None:
    it = desk(book(101, [("30000", "0"), ("29999", "0")], [("29999.5", "0.4")]))
    order = it.order("buy", "1", "29999.5")
    it.wait(1)
    assert order.cum_qty == money("0.4")


@pytest.mark.parametrize("trade_first", [True, False])
def test_trade_and_its_book_message_may_come_in_either_order(trade_first: bool) -> None:
    told: list[Recorded] = [trade(101, "sell", "30000", "0.5"), book(101, [("30000", "1.5")], [])]
    it = desk(*(told if trade_first else reversed(told)))
    it.wait(1)
    assert it.book()[0][0] == ("30000", "1.5")


def test_all_of_a_recorded_trade_is_on_the_tape() -> None:
    it = desk(trade(101, "buy", "30001", "7"))
    it.now += SECOND
    assert sum(t.qty for t in it.trades()) == 7
    assert it.venue.last(BTC) == money("30001")


def test_levels_beyond_the_recorded_depth_go() -> None:
    full = [(str(30_000 - i), "1") for i in range(10)]
    opening = book(1, full, [("30001", "1")], snapshot=True)
    it = Desk(markets={BTC: RecordedMarket([opening, book(2, [("30000.5", "1")], [])])})
    it.wait(1)
    assert [price for price, _ in it.book()[0]] == ["30000.5", *(price for price, _ in full[:9])]


def test_record_that_ran_while_the_engine_stood_still_comes_back_into_step() -> None:
    it = desk(
        book(101, [("30000", "1")], []), book(103, [], [("30003", "1")]), book(104, [("30000", "1.5")], [])
    )
    it.venue.set_status("cancel_only", it.now)
    it.wait(2)
    assert it.book()[0][0] == ("30000", "2")
    it.venue.set_status("online", it.now)
    it.wait(2)
    assert it.book()[0][0] == ("30000", "1.5")


@pytest.mark.data
def test_real_capture_is_rebuilt_level_by_level(shared_data: Path) -> None:
    capture = msgspec.json.decode(
        (shared_data / "kraken_ws/v2/book10_BTCUSD_capture_first50.json").read_bytes()
    )
    messages = [capture["init"], *capture["updates"]]
    events = list(
        recorded(((i * SECOND, decode(msgspec.json.encode(m))) for i, m in enumerate(messages)), BTC)
    )
    assert len(events) > 40
    venue = Venue(seed=1, start_ns=START, markets={BTC: RecordedMarket(events)})
    sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
    for event in events:
        assert isinstance(event, RecordedBook)
        for name, side in sides.items():
            side.update(getattr(event, name))
            kept = sorted((p for p, q in side.items() if q), reverse=name == "bids")[:10]
            sides[name] = {price: side[price] for price in kept}
        updates = venue.advance(START + event.time_ns - events[0].time_ns)
        assert not any(isinstance(update, TradeUpdate) for update in updates)
        assert any(isinstance(update, BookUpdate) for update in updates)
        bids, asks = venue.book(BTC)
        assert (bids, asks) == (list(sides["bids"].items()), list(sides["asks"].items()))
