"""Predictions with labels, made up: calibrated ones, and such that err or lose more than they say."""

import numpy as np

from gal_friday_core.drift.delay import NOT_YET, Scored
from gal_friday_core.drift.performance import Promise
from gal_friday_core.times import MINUTE_NS

PROMISE = Promise(threshold=0.55, mean_win=0.012, mean_loss=0.01, widest=0.06)
HOLD_NS = 10 * MINUTE_NS


def scored(count, seed=0, *, worse_from=None, by=0.2, every_ns=HOLD_NS, known=None, relation=False):
    """Labels are drawn with the probability said; from row `worse_from` on, with `by` less, or, where it is the
    `relation` that breaks, so much nearer to and beyond one half."""
    rng = np.random.default_rng(seed)
    said = rng.uniform(0.3, 0.8, count)
    true = said.copy()
    if worse_from is not None:
        true[worse_from:] -= by * (np.sign(said[worse_from:] - 0.5) if relation else 1)
    won = rng.random(count) < true
    net = np.where(won, PROMISE.mean_win, -PROMISE.mean_loss) * rng.uniform(0.8, 1.2, count)
    t0_ns = np.arange(count) * every_ns
    t1_ns = t0_ns + HOLD_NS
    if known is not None:
        t1_ns[known:], net[known:] = NOT_YET, np.nan
    return Scored(t0_ns, said, t1_ns, net)


def end_ns(one):
    return int(one.t0_ns[-1]) + HOLD_NS
