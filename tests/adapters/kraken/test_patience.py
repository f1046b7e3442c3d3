"""When the next attempt may be made: doubling, jittered, forgiven, and within the exchange's budget."""

from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.kraken.patience import Patience, Retries


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_line_that_stood_long_enough_earns_a_quick_retry():
    time = Time()
    retries = Retries(Patience(retry_s=1, stable_s=30), timer=time, jitter=lambda: 0.0)
    for _ in range(5):
        time.now += retries.pause_s()
    retries.stood()
    time.now += 29
    assert retries.pause_s() == 8.0
    retries.stood()
    time.now += 30
    assert retries.pause_s() == 0.5


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=400), st.floats(0, 0.999))
def test_no_window_ever_holds_more_attempts_than_the_budget(lives, chance):
    time, made = Time(), []
    patience = Patience(attempts=10, window_s=60, retry_s=0.1, retry_max_s=1)
    retries = Retries(patience, timer=time, jitter=lambda: chance)
    for lived, stood in lives:
        pause = retries.pause_s()
        assert pause >= 0
        time.now += pause
        made.append(time.now)
        if stood:
            retries.stood()
        time.now += lived
    for first, last in zip(made, made[patience.attempts :], strict=False):
        assert last - first >= patience.window_s - 1e-6


def test_many_failures_do_not_overflow():
    retries = Retries(Patience(attempts=10**6, retry_max_s=30), timer=lambda: 0.0, jitter=lambda: 0.5)
    assert max(retries.pause_s() for _ in range(5_000)) == 22.5
