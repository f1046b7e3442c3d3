import pytest

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.strategies.presets import trading
from gal_friday_core.strategies.registry import STRATEGIES
from gal_friday_core.sweeps.grid import USUAL, axis, configured, described, grid, neighbours, sweepable

BASE = Config()


def points(*texts):
    return grid(BASE, [axis(text) for text in texts])


def test_every_combination_is_a_point_and_the_last_axis_turns_fastest():
    found = points("strategy.margin=0,0.1", "risk.risk_per_trade=0.01,0.02,0.03")
    assert len(found.points) == 6
    assert found.points[1] == {"strategy.margin": 0.0, "risk.risk_per_trade": "0.02"}


def test_steps_reach_the_end_exactly_and_never_beyond():
    assert axis("strategy.margin=0..0.3:0.1").values == ("0.0", "0.1", "0.2", "0.3")
    assert axis("ema_cross.fast=5..11:5").values == ("5", "10")


def test_a_point_is_the_configuration_with_these_values_only():
    point = points("ema_cross.fast=8", "ema_cross.slow=40").points[0]
    config = configured(BASE, point)
    assert (config.ema_cross.fast, config.ema_cross.slow) == (8, 40)
    assert config.ema_cross.stop == BASE.ema_cross.stop
    assert config.risk == BASE.risk
    assert described(point) == "fast 8, slow 40"


def test_combinations_that_the_configuration_refuses_are_told_and_left_out():
    found = points("ema_cross.fast=10,30", "ema_cross.slow=20,40")
    assert [tuple(point.values()) for point in found.points] == [(10, 20), (10, 40), (30, 40)]
    assert len(found.refused) == 1
    assert "fast 30, slow 20" in found.refused[0]
    assert "must be less than" in found.refused[0]


def test_two_spellings_of_a_value_are_one_point():
    assert len(points("ema_cross.fast=8,08,8.0").points) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("strategy.margin", "not an axis"),
        ("=1,2", "not an axis"),
        ("strategy.margin=0,,1", "not an axis"),
        ("strategy.margin=0.1,0.1", "given twice"),
        ("strategy.margin=1..0:0.1", "TO not below FROM"),
        ("strategy.margin=0..1:0", "STEP above 0"),
        ("strategy.margin=0..1", "STEP above 0"),
        ("strategy.margin=0..NaN:1", "needs numbers"),
        ("strategy.margin=0..1:0.00001", "larger step"),
    ],
)
def test_what_is_no_axis_is_refused_with_the_reason(text, reason):
    with pytest.raises(ConfigError, match=reason):
        axis(text)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ((), "nothing to sweep"),
        (("costs.taker_fee=0,0.1",), "costs.taker_fee cannot be swept"),
        (("storage.database_url=x",), "cannot be swept"),
        (("strategies.margin=0",), "did you mean strategy.margin"),
        (("ema_cross.fasst=5",), r"did you mean ema_cross.fast\?"),
        (("strategy.margin=0", "strategy.margin=1"), "two axes"),
        (("strategy.margin=7,8",), "refuses every combination"),
        (("ema_cross.stop=0.0001..0.9:0.0001", "ema_cross.target=0.01..0.2:0.01"), "more than 100,000"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_with_the_reason(texts, reason):
    with pytest.raises(ConfigError, match=reason):
        points(*texts)


def test_neighbours_are_one_step_away_on_one_axis():
    found = points("ema_cross.fast=5,10,15", "ema_cross.slow=20,30,40")
    middle = next(
        place for place, one in enumerate(found.points) if one == {"ema_cross.fast": 10, "ema_cross.slow": 30}
    )
    near = [tuple(found.points[place].values()) for place in neighbours(found, middle)]
    assert sorted(near) == [(5, 30), (10, 20), (10, 40), (15, 30)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_has_a_usual_grid(strategy):
    base = trading(BASE, strategy)
    found = grid(base, [axis(text) for text in USUAL[strategy]])
    assert len(found.points) >= 6
    assert not found.refused


def test_only_what_decides_may_be_swept():
    sections = {key.partition(".")[0] for key in sweepable()}
    assert sections >= {"strategy", "risk", "ema_cross", "cost_and_volatility"}
    assert not sections & {"storage", "costs", "paper", "training", "alerts", "market"}
