"""The probability against what the trade costs and may win at the present volatility."""

from decimal import Decimal
from math import inf, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gal_friday_core.config import BarriersConfig, Config, CostAndVolatilityConfig, CostsConfig
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.offers import BUILT_IN
from gal_friday_core.instruments import Instrument
from gal_friday_core.strategies.cost_and_volatility import CostAndVolatilityStrategy
from gal_friday_core.strategies.protection import protective_prices
from gal_friday_core.strategies.protocol import Situation
from gal_friday_core.strategies.registry import STRATEGIES, factory

BARRIERS = BarriersConfig(
    horizon_bars=16, target_volatility=2.0, stop_volatility=1.5, min_width=0.001, max_width=0.2
)
COSTS = CostsConfig(taker_fee=Decimal("0.002"), slippage=Decimal("0.0005"))
STRATEGY = CostAndVolatilityStrategy(CostAndVolatilityConfig(), BARRIERS, COSTS)
SITUATION = Situation(
    instrument=Instrument("BTC/USD", price_tick=Decimal("0.01")),
    reference_price=Decimal("100.00"),
    volatility=0.005,
    probability=0.75,
    entry_threshold=nan,
)


def break_even(volatility, strategy=STRATEGY):
    """By bisection on the expected return."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if strategy.edge(middle, volatility)[0] < 0 else (low, middle)
    return low


def test_a_trade_that_pays_is_the_trade_of_the_label():
    proposal = STRATEGY.decide(SITUATION)
    assert (proposal.side, proposal.reason) == ("BUY", "EDGE_AFTER_COSTS")
    prices = protective_prices(Decimal(100), 0.005, BARRIERS, SITUATION.instrument)
    assert (proposal.stop, proposal.target) == prices


def test_break_even_is_what_the_costs_make_it():
    reach = 0.005 * sqrt(16)
    up, down, cost_up, cost_down = 2 * reach, 1.5 * reach, 0.0045, 0.005
    expected = (down + cost_down) / (up - cost_up + down + cost_down)
    assert break_even(0.005) == pytest.approx(expected, abs=1e-9)


def test_a_quieter_market_asks_for_more_certainty():
    found = [break_even(volatility) for volatility in (0.001, 0.002, 0.005, 0.01)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"probability": 0.5}, "does not pay"),
        ({"probability": nan}, "no prediction"),
        ({"volatility": nan}, "unknown volatility"),
        ({"volatility": 0.0005}, "the move is smaller than twice the costs"),
        ({"volatility": 0.03}, "too wild for the stop to hold"),
        ({"volatility": inf}, "no volatility"),
        ({"entry_pending": True}, "an entry is on its way"),
        ({"exit_pending": True}, "an exit is on its way"),
        ({"quantity": Decimal(1), "bars_held": 3}, "a position is held"),
    ],
)
def test_nothing_is_proposed_when(change, why):
    assert STRATEGY.decide(replace(SITUATION, **change)) is None, why


@pytest.mark.parametrize(
    "parameters",
    [{"min_edge": 0.1}, {"min_edge_to_risk": 2}, {"min_move_to_cost": 9}, {"min_probability": 0.8}],
)
def test_each_parameter_asks_for_more(parameters):
    strict = CostAndVolatilityStrategy(CostAndVolatilityConfig(**parameters), BARRIERS, COSTS)
    assert STRATEGY.decide(SITUATION) is not None
    assert strict.decide(SITUATION) is None


def test_the_position_is_sold_at_the_horizon_whatever_is_predicted():
    held = replace(SITUATION, quantity=Decimal(1), bars_held=16, probability=nan, volatility=nan)
    assert STRATEGY.decide(held).reason == "HORIZON_REACHED"


@given(st.floats(0, 1), st.floats(1e-5, 0.02))
def test_a_proposal_always_has_an_edge(probability, volatility):
    proposal = STRATEGY.decide(replace(SITUATION, probability=probability, volatility=volatility))
    edge, lost = STRATEGY.edge(probability, volatility)
    if proposal is not None:
        assert STRATEGY.is_likely_enough(probability, nan)
        assert edge >= max(0.0005, 0.05 * lost)
        assert probability > break_even(volatility)


def test_every_strategy_that_can_be_configured_is_registered():
    assert set(STRATEGIES) == set(BUILT_IN["strategy"])
    for name, make in STRATEGIES.items():
        assert make(Config(), BARRIERS).id == name


def test_an_unknown_strategy_is_told_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown strategy 'momentum': .* threshold, cost_and_volatility"):
        factory("momentum")
