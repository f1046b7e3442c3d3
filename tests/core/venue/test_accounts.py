"""Costs, fees and holds to the last digit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.errors import ContractError
from gal_friday_core.venue.accounts import Account
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.listings import DEMO_LISTINGS, MAKER_FEES, TAKER_FEES, fee_percent
from gal_friday_core.venue.requests import AddOrder
from tests.core.venue.trading import BTC, START, money


def venue(**listing: Any) -> Venue:
    return Venue(seed=1, start_ns=START, listings=[replace(DEMO_LISTINGS[0], **listing)])


def bought(it: Venue, name: str, quantity: Decimal, price: Decimal, **more: Any) -> Any:
    asked = AddOrder(
        symbol=BTC, side="buy", order_type="limit", order_qty=quantity, limit_price=price, **more
    )
    response = it.call(name, asked, START)
    assert response.success, response.error
    return it.order(name, response.result.order_id)  # type: ignore[union-attr]


@settings(max_examples=150, deadline=None)
@example(parts=[250, 250], price=5_000, cost_decimals=0, fee_preference="quote", maker=False)
@given(
    parts=st.lists(st.integers(1, 3_000), min_size=1, max_size=12),
    price=st.integers(1, 9_999),
    cost_decimals=st.integers(0, 2),
    fee_preference=st.sampled_from(["quote", "base"]),
    maker=st.booleans(),
)
def test_exact_purse_pays_for_every_way_to_fill_an_order(
    parts: list[int], price: int, cost_decimals: int, fee_preference: str, *, maker: bool
) -> None:
    """However an order is cut into fills and costs are rounded, what it held at first is enough."""
    unit = Decimal("0.0001")
    it = venue(cost_decimals=cost_decimals, quantity_min=unit, cost_min=Decimal(0), tick_size=Decimal(1))
    quantity, limit = sum(parts) * unit, Decimal(price)
    floor = it._floors[BTC]
    asked = AddOrder(
        symbol=BTC,
        side="buy",
        order_type="limit",
        order_qty=quantity,
        limit_price=limit,
        fee_preference=fee_preference,  # type: ignore[arg-type]
    )
    it.open_account("probe", {})
    it.open_account("ann", {"USD": floor.purse_for(floor.draft("probe", asked, START)), "BTC": Decimal(0)})
    if not maker:
        for number, part in enumerate(parts):
            floor.outside_limit(f"ask-{number}", "sell", limit, part * unit, START)
    order = bought(it, "ann", quantity, limit, fee_preference=fee_preference)
    if maker:
        for number, part in enumerate(parts):
            floor.outside_limit(f"hit-{number}", "sell", limit, part * unit, START)
    account = it.account("ann")
    assert order.status == "filled"
    assert len(order.executions) == len(parts)
    assert account.held["USD"] == 0
    assert account.balances["USD"] >= 0
    assert sum(execution.cost for execution in order.executions) <= quantity * limit


def test_fee_is_rounded_as_a_real_fill_was() -> None:
    """0.1 LTC at 71.05741 USDT cost 7.105741 and paid 0.018475 at 0.26 per cent."""
    it = venue(
        cost_decimals=6, price_decimals=5, tick_size=money("0.00001"), taker_fees=((0, money("0.26")),)
    )
    it.open_account("ann", {"USD": money(100)})
    it._floors[BTC].outside_limit("ask", "sell", money("71.05741"), money("0.1"), START)
    order = bought(it, "ann", money("0.1"), money("71.05741"))
    assert (order.cum_cost, order.cum_fee) == (money("7.105741"), money("0.018475"))


def test_cost_is_rounded_down_so_that_parts_never_cost_more_than_the_whole() -> None:
    it = venue(cost_decimals=2)
    it.open_account("ann", {"USD": money(100)})
    it._floors[BTC].outside_limit("ask", "sell", money("333.3"), money("0.1"), START)
    order = bought(it, "ann", money("0.0101"), money("333.3"))
    assert order.cum_cost == money("3.36")  # 3.36633


@pytest.mark.parametrize(
    ("volume", "taker", "maker"),
    [(0, "0.4", "0.25"), (9_999, "0.4", "0.25"), (10_000, "0.35", "0.2"), (20_000_000, "0.1", "0.0")],
)
def test_fee_steps_begin_at_their_volume(volume: int, taker: str, maker: str) -> None:
    assert fee_percent(TAKER_FEES, money(volume)) == money(taker)
    assert fee_percent(MAKER_FEES, money(volume)) == money(maker)


def test_more_than_there_is_cannot_be_held() -> None:
    account = Account("ann", "pro", {"USD": money(10)})
    account.hold("USD", money(10))
    with pytest.raises(ContractError, match="cannot hold"):
        account.hold("USD", money("0.01"))
    with pytest.raises(ContractError, match="cannot hold"):
        account.hold("USD", money("-10.01"))


def test_account_opens_once_and_never_in_debt() -> None:
    it = venue()
    it.open_account("ann", {"USD": money(1)})
    with pytest.raises(ContractError, match="exists already"):
        it.open_account("ann", {})
    with pytest.raises(ContractError, match="negative"):
        it.open_account("bob", {"USD": money(-1)})
    assert it.totals() == {"USD": money(1)}
