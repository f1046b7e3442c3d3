"""Readings against limits: the worst severity, hysteresis, and a clock that is certainly wrong."""

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.health import Health, Limit, clock_offset_s

LAG = Limit(code="LAG", unit="s", degraded=1.0, reducing=2.0, halted=3.0)
SPACE = Limit(code="SPACE", unit="MB", reducing=500.0, halted=100.0, low=True)
RANK = ("", "DEGRADED", "REDUCING", "HALTED")


def health(*limits, recover_after_s=5.0):
    return Health(limits or (LAG, SPACE), recover_after_s=recover_after_s)


def codes(findings):
    return [(finding.code, finding.severity) for finding in findings]


def test_a_reading_has_the_worst_severity_that_it_reaches():
    judged = [LAG.judge(value) for value in (0.9, 1.0, 2.5, 3.0)]
    assert judged == [None, ("DEGRADED", 1.0), ("REDUCING", 2.0), ("HALTED", 3.0)]
    assert [SPACE.judge(value) for value in (501.0, 500.0, 100.0)] == [
        None,
        ("REDUCING", 500.0),
        ("HALTED", 100.0),
    ]


def test_a_finding_is_told_once_and_again_only_when_it_grows_worse():
    watched = health()
    told = [
        codes(watched.look({"LAG": value}, now_s).worse)
        for now_s, value in enumerate((1.5, 1.6, 2.5, 2.6, 9.0))
    ]
    assert told == [[("LAG", "DEGRADED")], [], [("LAG", "REDUCING")], [], [("LAG", "HALTED")]]
    assert watched.findings[0].value == 9.0


def test_a_finding_that_flickers_stands_until_it_was_gone_for_long_enough():
    watched = health()
    watched.look({"LAG": 2.5}, 0)
    assert watched.look({"LAG": 0.0}, 4).over == ()
    watched.look({"LAG": 2.5}, 4.5)
    assert watched.look({"LAG": 0.0}, 9).over == ()
    assert codes(watched.look({"LAG": 0.0}, 9.5).over) == [("LAG", "REDUCING")]
    assert watched.severity == ""


def test_a_lighter_finding_follows_a_heavier_one_after_the_same_time():
    watched = health()
    watched.look({"LAG": 9.0}, 0)
    assert watched.look({"LAG": 1.5}, 1).worse == ()
    changes = watched.look({"LAG": 1.5}, 5)
    assert (codes(changes.over), codes(changes.worse)) == ([("LAG", "HALTED")], [("LAG", "DEGRADED")])
    assert watched.severity == "DEGRADED"


def test_a_code_without_a_reading_keeps_its_finding_and_one_without_a_limit_has_none():
    watched = health()
    watched.look({"SPACE": 50.0, "ELSE": 1e9}, 0)
    watched.look({"LAG": 0.0}, 100)
    assert codes(watched.findings) == [("SPACE", "HALTED")]
    assert watched.readings == {"SPACE": 50.0, "ELSE": 1e9, "LAG": 0.0}
    assert str(watched.findings[0]) == "SPACE: 50 MB, limit 100 MB"


@given(st.lists(st.tuples(st.floats(0, 4), st.floats(0.1, 4)), max_size=30), st.floats(0, 6))
def test_what_stands_is_never_lighter_than_any_reading_of_the_recovery_time(steps, recover_after_s):
    """The gate may open late, never early."""
    watched, seen, now = health(LAG, recover_after_s=recover_after_s), [], 0.0
    for value, pause in steps:
        now += pause
        judged = LAG.judge(value)
        seen.append((now, RANK.index(judged[0] if judged else "")))
        watched.look({"LAG": value}, now)
        worst = max(rank for at, rank in seen if now - at < recover_after_s or at == now)
        assert RANK.index(watched.severity) >= worst


@given(
    sent=st.integers(0, 10**12),
    there=st.integers(0, 10**9),
    back=st.integers(0, 10**9),
    offset=st.integers(-(10**11), 10**11),
    resolution=st.sampled_from([1_000_000_000, 1_000_000, 1]),
)
def test_the_clock_offset_is_never_overstated_and_never_of_the_wrong_sign(
    sent, there, back, offset, resolution
):
    """`offset` is by how much the exchange is ahead of us: what is said is nearer to 0, by at most the uncertainty."""
    told = (sent + there + offset) // resolution * resolution
    said = clock_offset_s(sent, sent + there + back, told, resolution) * 1e9
    uncertainty = there + back + resolution
    assert -1e-3 <= (-offset - said) * (1 if offset < 0 else -1) <= uncertainty + 1
    assert said * -offset >= 0
