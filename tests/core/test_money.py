"""Rounding of money, prices and quantities."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import ContractError, DataError
from gal_friday_core.instruments import Instrument
from gal_friday_core.money import CENT, ceil_to, fee_of, floor_to, from_float, is_multiple, share_of, value_of

amounts = st.decimals("0.00000001", "1000000000", places=8)
steps = st.sampled_from([Decimal(step) for step in ("1e-8", "0.001", "0.05", "0.1", "1", "25")])


@given(amounts, steps)
def test_floor_and_ceiling_enclose_the_amount_on_the_grid(amount, step):
    low, high = floor_to(amount, step), ceil_to(amount, step)
    assert low <= amount <= high
    assert high - low in (0, step)
    assert is_multiple(low, step)
    assert is_multiple(high, step)


@given(amounts, amounts)
def test_value_is_within_half_a_cent_of_the_product_in_any_context(quantity, price):
    with localcontext() as narrow:
        narrow.prec = 6
        value = value_of(quantity, price)
    with localcontext() as wide:
        wide.prec = 100
        assert abs(value - quantity * price) <= CENT / 2
        assert value % CENT == 0


@given(amounts, amounts, st.integers(1, 9))
def test_share_is_proportional_to_half_a_cent_and_the_whole_is_all(amount, whole, tenths):
    part = floor_to(whole * tenths / 10, CENT)
    with localcontext() as wide:
        wide.prec = 100
        assert abs(share_of(amount, part, whole) - amount * part / whole) <= CENT / 2
    assert share_of(amount, whole, whole) == amount


def test_fee_is_never_negative():
    assert fee_of(Decimal(-100), Decimal("0.0026")) == Decimal("0.26")


@given(st.floats(1e-9, 1e9))
def test_decimal_from_a_float_reads_back_as_it(number):
    assert float(from_float(number)) == number


@pytest.mark.parametrize(
    ("prices", "tick"),
    [
        ([60000.1, 61234.5], "0.1"),
        ([3001.25, 3000.0], "0.01"),
        ([0.5123], "0.000001"),
        ([0.00001234, 0.00001235], "0.0000000001"),
        ([963.37, 970.123456789012], "0.000001"),
        ([60000.0], "0.1"),
    ],
)
def test_tick_is_derived_from_the_prices(prices, tick):
    assert Instrument.derive("BTC/USD", prices).price_tick == Decimal(tick)


def test_smallest_order_follows_the_quote_currency():
    assert Instrument.derive("BTC/USD", [100.0]).min_cost == Decimal("0.5")
    assert Instrument.derive("ETH/BTC", [0.05]).min_cost == Decimal("0.00002")


def test_no_price_gives_no_instrument():
    with pytest.raises(DataError, match="no positive price"):
        Instrument.derive("BTC/USD", [0.0])


@pytest.mark.parametrize(("pair", "tick"), [("BTCUSD", "1"), ("/USD", "1"), ("BTC/USD", "0")])
def test_malformed_instrument_is_refused(pair, tick):
    with pytest.raises(ContractError):
        Instrument(pair, price_tick=Decimal(tick))
