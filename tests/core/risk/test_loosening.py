"""Which way every limit is looser, and what a running engine takes over."""

import pytest

from gal_friday_core.config import Config, RiskConfig
from gal_friday_core.risk.loosening import changed_limits, limits, only_limits

NEUTRAL = {"correlation_half_life_bars", "min_order_value", "rules"}
"""Settings of the section that are no limits, or that wait for the next start."""


def config(**sections):
    return Config.model_validate(sections)


def test_every_risk_setting_says_which_way_it_is_looser():
    told = {key.partition(".")[2] for key, _, _ in limits(Config()) if key.startswith("risk.")}
    assert told == set(RiskConfig.model_fields) - NEUTRAL


@pytest.mark.parametrize(
    ("before", "after", "looser"),
    [
        ({"risk_per_trade": "0.005"}, {"risk_per_trade": "0.01"}, True),
        ({"risk_per_trade": "0.005"}, {"risk_per_trade": "0.001"}, False),
        ({"max_order_value": "100"}, {"max_order_value": None}, True),
        ({"max_order_value": None}, {"max_order_value": "100"}, False),
        ({"max_losses_in_a_row": 3}, {"max_losses_in_a_row": 4}, True),
        ({"loss_pause_s": 60}, {"loss_pause_s": 30}, True),
        ({"loss_pause_s": 60}, {"loss_pause_s": 90}, False),
        ({"duplicate_window_s": 1}, {"duplicate_window_s": 0}, True),
        ({"sizing": "volatility_scaled"}, {"sizing": "fixed_fractional"}, True),
        ({"sizing": "fixed_fractional"}, {"sizing": "volatility_scaled"}, False),
        ({"max_spread": 0.01}, {"max_spread": 0.010001}, True),
    ],
)
def test_a_change_is_looser_or_tighter(before, after, looser):
    changes = changed_limits(config(risk=before), config(risk=after))
    assert [change.looser for change in changes] == [looser]
    assert changes[0].key == f"risk.{next(iter(before))}"


def test_limits_stand_in_other_sections_too():
    changes = changed_limits(
        config(), config(strategy={"max_signal_age_s": 60}, market={"max_book_age_s": 1})
    )
    assert [(change.key, change.looser) for change in changes] == [
        ("market.max_book_age_s", False),
        ("strategy.max_signal_age_s", True),
    ]


def test_only_limits_are_taken_over():
    now = config(risk={"max_spread": 0.01}, market={"pairs": ["BTC/USD"]})
    then = config(
        risk={"max_spread": 0.001, "min_order_value": 50}, market={"pairs": ["ETH/USD"], "max_lag_s": 1},
        costs={"taker_fee": 0},
    )  # fmt: skip
    taken = only_limits(now, then)
    assert (taken.risk.max_spread, taken.market.max_lag_s) == (0.001, 1)
    assert (taken.risk.min_order_value, taken.market.pairs, taken.costs) == (
        now.risk.min_order_value,
        now.market.pairs,
        now.costs,
    )
