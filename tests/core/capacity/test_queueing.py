"""The simulation of queues, held against what is known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.capacity.queueing import (
    Station,
    mean_wait_s,
    poisson,
    simulate,
    whole_way_s,
)
from gal_friday_core.errors import ConfigError

PIECES = 40_000
RNG = np.random.default_rng(7)
EXPONENTIAL = RNG.exponential(0.01, 50_000)
FIXED = np.array([0.01])
HEAVY = RNG.lognormal(-5.5, 1.0, 50_000)


def waits(service, rate, seed=1):
    arrivals = poisson(rate, PIECES, np.random.default_rng(seed))
    passed = simulate({"one": Station(service)}, arrivals, seed=seed)["one"]
    return float(passed.spent.mean() - service.mean())


@pytest.mark.parametrize(
    ("service", "load"), [(EXPONENTIAL, 0.7), (FIXED, 0.8), (HEAVY, 0.5)], ids=["M/M/1", "M/D/1", "M/G/1"]
)
def test_the_mean_wait_is_that_of_pollaczek_and_khinchine(service, load):
    rate = load / service.mean()
    assert waits(service, rate) == pytest.approx(mean_wait_s(rate, service), rel=0.12)


def test_more_than_can_be_done_has_no_mean_wait():
    assert mean_wait_s(101.0, FIXED) == float("inf")


def test_a_second_worker_sees_what_the_first_lets_through_as_it_came():
    """Burke's theorem: what leaves a queue of exponential times comes as independently as it did before."""
    stations = {"one": Station(EXPONENTIAL, to={"two": 0.5}), "two": Station(EXPONENTIAL)}
    passed = simulate(stations, poisson(70.0, PIECES, np.random.default_rng(2)), seed=2)
    wait = float(passed["two"].spent.mean() - EXPONENTIAL.mean())
    assert len(passed["two"].piece) == pytest.approx(PIECES / 2, rel=0.03)
    assert wait == pytest.approx(mean_wait_s(35.0, EXPONENTIAL), rel=0.12)
    through = np.isin(passed["one"].piece, passed["two"].piece)
    both = passed["one"].spent[through].mean() + passed["two"].spent.mean()
    assert whole_way_s(passed, "one", "two").mean() == pytest.approx(both)


def test_a_batch_drains_what_waits_with_one_claim_for_many():
    waiting = np.zeros(1_001)
    one = Station(np.array([0.005]), np.array([0.001]))
    alone = simulate({"one": one}, waiting, seed=1)["one"]
    many = simulate({"one": Station(one.setup, one.each, batch=50)}, waiting, seed=1)["one"]
    assert alone.rate() == pytest.approx(1 / 0.006)
    assert many.rate() == pytest.approx(1_001 / (0.006 + 20 * 0.055))


def test_an_idle_worker_has_to_hear_of_its_work_and_a_busy_one_does_not():
    station = Station(np.array([0.010]), wake=np.array([0.004]))
    spent = simulate({"one": station}, np.array([0.0, 0.001, 1.0]), seed=1)["one"].spent
    assert spent == pytest.approx([0.014, 0.023, 0.014])


def test_urgent_pieces_are_claimed_first():
    passed = simulate({"one": Station(FIXED)}, np.zeros(5), seed=1, urgent=[3, 4])["one"]
    assert passed.piece.tolist() == [0, 3, 4, 1, 2]


def test_a_piece_for_a_station_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"\['two'\], which do not exist"):
        simulate({"one": Station(FIXED, to={"two": 1.0})}, np.zeros(1), seed=1)


@settings(max_examples=50)
@given(
    gaps=st.lists(st.floats(0, 0.05), min_size=1, max_size=60),
    batch=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_every_piece_is_done_once_never_before_it_came_and_the_same_again(gaps, batch, seed):
    arrivals = np.cumsum(gaps)
    stations = {
        "one": Station(EXPONENTIAL[:50], FIXED / 10, FIXED / 5, batch=batch, to={"two": 1.0}),
        "two": Station(FIXED),
    }
    passed, again = (simulate(stations, arrivals, seed=seed) for _ in range(2))
    for name, station in passed.items():
        assert sorted(station.piece) == list(range(len(arrivals)))
        assert (station.spent > 0).all()
        assert (np.diff(station.done) >= 0).all()
        assert station.done.tolist() == again[name].done.tolist()
    assert (np.sort(passed["two"].came) >= np.sort(passed["one"].came)).all()
