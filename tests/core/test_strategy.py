"""What the threshold strategy proposes, and where it puts stop and target."""

from decimal import Decimal
from math import nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.config import BarriersConfig, StrategyConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.strategies.protection import protective_prices
from gal_friday_core.strategies.protocol import Situation
from gal_friday_core.strategies.threshold import ThresholdStrategy

INSTRUMENT = Instrument("BTC/USD", price_tick=Decimal("0.01"))
BARRIERS = BarriersConfig(
    horizon_bars=16, target_volatility=2.0, stop_volatility=1.5, min_width=0.001, max_width=0.2
)
STRATEGY = ThresholdStrategy(StrategyConfig(margin=0.125), BARRIERS)
SITUATION = Situation(
    instrument=INSTRUMENT,
    reference_price=Decimal("100.00"),
    volatility=0.005,
    probability=0.75,
    entry_threshold=0.5,
)


def test_sure_model_buys_with_stop_and_target_of_the_label():
    proposal = STRATEGY.decide(SITUATION)
    reach = 0.005 * sqrt(16)
    assert (proposal.side, proposal.entry_type, proposal.reason) == (
        "BUY",
        "MARKET",
        "PROBABILITY_ABOVE_THRESHOLD",
    )
    assert proposal.stop == Decimal(str(100 * (1 - 1.5 * reach)))
    assert proposal.target == Decimal(str(100 * (1 + 2.0 * reach)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"probability": 0.62}, "above break-even, but not by the margin"),
        ({"probability": nan}, "no prediction"),
        ({"entry_threshold": nan}, "a model without a threshold"),
        ({"volatility": nan}, "unknown volatility"),
        ({"entry_pending": True}, "an entry is on its way"),
        ({"exit_pending": True}, "an exit is on its way"),
        ({"quantity": Decimal(1), "bars_held": 3}, "a position is held"),
        ({"instrument": Instrument("BTC/USD", price_tick=Decimal(50))}, "stop and price share a tick"),
    ],
)
def test_nothing_is_proposed_when(change, why):
    assert STRATEGY.decide(replace(SITUATION, **change)) is None, why


def test_threshold_plus_margin_is_enough():
    assert STRATEGY.decide(replace(SITUATION, probability=0.625)).side == "BUY"


@pytest.mark.parametrize(("bars", "sells"), [(15, False), (16, True), (40, True)])
def test_position_is_sold_once_the_horizon_is_reached(bars, sells):
    held = replace(SITUATION, quantity=Decimal("0.5"), bars_held=bars)
    proposal = STRATEGY.decide(held)
    assert (proposal is not None) == sells
    if sells:
        assert (proposal.side, proposal.reason, proposal.stop) == ("SELL", "HORIZON_REACHED", None)
        assert STRATEGY.decide(replace(held, exit_pending=True)) is None


def test_exit_needs_neither_prediction_nor_volatility():
    held = replace(SITUATION, quantity=Decimal(1), bars_held=16, probability=nan, volatility=nan)
    assert STRATEGY.decide(held).side == "SELL"


@given(
    price=st.decimals("0.5", "100000", places=2),
    volatility=st.floats(1e-6, 0.2),
    tick=st.sampled_from(["0.01", "0.1", "0.001"]),
)
def test_protection_lies_on_ticks_at_most_one_above_the_label(price, volatility, tick):
    instrument = Instrument("BTC/USD", price_tick=Decimal(tick))
    protection = protective_prices(price, volatility, BARRIERS, instrument)
    if protection is None:
        return
    stop, target = protection
    reach = volatility * sqrt(BARRIERS.horizon_bars)
    down = min(max(1.5 * reach, 0.001), 0.2)
    up = min(max(2.0 * reach, 0.001), 0.2)
    assert instrument.fits_price(stop)
    assert instrument.fits_price(target)
    assert stop < price < target
    noise = float(price) * 1e-15
    assert -noise <= float(stop) - float(price) * (1 - down) <= float(tick) + noise
    assert -noise <= float(target) - float(price) * (1 + up) <= float(tick) + noise
