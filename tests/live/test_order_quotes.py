"""What the market stood at when an order left is noted beside it, where anything but bars says so."""

from gal_friday_core.kraken.wire import Timestamp
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.market_price_service import MarketPriceService
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.order_quotes import OrderQuotes
from tests.core.trading import bar
from tests.live.account import PAIR, Account, desk, order, settings
from tests.live.test_portfolio_services import NOW, book, trade
from tests.live.trading import entries


def noting(journal, clock):
    prices = MarketPriceService(settings(), clock=clock)
    return prices, OrderQuotes(prices, journal, clock)


async def test_book_before_trade_and_a_bar_not_at_all():
    journal, clock = MemoryJournal(), SimulatedClock(NOW)
    prices, quotes = noting(journal, clock)
    quotes.note(order("nothing known"))
    prices.on_candle(bar(8, 1, 1, 1, "29400"))
    quotes.note(order("a bar"))
    prices.on_trades(PAIR, [trade("29500", Timestamp(NOW - 5))], NOW)  # as it comes from the line
    quotes.note(order("a trade"))
    prices.on_book(PAIR, book(), NOW, b"")
    quotes.note(order("a book"))
    noted = {entry.key: entry.record for entry in await entries(journal, "ORDER_QUOTE")}
    assert noted == {
        "a trade": {"pair": PAIR, "price": "29500", "source": "TRADE", "known_ns": NOW - 5},
        "a book": {"pair": PAIR, "price": "30000.00", "source": "BOOK", "known_ns": NOW},
    }


async def test_an_order_that_is_refused_at_the_last_check_leaves_no_quote():
    journal = MemoryJournal()
    account = Account(SimulatedClock(NOW))
    prices, quotes = noting(journal, account.clock)
    prices.on_book(PAIR, book(), NOW, b"")
    async with desk(account, journal=journal) as here:
        here.execution._leaving = quotes.note
        here.execution.place(order("sent", at=NOW))
        here.execution.place(order("late", at=NOW), expires_at=NOW - 1)
        await here.tasks.settle()
    assert [entry.key for entry in await entries(journal, "ORDER_QUOTE")] == ["sent"]
