"""The section that says how closely a simulated exchange follows a real one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gal_friday_core.config import Config
from gal_friday_core.fidelity_settings import KRAKEN_TIERS, FidelityConfig, tier_of


def test_as_it_comes_nothing_but_constant_costs_hold():
    assert FidelityConfig().plain
    assert FidelityConfig().tiers == ()


@pytest.mark.parametrize(
    "setting",
    [
        {"fees": "kraken"},
        {"slippage": "modelled"},
        {"latency_ms": 1},
        {"participation": "1"},
        {"limit_queue": "volume"},
    ],
)
def test_each_friction_alone_is_not_plain(setting):
    assert not FidelityConfig(**setting).plain


def test_krakens_tiers_are_those_of_the_venue():
    assert KRAKEN_TIERS[0] == (Decimal(0), Decimal("0.0025"), Decimal("0.004"))
    assert KRAKEN_TIERS[-1] == (Decimal(10_000_000), Decimal(0), Decimal("0.001"))


@given(st.decimals(0, 10**9, places=2), st.decimals(0, 10**9, places=2))
def test_more_volume_is_never_dearer(one, other):
    less, more = sorted((one, other))
    _, maker_before, taker_before = tier_of(KRAKEN_TIERS, less)
    _, maker_after, taker_after = tier_of(KRAKEN_TIERS, more)
    assert maker_after <= maker_before
    assert taker_after <= taker_before


@pytest.mark.parametrize(
    "tiers",
    [
        (),
        ((100, "0.001", "0.002"),),
        ((0, "0.001", "0.002"), (0, "0.001", "0.002")),
        ((0, "0.001", "0.002"), (100, "0.001", "0.003")),
        ((0, "0.001", "0.002"), (100, "0.0015", "0.001")),
    ],
)
def test_a_table_that_does_not_begin_ascend_or_cheapen_is_refused(tiers):
    with pytest.raises(ValidationError, match="fee_tiers"):
        FidelityConfig(fees="table", fee_tiers=tiers)


def test_limits_must_not_reckon_with_less_than_is_paid():
    with pytest.raises(ValidationError, match=r"costs\.taker_fee 0\.0026"):
        Config.model_validate({"fidelity": {"fees": "kraken"}})
    raised = {"taker_fee": "0.004", "maker_fee": "0.0025"}
    assert Config.model_validate({"fidelity": {"fees": "kraken"}, "costs": raised}).fidelity.tiers


def test_what_is_traded_elsewhere_counts_for_the_tier_that_limits_reckon_with():
    fidelity = {"fees": "kraken", "volume_elsewhere": 50_000}
    assert Config.model_validate({"fidelity": fidelity}).fidelity.fees == "kraken"
