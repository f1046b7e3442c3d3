"""How close an account is to its limits: counted as the checks count, so that what is shown is what refuses."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.config import CostsConfig
from gal_friday_core.reservations import Reservations
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.correlation import Correlations
from gal_friday_core.risk.exposure import least_room
from gal_friday_core.risk.standing import Stop, standing
from tests.core.risk.desks import desk, limits, portfolio, reserved
from tests.core.trading import PAIR

FREE = CostsConfig(taker_fee="0", slippage="0")
QUANTITIES = st.integers(0, 60).map(Decimal)


def look(held=None, reservations=(), stops=(), *, costs=FREE, limit=None, **told):
    state = (held or portfolio()).state(0)
    return standing(
        state,
        Reservations(reservations),
        limit or limits(),
        costs,
        pairs=(PAIR,),
        stops={PAIR: stops},
        **told,
    )


def named(found, name, scope=""):
    return next(one for one in found.limits if (one.name, one.scope) == (name, scope))


def test_an_account_that_holds_nothing_has_used_nothing():
    found = look()
    assert {one.used for one in found.limits} == {0.0}
    assert found.sides[0].if_bought == found.sides[0].if_sold == found.stop_loss == 0


def test_pending_buys_count_as_filled_and_pending_sells_make_no_room():
    held = portfolio(BTC="10")  # 1,000 of 11,000
    found = look(held, [reserved("a"), reserved("b", side="SELL", quantity="10")])
    side = found.sides[0]
    assert (side.worth, side.buying, side.if_bought) == (1000, 1000, 2000)
    assert (side.selling, side.if_sold) == (10, 0)
    assert named(found, "max_pair_exposure", PAIR).value == Decimal(2000) / Decimal(11000)


@given(held=QUANTITIES, buying=QUANTITIES)
def test_a_limit_is_used_up_exactly_where_the_check_has_no_room_left(held, buying):
    account = portfolio(BTC=str(held)) if held else portfolio()
    orders = [reserved(quantity=str(buying))] if buying else []
    found = look(account, orders)
    room = least_room(PAIR, desk(account, reservations=Reservations(orders)))
    closest = max(named(found, "max_pair_exposure", PAIR).used, named(found, "max_total_exposure").used)
    assert (closest >= 1) == (room.value == 0)


def test_what_the_stops_would_lose_counts_fees_and_slippage_from_where_the_pair_stands():
    costs = CostsConfig(taker_fee="0.01", slippage="0.1")
    found = look(portfolio(BTC="10"), stops=[Stop(Decimal(10), Decimal(90))], costs=costs)
    assert found.stop_loss == 1000 - 10 * Decimal(90) * Decimal("0.9") * Decimal("0.99")
    assert found.sides[0].unprotected == 0


def test_what_has_no_stop_is_told_apart_and_not_reckoned_as_safe():
    found = look(portfolio(BTC="10"), stops=[Stop(Decimal(4), Decimal(90))])
    assert found.sides[0].unprotected == 6
    assert found.stop_loss == 40
    assert found.stop_loss_share == Decimal(40) / Decimal(11000)


def test_of_more_stops_than_is_held_the_lowest_count():
    stops = [Stop(Decimal(10), Decimal(95)), Stop(Decimal(10), Decimal(80))]
    assert look(portfolio(BTC="10"), stops=stops).stop_loss == 200


def test_a_limit_that_is_off_is_shown_without_a_share():
    conduct = Conduct()
    conduct.filled(PAIR, Decimal(-5), Decimal(1), 0, closed=True)
    found = look(conduct=conduct)
    losses = named(found, "max_losses_in_a_row")
    assert (losses.value, losses.limit, losses.used) == (1, None, None)


def test_only_a_running_engine_tells_of_pace_and_losses():
    names = {one.name for one in look().limits}
    told = {one.name for one in look(conduct=Conduct(), asked=7).limits}
    assert told - names == {"max_orders_per_minute", "max_losses_in_a_row", "halt_orders_per_minute"}


def test_correlated_exposure_and_fees_appear_once_they_are_limited():
    strict = limits(max_correlated_exposure="0.1", max_daily_fees="0.01")
    conduct = Conduct()
    conduct.filled(PAIR, Decimal(1), Decimal(50), 0, closed=False)
    found = look(
        portfolio(BTC="10", ETH="10"), limit=strict, conduct=conduct,
        correlations=Correlations((PAIR, "ETH/USD"), 240),
    )  # fmt: skip
    together = named(found, "max_correlated_exposure", PAIR)
    assert together.value == Decimal(2000) / Decimal(12000)  # unknown counts as 1
    assert together.used > 1
    assert named(found, "max_daily_fees").value == Decimal(50) / Decimal(12000)


def test_an_account_with_nothing_left_has_used_every_exposure_it_still_has():
    found = look(portfolio(cash="0"), [reserved()])
    assert named(found, "max_total_exposure").value == 1
