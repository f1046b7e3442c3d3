"""Each limit beyond exposure and drawdown: where it bites, where it does not, and with which numbers."""

from decimal import Decimal
from math import sqrt

import pytest
from msgspec.structs import replace

from gal_friday_core.instruments import Instrument
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.check import check
from gal_friday_core.risk.codes import CODES, Approved, Rejected
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.correlation import LEAST_BARS, Correlations
from gal_friday_core.risk.quote import Quote
from gal_friday_core.times import DAY_NS, MINUTE_NS, SECOND_NS
from tests.core.risk.desks import INSTRUMENT, WIDE, Levels, desk, limits, portfolio, reserved
from tests.core.trading import PAIR, signal

LATER = 10 * DAY_NS


def book(bid=99.9, ask=100.1, quantity=1_000):
    return Quote.of(Levels([(bid, quantity)], [(ask, quantity), (ask * 1.002, quantity)]))


def refused(verdict):
    assert isinstance(verdict, Rejected), verdict
    assert verdict.code in CODES
    return verdict.code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"trading": "HALTED"}, "HALTED"),
        ({"trading": "REDUCING"}, "REDUCING"),
        ({"trading": "REDUCING", "block": ("LOOP_LAG", "0.4 s")}, "LOOP_LAG"),
        ({"trading": "HALTED", "block": ("LOOP_LAG", "0.4 s")}, "HALTED"),
        ({"block": ("ORDER_UNKNOWN", "order 1 has no answer")}, "ORDER_UNKNOWN"),
        ({"block": ("RECONCILING", "at start")}, "RECONCILING"),
        ({"market_fault": "no book"}, "MARKET_DATA_UNVERIFIED"),
        ({"model_fault": "m@v1 is in stage staging"}, "MODEL_NOT_PROMOTED"),
        ({"quote": book(98.0, 100.0)}, "SPREAD_TOO_WIDE"),
        ({"quote": book(107.9, 108.1)}, "PRICE_COLLAR"),
        ({"quote": book(102.9, 103.1)}, "EXCEEDS_MAX_SLIPPAGE"),
        ({"quote": book(quantity=0.001)}, "INSUFFICIENT_DEPTH"),
        ({"limits": limits(sizing="volatility_scaled")}, "VOLATILITY_UNKNOWN"),
        ({"limits": limits(max_order_value="1")}, "EXCEEDS_MAX_ORDER_VALUE"),
        ({"limits": limits(max_open_orders=1), "reservations": Reservations([reserved(quantity="0.01")])},
         "TOO_MANY_OPEN_ORDERS"),
    ],
)  # fmt: skip
def test_a_buy_is_refused_and_a_sell_that_reduces_is_not(changes, code):
    held = portfolio("9000", BTC="10")
    assert refused(check(signal(), desk(held, **changes))) == code
    assert isinstance(check(signal(side="SELL", stop=None, target=None), desk(held, **changes)), Approved)


@pytest.mark.parametrize("status", ["cancel_only", "reduce_only", "post_only", "limit_only", "maintenance"])
def test_a_pair_that_is_not_online_takes_no_market_buy(status):
    offline = Instrument(PAIR, price_tick=Decimal("0.01"), status=status)
    assert check(signal(), desk(instrument=offline)).details == {"limit": "online", "value": status}


def test_a_limited_pair_takes_limit_orders():
    limited = Instrument(PAIR, price_tick=Decimal("0.01"), status="limit_only")
    assert isinstance(check(signal(limit="100"), desk(instrument=limited)), Approved)


def test_a_refusal_says_how_far_over_it_is():
    verdict = check(signal(), desk(quote=book(99.0, 101.0)))
    assert verdict.details == {"limit": "0.01", "value": "0.02", "over": "0.01"}
    verdict = check(signal(), desk(reservations=Reservations([reserved(quantity="50")])))
    assert verdict.code == "EXCEEDS_MAX_EXPOSURE"
    assert (verdict.details["limit"], verdict.details["scope"]) == ("5000", "pair")
    assert Decimal(verdict.details["value"]) - 5000 == Decimal(verdict.details["over"]) > 0


def test_within_a_good_market_a_buy_is_reckoned_at_the_best_ask():
    verdict = check(signal(stop="80"), desk(quote=book()))
    assert verdict.reservation.price == Decimal("100.1") * Decimal("1.001")


def test_depth_caps_the_quantity():
    quote = Quote.of(Levels([(99.9, 1)], [(100.1, 2), (100.2, 1), (105, 50)]))
    verdict = check(signal(stop="80"), desk(quote=quote))
    assert verdict.quantity == Decimal("1.5")  # half of what is offered within one per cent
    assert verdict.checks["capped_by"] == "INSUFFICIENT_DEPTH"


def test_a_limit_sell_far_below_the_market_is_a_slip_of_the_finger():
    held = portfolio("9000", BTC="10")
    sale = signal(side="SELL", stop=None, target=None, limit="50")
    assert refused(check(sale, desk(held, quote=book()))) == "PRICE_COLLAR"


def test_order_value_is_capped():
    verdict = check(signal(stop="80"), desk(limits=limits(max_order_value="100")))
    assert verdict.quantity == Decimal("0.999")
    assert verdict.checks["capped_by"] == "EXCEEDS_MAX_ORDER_VALUE"


def test_volatility_sizes_down_and_never_up():
    scaled = limits(sizing="volatility_scaled", max_position_volatility="0.01")
    wild = check(signal(stop="80"), desk(limits=scaled, volatility=0.01))
    daily = 0.01 * sqrt(1440)
    assert float(wild.quantity) == pytest.approx(10_000 * 0.01 / daily / 100.1, abs=0.001)
    assert wild.checks["capped_by"] == "max_position_volatility"
    calm = check(signal(stop="80"), desk(limits=scaled, volatility=1e-6))
    assert calm.quantity == check(signal(stop="80"), desk()).quantity


def test_more_orders_in_a_minute_than_allowed_are_refused_until_it_is_over():
    conduct = Conduct()
    for number in range(3):
        conduct.approved(str(number), DAY_NS, number * SECOND_NS, None)
    on = desk(conduct=conduct, limits=limits(max_orders_per_minute=3))
    fresh = signal(expires_at=DAY_NS)
    verdict = check(fresh, replace(on, now_ns=MINUTE_NS - 1))
    assert (verdict.code, verdict.details["value"]) == ("ORDER_RATE_EXCEEDED", "4")
    assert isinstance(check(fresh, replace(on, now_ns=MINUTE_NS)), Approved)


def test_an_approved_signal_is_a_duplicate_even_after_its_order_ended():
    conduct = Conduct()
    conduct.approved("s", DAY_NS, 1, None)
    assert refused(check(signal("s"), desk(conduct=conduct))) == "DUPLICATE_SIGNAL"


def test_the_same_buy_a_moment_later_is_a_duplicate():
    conduct = Conduct()
    first = check(signal("a", expires_at=DAY_NS), desk(conduct=conduct))
    buy = (PAIR, first.quantity, first.reservation.price)
    conduct.approved("a", DAY_NS, 5, buy, SECOND_NS)
    again = signal("b", expires_at=DAY_NS)
    verdict = check(again, desk(conduct=conduct, now_ns=SECOND_NS // 2))
    assert (verdict.code, verdict.details["limit"]) == ("DUPLICATE_ORDER", "1")
    assert isinstance(check(again, desk(conduct=conduct, now_ns=SECOND_NS + 5)), Approved)


def lost(times, conduct=None):
    conduct = conduct or Conduct()
    for number in range(times):
        conduct.filled(PAIR, Decimal(-1), Decimal("0.1"), number, closed=False)
        conduct.filled(PAIR, Decimal("0.5"), Decimal("0.1"), number, closed=True)
    return conduct


def test_losing_trades_in_a_row_pause_entries():
    on = desk(conduct=lost(3), limits=limits(max_losses_in_a_row=3, loss_pause_s=60))
    verdict = check(signal(), on)
    assert (verdict.code, verdict.details["limit"], verdict.details["value"]) == (
        "LOSS_STREAK_PAUSE",
        "3",
        "3",
    )
    assert verdict.details["until"].startswith("1970-01-01T00:01:00")
    assert isinstance(check(signal(expires_at=DAY_NS), replace(on, now_ns=2 + MINUTE_NS)), Approved)


def test_a_trade_that_wins_ends_the_streak():
    conduct = lost(3)
    conduct.filled(PAIR, Decimal(-1), Decimal(0), 9, closed=False)
    conduct.filled(PAIR, Decimal(1), Decimal(0), 9, closed=True)
    assert conduct.losses == 0
    assert lost(1, conduct).losses == 1


def test_fees_of_the_day_and_of_the_trade_itself_are_budgeted():
    conduct = Conduct()
    conduct.filled(PAIR, Decimal(0), Decimal(99), LATER, closed=False)
    on = desk(conduct=conduct, limits=limits(max_daily_fees="0.01"), now_ns=LATER)
    verdict = check(signal(expires_at=LATER), on)
    assert (verdict.code, verdict.details["limit"]) == ("FEE_BUDGET_SPENT", "100")
    assert Decimal(verdict.details["value"]) > 100
    tomorrow = replace(on, now_ns=LATER + DAY_NS)
    assert isinstance(check(signal(expires_at=LATER + DAY_NS), tomorrow), Approved)


def moving(together, bars=200, seed=1):
    """Correlations of BTC and ETH whose returns are the same, or each its own."""
    import numpy as np

    rng = np.random.default_rng(seed)
    found = Correlations([PAIR, "ETH/USD"], 50)
    price = {PAIR: 100.0, "ETH/USD": 10.0}
    for bar in range(bars):
        moves = rng.normal(0, 0.001, 2)
        for pair, move in ((PAIR, moves[0]), ("ETH/USD", moves[0] if together else moves[1])):
            price[pair] *= np.exp(move)
            found.observe(pair, bar * MINUTE_NS, MINUTE_NS, price[pair])
    return found


def test_what_moves_along_takes_room():
    held = portfolio("5000", ETH="50")
    tight = limits(max_correlated_exposure="0.5", max_total_exposure=1, **WIDE)
    same = check(signal(), desk(held, limits=tight, correlations=moving(together=True)))
    assert (same.code, same.details["scope"]) == ("EXCEEDS_CORRELATED_EXPOSURE", "correlated")
    own = check(signal(), desk(held, limits=tight, correlations=moving(together=False)))
    assert isinstance(own, Approved)
    unknown = check(signal(), desk(held, limits=tight, correlations=moving(True, bars=LEAST_BARS)))
    assert unknown.code == same.code
    blind = check(signal(), desk(held, limits=tight))
    assert blind.code == same.code


def test_correlation_is_that_of_weighted_returns():
    import numpy as np

    rng = np.random.default_rng(3)
    moves = rng.normal(0, 0.001, (300, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    closes = 100 * np.exp(np.cumsum(moves, axis=0))
    found = Correlations(["A/USD", "B/USD"], 60)
    for bar, (first, second) in enumerate(closes):
        found.observe("A/USD", bar, 1, first)
        found.observe("B/USD", bar, 1, second)
    weights = 0.5 ** (np.arange(299)[::-1] / 60)
    a, b = moves[1:].T
    expected = (weights * a * b).sum() / np.sqrt((weights * a * a).sum() * (weights * b * b).sum())
    assert found.between("A/USD", "B/USD") == pytest.approx(expected, rel=1e-9)
    assert found.between("B/USD", "A/USD") == found.between("A/USD", "B/USD")
    assert found.between("A/USD", "A/USD") == 1


def test_a_hedge_counts_for_nothing_and_a_hole_gives_no_return():
    found = Correlations(["A/USD", "B/USD"], 10)
    for bar in range(100):
        up = 1.01 if bar % 2 else 0.99
        found.observe("A/USD", bar, 1, 100 * up)
        found.observe("B/USD", bar, 1, 100 / up)
    assert found.between("A/USD", "B/USD") == 0
    holes = Correlations(["A/USD", "B/USD"], 10)
    for bar in range(0, 200, 2):
        holes.observe("A/USD", bar, 1, 100 + bar)
        holes.observe("B/USD", bar, 1, 100 - bar / 3)
    assert holes.between("A/USD", "B/USD") == 1


@pytest.mark.parametrize(
    "levels",
    [Levels([], [(1, 1)]), Levels([(1, 1)], []), Levels([(2, 1)], [(2, 1)])],
    ids=["no bids", "no asks", "crossed"],
)
def test_a_book_that_says_nothing_is_no_quote(levels):
    assert Quote.of(levels) is None


def test_a_buy_walks_through_the_levels():
    quote = Quote.of(Levels([(99, 1)], [(100, 1), (101, 1), (103, 2)]))
    assert quote.average(0.5) == pytest.approx(100)
    assert quote.average(2) == pytest.approx(100.5)
    assert quote.average(6) == pytest.approx((100 + 101 + 4 * 103) / 6)
    assert quote.depth(0.01) == pytest.approx(2)
    assert (quote.spread, quote.best_ask) == (pytest.approx(1 / 99.5), Decimal("100.00"))


def test_an_instrument_of_another_lot_is_rounded_to_it():
    coarse = replace_lot(INSTRUMENT, "0.5")
    assert check(signal(stop="80"), desk(instrument=coarse)).quantity == Decimal("4.5")


def replace_lot(instrument, lot):
    return Instrument(instrument.pair, price_tick=instrument.price_tick, lot=Decimal(lot))


def test_a_new_model_buys_a_fraction_of_what_all_other_rules_allow():
    new = limits(ramp_orders=2, ramp_fraction="0.25")
    full = check(signal(stop="80"), desk()).quantity
    conduct = Conduct()
    first = check(signal(stop="80"), desk(limits=new, conduct=conduct))
    assert first.quantity == INSTRUMENT.quantity_down(full / 4)
    assert first.checks["ramp_fraction"] == "0.25"
    conduct.bought("")
    conduct.bought("another")
    assert check(signal(stop="80"), desk(limits=new, conduct=conduct)).quantity < full
    conduct.bought("")
    grown = check(signal(stop="80"), desk(limits=new, conduct=conduct))
    assert grown.quantity == full
    assert "ramp_fraction" not in grown.checks


def test_a_fraction_that_is_too_small_for_any_order_is_refused_as_that():
    tiny = limits(ramp_orders=1, ramp_fraction="0.0001", max_pair_exposure="0.05")
    assert refused(check(signal(), desk(limits=tiny))) == "BELOW_MINIMUM"


def test_a_ramp_keeps_no_sale_small():
    held = portfolio("9000", BTC="10")
    sale = check(signal(side="SELL", stop=None, target=None), desk(held, limits=limits(ramp_orders=9)))
    assert sale.quantity == 10
