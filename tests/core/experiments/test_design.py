import pytest

from gal_friday_core.errors import ConfigError
from tests.core.experiments.designs import PLAIN, designed

TWO = PLAIN["variants"]


def test_design_is_shadow_paired_and_even_unless_said_otherwise():
    design = designed()
    assert (design.mode, design.metric, design.allocation) == ("shadow", "net_return", "fixed")
    assert design.split() == {"champion": 0.5, "challenger": 0.5}
    assert design.control.name == "champion"
    assert design.paper_only


def test_each_of_several_comparisons_gets_its_part_of_alpha():
    third = {"name": "third", "model_id": "m@v3"}
    assert designed(variants=[*TWO, third]).each_alpha == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": [TWO[0]]}, "two at least"),
        ({"variants": [TWO[0], {**TWO[1], "model_id": TWO[0]["model_id"]}]}, "same model twice .*@v1"),
        ({"variants": [TWO[0], {**TWO[1], "name": "champion"}]}, "names must differ"),
        ({"series": "BTC"}, "series 'BTC' is none"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.2}, "alpha"),
        ({"power": 0.2}, "power"),
        ({"effect": -1.0}, "effect"),
        ({"block": 0}, "block"),
        ({"most_units": 0}, "most_units"),
        ({"mode": "split", "shares": [0.5, 0.6]}, "sum to 1"),
        ({"mode": "split", "shares": [1.0]}, "1 for 2"),
        ({"shares": [0.5, 0.5]}, "split traffic"),
        ({"allocation": "thompson"}, "split traffic"),
        ({"mode": "split", "metric": "log_loss"}, "log_loss"),
        ({"mode": "split", "floor": 0.6}, "floor"),
        ({"guards": {"max_loss": 0}}, "max_loss"),
        ({"mode": "both"}, "Invalid enum value 'both'.*mode"),
        ({"colour": "red"}, "colour"),
        ({"name": " "}, "name must not be empty"),
    ],
)
def test_design_that_could_not_conclude_is_refused_and_says_why(changes, said):
    with pytest.raises(ConfigError, match=said):
        designed(**changes)


def test_unknown_variant_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match="'x': it has champion, challenger"):
        designed().index("x")
