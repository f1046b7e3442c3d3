"""Generated outside markets: deterministic, alive, and open to clients."""

from decimal import Decimal

import numpy as np
import pytest

from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.listings import DEMO_LISTINGS
from gal_friday_core.venue.markets import GeneratedMarket, generated_markets
from gal_friday_core.venue.requests import AddOrder
from gal_friday_core.venue.updates import BookUpdate, TradeUpdate, Update
from tests.core.venue.trading import BTC, FUNDS, SECOND, START

PAIRS = DEMO_LISTINGS[:2]


def opened(seed: int = 3) -> Venue:
    venue = Venue(seed=seed, start_ns=START, listings=PAIRS, markets=generated_markets(PAIRS, seed))
    venue.open_account("ann", FUNDS)
    return venue


def lived(venue: Venue, cuts: list[int]) -> list[Update]:
    return [update for cut in cuts for update in venue.advance(START + cut)]


def test_same_seed_gives_the_same_market_however_time_is_cut() -> None:
    whole = lived(opened(), [60 * SECOND])
    steps = lived(opened(), [round(step * 0.7 * SECOND) for step in range(86)] + [60 * SECOND])
    assert whole == steps


def test_another_seed_gives_another_market() -> None:
    assert lived(opened(3), [10 * SECOND]) != lived(opened(4), [10 * SECOND])


@pytest.mark.parametrize("symbol", ["BTC/USD", "ETH/USD"])
def test_book_stays_uncrossed_and_follows_the_value(symbol: str) -> None:
    venue = opened()
    market = venue._markets[symbol]
    assert isinstance(market, GeneratedMarket)
    for second in range(1, 121):
        venue.advance(START + second * SECOND)
        bids, asks = venue.book(symbol)
        assert len(bids) > 10
        assert len(asks) > 10
        assert bids[0][0] < asks[0][0]
        value, _ = market._value(venue.now_ns)
        assert abs(float(bids[0][0] + asks[0][0]) / 2 / value - 1) < 0.005


def test_updates_rebuild_the_book() -> None:
    venue = opened()
    sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
    for update in lived(venue, [0, 5 * SECOND, 30 * SECOND]):
        if isinstance(update, BookUpdate) and update.symbol == BTC:
            for name, side in sides.items():
                side.update(getattr(update, name))
    bids, asks = venue.book(BTC)
    assert {price: quantity for price, quantity in sides["bids"].items() if quantity} == dict(bids)
    assert {price: quantity for price, quantity in sides["asks"].items() if quantity} == dict(asks)


def test_trades_count_up_by_one_in_each_pair() -> None:
    venue = opened()
    trades = [u for u in lived(venue, [240 * SECOND]) if isinstance(u, TradeUpdate)]
    for listing in PAIRS:
        ids = [trade.trade_id for trade in trades if trade.symbol == listing.symbol]
        assert ids == list(range(1, len(ids) + 1))
        assert len(ids) > 20


def test_prices_and_quantities_lie_on_the_grid() -> None:
    venue = opened()
    venue.advance(START + 30 * SECOND)
    for listing in PAIRS:
        for side in venue.book(listing.symbol):
            for price, quantity in side:
                assert price % listing.tick_size == 0
                assert quantity % listing.lot == 0


def test_history_ends_where_the_market_begins() -> None:
    venue = opened()
    history = venue.history(BTC)
    assert history is not None
    assert history.close[-1] == pytest.approx(30_000.0)
    assert START - 60 * SECOND - history.ts[-1] < 120 * SECOND
    assert len(history) > 600
    assert np.all(history.high >= history.low)


def test_clients_resting_order_is_filled_by_the_outside_market() -> None:
    venue = opened()
    best = venue.book(BTC)[1][0][0]
    asked = AddOrder(
        symbol=BTC,
        side="sell",
        order_type="limit",
        order_qty=Decimal("0.001"),
        limit_price=best - Decimal("0.1"),
        post_only=True,
    )
    response = venue.call("ann", asked, START)
    venue.advance(START + 120 * SECOND)
    order = venue.order("ann", response.result.order_id)  # type: ignore[union-attr]
    assert order is not None
    assert order.status == "filled"
    assert all(execution.maker for execution in order.executions)
    assert venue.totals() == {"USD": FUNDS["USD"], "BTC": FUNDS["BTC"]}


def test_nothing_matches_while_the_engine_only_cancels() -> None:
    venue = opened()
    venue.set_status("cancel_only", START + SECOND)
    venue.advance(START + SECOND)
    before = venue.book(BTC)
    assert [u for u in venue.advance(START + 30 * SECOND) if isinstance(u, BookUpdate | TradeUpdate)] == []
    assert venue.book(BTC) == before
    venue.set_status("online", START + 30 * SECOND)
    assert any(isinstance(u, TradeUpdate) for u in venue.advance(START + 60 * SECOND))
