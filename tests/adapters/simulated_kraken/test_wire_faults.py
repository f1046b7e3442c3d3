import pytest

from gal_friday_adapters.simulated_kraken.wire_faults import WireFaults
from gal_friday_core.errors import ConfigError


def drawn(seed: int) -> list[bool]:
    faults = WireFaults.parse("disconnect=0.3, checksum=0.3", seed)
    return [faults.strikes(kind) for _ in range(100) for kind in ("disconnect", "checksum", "half_open")]


def test_the_seed_decides_which_frames_are_struck():
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_fault_without_a_rate_never_strikes():
    faults = WireFaults({}, seed=1)
    assert not any(faults.strikes("disconnect") for _ in range(1000))
    assert faults.delay_s() == 0


def test_struck_faults_are_counted():
    faults = WireFaults.parse("reject=1", seed=1)
    assert [faults.strikes("reject") for _ in range(3)] == [True] * 3
    assert faults.counts == {"reject": 3}


@pytest.mark.parametrize("text", ["sparks=1", "reject", "reject=x", "reject=2", "delay=-1", "checksum=nan"])
def test_a_wrong_fault_is_refused_with_its_name(text: str):
    with pytest.raises(ConfigError, match=text.partition("=")[0]):
        WireFaults.parse(text, seed=1)


def test_delays_have_the_mean_that_was_asked_for():
    faults = WireFaults.parse("delay=0.5", seed=1)
    drawn = [faults.delay_s() for _ in range(4000)]
    assert 0.45 < sum(drawn) / len(drawn) < 0.55
