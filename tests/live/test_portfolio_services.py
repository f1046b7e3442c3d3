"""Prices with their age, valuation at the live book, and a paper account over a restart."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from gal_friday_core.book import OrderBook
from gal_friday_core.config import CostsConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import MarketDataTrade
from gal_friday_core.portfolio import Portfolio
from gal_friday_core.protection import stop_id, target_id
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import MINUTE_NS, SECOND_NS
from gal_friday_live import paper_exchange
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.funds_manager import FundsManager
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.market_price_service import MarketPrice, MarketPriceService
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.position_manager import PositionManager
from gal_friday_live.tasks import TaskSupervisor
from gal_friday_live.valuation_service import ValuationService
from tests.core.kraken_books import PlainBook, text
from tests.core.trading import bar, fill
from tests.live.account import PAIR, desk, order, settings

NOW = 10 * MINUTE_NS


def book(bid=29_999_0, ask=30_001_0):
    """A verified book of one level a side, prices in tenths."""
    bids, asks = [(bid, 10**8)], [(ask, 10**8)]
    made = OrderBook(PAIR, depth=10, price_decimals=1, qty_decimals=8)
    made.apply_raw(text("snapshot", bids, asks, PlainBook(10).apply(bids, asks, snapshot=True)))
    assert made.verified
    return made


def trade(price, at):
    return MarketDataTrade(
        trading_pair=PAIR, exchange="test", trade_id="1", side="BUY", price=Decimal(price), volume=Decimal(1),
        timestamp_exchange=at,
    )  # fmt: skip


@pytest.fixture
def clock():
    return SimulatedClock(NOW)


@pytest.fixture
def prices(clock):
    return MarketPriceService(settings(), clock=clock)


def test_no_price_is_known_before_the_first(prices):
    assert prices.get_latest_price(PAIR) is None


def test_the_middle_of_a_live_book_is_the_price(prices, clock):
    prices.on_book(PAIR, book(), NOW, b"")
    assert prices.latest(PAIR) == MarketPrice(Decimal("30000.0"), NOW, "BOOK")
    clock.advance_to(NOW + SECOND_NS)
    assert prices.latest(PAIR).age_ns(clock.now_ns()) == SECOND_NS


@pytest.mark.parametrize("lost", ["old", "invalid", "disconnected", "unverified"])
def test_a_book_that_may_not_be_used_leaves_the_newest_trade_or_bar(prices, clock, lost):
    made = book()
    prices.on_book(PAIR, made, NOW, b"")
    prices.on_trades(PAIR, [trade("29500", NOW - 5)], NOW)
    prices.on_candle(bar(8, 1, 1, 1, "29400"))  # closed at the end of minute 9, before the trade
    if lost == "old":
        clock.advance_to(NOW + MINUTE_NS)
    elif lost == "invalid":
        prices.on_invalid(PAIR, "CHECKSUM")
    elif lost == "disconnected":
        prices.on_status(connected=False, system="unknown", reason="cut")
    else:
        made.invalidate()
    assert prices.latest(PAIR) == MarketPrice(Decimal(29500), NOW - 5, "TRADE")
    prices.on_candle(bar(9, 1, 1, 1, "29600"))
    assert prices.latest(PAIR) == MarketPrice(Decimal(29600), NOW, "BAR")


def test_a_heartbeat_keeps_a_quiet_book_alive(prices, clock):
    prices.on_book(PAIR, book(), NOW, b"")
    clock.advance_to(NOW + MINUTE_NS)
    prices.on_heartbeat(clock.now_ns())
    assert prices.latest(PAIR).source == "BOOK"


def services(clock, prices=None, journal=None, pairs=(PAIR,)):
    portfolio = Portfolio("USD", Decimal(100_000), NOW)
    writer = JournalWriter(journal or MemoryJournal(), TaskSupervisor())
    funds = FundsManager(portfolio, writer, pairs=pairs)
    valuation = ValuationService(portfolio, funds, clock, prices=prices, journal=journal)
    return portfolio, PositionManager(portfolio, funds, writer, pairs), valuation


async def test_what_is_held_is_valued_at_the_live_book_when_somebody_asks(prices, clock):
    _, positions, valuation = services(clock, prices)
    positions.book(fill("a", "BUY", "1", "29000", ts=NOW))
    assert valuation.state().total_equity == 100_000
    prices.on_book(PAIR, book(), NOW + 1, b"")
    assert valuation.state().positions[PAIR].mark_price == Decimal("30000.0")
    assert valuation.state().total_equity == 101_000
    assert (valuation.price("BTC"), valuation.price("USD"), valuation.price("ETH")) == (30_000, 1, None)


async def test_equity_is_noted_while_something_is_held_and_only_when_it_changed(clock):
    journal = MemoryJournal()
    _, positions, valuation = services(clock, journal=journal)
    valuation.on_bar(PAIR, Decimal(29_000), NOW)
    positions.book(fill("a", "BUY", "1", "29000", ts=NOW))
    for minute, close in enumerate((29_100, 29_100, 29_200)):
        valuation.on_bar(PAIR, Decimal(close), NOW + minute * MINUTE_NS)
    assert [entry.record["equity"] for entry in journal.entries if entry.kind == "EQUITY"] == [
        "100100.00000000",
        "100200.00000000",
    ]


async def test_a_strangers_fill_from_before_the_opening_is_in_the_opening_balance(clock):
    portfolio, positions, _ = services(clock)
    old = replace(fill("a", "BUY", "1", "29000", ts=NOW - 1), signal_id="")
    assert positions.book(old) is None
    assert (portfolio.cash, positions.fills) == (100_000, 0)


def venue(clock):
    simulated = SimulatedExchange(
        [Instrument(PAIR, Decimal("0.01"))], {"USD": Decimal(10_000)}, CostsConfig(slippage=Decimal(0))
    )
    return PaperExchange(simulated, clock)


async def candle(exchange, minute, *shape):
    await exchange.on_candle(bar(minute, *shape))


async def test_a_paper_exchange_forgets_the_oldest_of_what_is_over(clock, monkeypatch):
    monkeypatch.setattr(paper_exchange, "KEEP_ENDED", 2)
    monkeypatch.setattr(paper_exchange, "KEEP_FILLS", 3)
    journal, exchange = MemoryJournal(), venue(clock)
    async with desk(exchange, journal=journal, clock=clock) as our:
        await candle(exchange, 0, 100, 100, 100, 100)
        our.execution.place(order("rests", limit="50", at=NOW))
        for number in range(1, 6):
            bought = replace(order(f"order {number}", at=NOW), order_type="MARKET", limit_price=None)
            our.execution.place(bought)
            await our.tasks.settle()
            await candle(exchange, number, 100, 100, 100, 100)
        assert [facts.client_order_id for facts in await exchange.open_orders()] == ["rests"]
        found = {number: await exchange.find(f"order {number}") for number in range(1, 6)}
        assert [number for number, facts in found.items() if facts is not None] == [4, 5]
        assert [fill.client_order_id for fill in await exchange.fills(0)] == ["order 3", "order 4", "order 5"]
        await our.reconcile()
        assert (our.service.clean, our.triggers) == (True, [])


async def test_a_paper_account_goes_on_where_the_last_run_ended(clock):
    journal, first = MemoryJournal(), venue(clock)
    entry = replace(
        order(quantity="2", at=NOW), order_type="MARKET", limit_price=None,
        stop_price=Decimal(90), target_price=Decimal(120),
    )  # fmt: skip
    async with desk(first, journal=journal, clock=clock) as our:
        await candle(first, 10, 100, 100, 100, 100)
        our.execution.place(entry)
        await our.tasks.settle()
        await candle(first, 11, 100, 101, 99, 100)
        await our.tasks.settle()
        assert our.portfolio.position(PAIR).quantity == 2
        cash = our.portfolio.funds.cash
    second = venue(clock)
    async with desk(second, journal=journal, clock=clock) as again:
        assert again.service.clean, again.service.last
        assert (again.portfolio.position(PAIR).quantity, again.portfolio.funds.cash) == (2, cash)
        resting = {record.order.client_order_id for record in again.execution.blotter.open()}
        assert resting == {stop_id("a"), target_id("a")}
        await candle(second, 12, 100, 121, 100, 120)
        await again.tasks.settle()
        assert again.portfolio.position(PAIR).quantity == 0
        assert again.execution.blotter.open() == []
        assert again.portfolio.funds.balances() == await second.balances()
