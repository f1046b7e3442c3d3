"""Sizes follow the measured costs by the stated formulas."""

import msgspec
import pytest

from gal_friday_core.capacity.sizing import (
    HEADROOM,
    RESOURCES,
    Costs,
    Demand,
    carries,
    close_seconds,
    costs_of,
    disk_gb_day,
    engine_cores,
    memory_mb,
    needs,
)
from gal_friday_core.errors import DataError

NOTHING = Costs(**dict.fromkeys(Costs.__struct_fields__, 0.0))
COSTS = msgspec.structs.replace(
    NOTHING, message_us=30.0, bar_us=100.0, order_us=1_000.0, rows_per_bar=2.0, note_us=25.0, engine_mb=200.0, pair_mb=1.0,
    model_mb=0.5, bytes_per_bar=1_500.0, append_ms=2.0, durable_per_order=6.0, rows_per_order=7.0, append_us=500.0,
    note_server_us=20.0, strand_batch_per_s=500.0, strand_us=600.0, reports_per_order=4.0, partition_s=0.5, engine_cores=0.02,
)  # fmt: skip


def test_an_engine_spends_what_its_messages_bars_and_orders_cost():
    demand = Demand(pairs=10, messages_per_s=100.0, bar_s=60.0, orders_per_day=8_640.0)
    messages, bars = 10 * 100 * 30e-6, 10 / 60 * 150e-6
    orders = 1.0 * (1_000 + 6 * 500 + 25) * 1e-6
    assert engine_cores(COSTS, demand) == pytest.approx(messages + bars + orders + 0.02)


def test_split_roles_pay_for_what_they_say():
    whole = Demand(pairs=10, orders_per_day=8_640.0)
    split = msgspec.structs.replace(whole, split=True)
    more = engine_cores(COSTS, split) - engine_cores(COSTS, whole)
    assert more == pytest.approx((3 + 4) * 600e-6)


def test_units_carry_what_they_are_said_to_carry_and_no_more():
    demand = Demand(pairs=1, messages_per_s=14.0, split=True)
    for resource, pairs in carries(COSTS, demand):
        at_most = msgspec.structs.replace(demand, pairs=int(pairs))
        beyond = msgspec.structs.replace(demand, pairs=int(pairs) + 2)
        units = {need.resource.name: need.units for one in (at_most, beyond) for need in needs(COSTS, one)}
        fits = next(need for need in needs(COSTS, at_most) if need.resource is resource)
        assert (fits.units, units[resource.name]) == (1, 2)


def test_the_last_pair_is_decided_in_time_beside_the_messages():
    """Work of the close, and the messages that come while it is done, fill the allowed time exactly."""
    demand = Demand(pairs=1, messages_per_s=100.0, decide_s=0.25)
    close = next(pairs for resource, pairs in carries(COSTS, demand) if resource.name == "close of a bar")
    assert close * (close_seconds(COSTS, demand) + 0.25 * 100 * 30e-6) == pytest.approx(0.25)


def test_what_saturates_first_stands_first():
    quick, slow = (
        carries(msgspec.structs.replace(COSTS, append_ms=ms), Demand(pairs=1, orders_per_day=10_000.0))
        for ms in (0.01, 1_000.0)
    )
    assert slow[0][0].name == "durable records" != quick[0][0].name
    assert [pairs for _, pairs in quick] == sorted(pairs for _, pairs in quick)


def test_a_resource_that_is_not_used_saturates_never():
    named = {resource.name for resource, _ in carries(COSTS, Demand(pairs=1))}
    assert named == {resource.name for resource in RESOURCES} - {"strands"}


def test_memory_and_disk_grow_with_pairs_and_accounts():
    one, many = Demand(pairs=10, messages_per_s=1.0), Demand(pairs=10, accounts=5, messages_per_s=1.0)
    assert memory_mb(COSTS, one) == pytest.approx(200 + 10 * 1.5)
    assert memory_mb(COSTS, many) == pytest.approx(5 * (200 + 10 * 1.5))
    assert disk_gb_day(COSTS, one) == pytest.approx(10 * 1_440 * 1_500 / 1e9)


def test_headroom_is_kept():
    costs = msgspec.structs.replace(COSTS, engine_cores=HEADROOM)
    full = Demand(pairs=1, messages_per_s=0.0, orders_per_day=0.0, bar_s=1e12)
    assert needs(costs, full)[0].units == 2  # one bar in a long time is a bar too many


def test_costs_that_were_not_measured_are_named():
    with pytest.raises(DataError, match="message_us"):
        costs_of({"bar_us": 1.0})
