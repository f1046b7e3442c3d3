"""Sweeps over real backtests: what a point gives, what is flagged, what is remembered, what cancelling leaves."""

import asyncio
from decimal import Decimal
from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_adapters.postgres.trial_log import TrialLog
from gal_friday_adapters.worker_pool import Here
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.fidelity_settings import FidelityConfig
from gal_friday_core.strategies.presets import trading, with_preset
from gal_friday_core.sweeps.grid import axis, configured
from gal_friday_core.sweeps.outcome import outcome_of
from gal_friday_core.sweeps.result import ALL
from gal_friday_core.times import DAY_NS, HOUR_NS, from_iso
from gal_friday_live.backtesting import BacktestingEngine
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.fast_backtest import Trading
from gal_friday_live.portfolio_backtest import PortfolioBacktest
from gal_friday_live.sweep_run import Batch, cut, parts
from gal_friday_live.sweeping import Request, sweep
from tests.live.world import CALM, files, manager
from tests.live.world import SERIES as MINUTES
from tests.live.world import market as minutes

START = from_iso("2023-01-02")
BTC, ETH = Series("kraken", "BTC/USD", "1h"), Series("kraken", "ETH/USD", "1h")
WARM_UP = 1_000
DAYS = 240


@cache
def market(series=BTC, seed=1, persistence=0.0):
    """Hourly bars: a walk, with `persistence` one whose drift lasts for days, as a trend follower would wish for."""
    bars = WARM_UP + 24 * DAYS
    rng = np.random.default_rng(seed)
    drift = np.zeros(bars)
    for hour in range(1, bars):
        drift[hour] = 0.99 * drift[hour - 1] + persistence * rng.standard_normal()
    close = (1_000 * np.exp(np.cumsum(drift + 0.004 * rng.standard_normal(bars)))).round(2)
    opened = np.concatenate(([1_000.0], close[:-1]))
    high = (np.maximum(opened, close) * 1.001).round(2)
    low = (np.minimum(opened, close) * 0.999).round(2)
    ts = START + (np.arange(bars, dtype=np.int64) - WARM_UP) * HOUR_NS
    ones = np.ones(bars)
    return Candles(series, ts, opened, high, low, close, ones, np.ones(bars, np.int64))


def rule(fee="0"):
    config, _ = with_preset(trading(Config.model_validate({"costs": {"taker_fee": fee}}), "ema_cross"))
    return config


def request(*axes, **changes):
    given = {"start_ns": START, "end_ns": START + DAYS * DAY_NS, "capital": Decimal(10_000)}
    return Request(axes=tuple(map(axis, axes)), **{**given, **changes})


WIDE = (
    "ema_cross.fast=4..20:4",
    "ema_cross.slow=24..72:16",
    "ema_cross.stop=0.01,0.03",
    "ema_cross.target=0.02,0.06",
)


def swept(*axes, candles=None, config=None, **changes):
    log = changes.pop("log", None)
    return sweep(config or rule(), candles or {BTC: market()}, request(*axes, **changes), Here(), log=log)


def test_every_run_is_the_backtest_of_its_point():
    end = START + 60 * DAY_NS
    found = swept("ema_cross.fast=6,12", "ema_cross.slow=24", end_ns=end, config=rule("0.002"))
    played = cut(market(), START, end, 2_000)
    for run in found.runs:
        config = configured(rule("0.002"), found.grid.points[run.place])
        engine = BacktestingEngine(ConfigurationManager.from_config(config), series=BTC, exact=True)
        report = asyncio.run(engine.run(played, Decimal(10_000)))
        assert run.outcome == outcome_of(report, len(played.bars))
        assert run.outcome.trades > 5


@given(
    counts=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    workers=st.integers(1, 16),
)
def test_parts_hold_every_point_once_in_order_and_end_small(counts, workers):
    wanted = [
        Batch(
            series=f"series {number}", of=(f"series {number}",), start_ns=number, end_ns=number + 1,
            places=tuple(range(count)), points=({},) * count,
        )
        for number, count in enumerate(counts)
    ]  # fmt: skip
    found = list(parts(wanted, workers))
    assert [(one.series, place) for one in found for place in one.places] == [
        (one.series, place) for one in wanted for place in one.places
    ]
    assert all(len(one.places) == len(one.points) > 0 for one in found)
    left = sum(counts)
    assert len(found[-1].places) == 1
    for one in found:  # no worker begins a part that the others could not share while it runs
        assert len(one.places) <= max(1, -(-left // (workers * 4)))
        left -= len(one.places)


def test_the_best_of_a_sweep_over_noise_is_flagged():
    found = swept(*WIDE)
    best = found.bests[0]
    assert len(found.runs) == len(found.grid.points) == 80
    assert best.verdict.ratio > 0
    assert best.verdict.word == "OVERFITTED"
    assert found.overfitted


def test_the_best_of_a_sweep_over_a_trending_market_is_not():
    found = swept(*WIDE, candles={BTC: market(persistence=0.0012)})
    best = found.bests[0]
    assert best.verdict.word == "HOLDS", best.verdict
    assert best.verdict.loss_probability < 0.2
    assert best.neighbours > 0.5 * best.verdict.ratio  # no lonely peak
    assert not found.overfitted


def test_a_walk_chooses_on_the_past_only_and_trades_what_comes():
    asked = {"walk": (60, 30, False)}
    whole = swept("ema_cross.fast=4..12:4", "ema_cross.slow=24,48", **asked)
    walk = whole.walks[0]
    assert len(walk.steps) == 6
    assert len(walk.returns) == sum(len(step.traded.returns) for step in walk.steps)
    # The last third of history is another one: nothing that was chosen or traded before it changes.
    turned = market()
    half = WARM_UP + 24 * 150
    close = turned.close.copy()
    close[half:] = close[half:][::-1]
    later = Candles(BTC, turned.ts, close, close * 1.002, close * 0.998, close, turned.volume, turned.trades)
    columns = [
        np.concatenate((old[:half], new[half:]))
        for old, new in zip(turned.columns(), later.columns(), strict=True)
    ]
    other = swept(
        "ema_cross.fast=4..12:4", "ema_cross.slow=24,48", candles={BTC: Candles(BTC, *columns)}, **asked
    )
    before = [step for step in walk.steps if step.window.end_ns <= turned.ts[half]]
    assert len(before) == 3
    assert list(other.walks[0].steps[:3]) == before
    assert other.walks[0].steps[4:] != walk.steps[4:]


def test_a_walk_on_noise_earns_less_than_what_it_chose_promised():
    walk = swept(*WIDE[:2], walk=(60, 30, False)).walks[0]
    assert np.mean([step.chosen_ratio for step in walk.steps]) > 0.05
    assert walk.efficiency < 0.7
    assert walk.verdict.word != "HOLDS"


def test_series_are_judged_each_and_all_together():
    candles = {BTC: market(), ETH: market(ETH, seed=2)}
    found = swept("ema_cross.fast=6,12,18", candles=candles)
    assert [best.series for best in found.bests] == [BTC.key, ETH.key, ALL]
    both = found.bests[-1]
    place = both.place
    outcomes = {run.series: run.outcome for run in found.runs if run.place == place}
    mean = (np.array(outcomes[BTC.key].returns) + np.array(outcomes[ETH.key].returns)) / 2
    np.testing.assert_allclose(both.returns, mean)


def test_series_may_share_one_portfolio(database_url):
    log, config, end = TrialLog(database_url), rule("0.002"), START + 70 * DAY_NS
    candles = {BTC: market(), ETH: market(ETH, seed=7)}
    axes = "ema_cross.fast=6,12", "ema_cross.slow=24"
    given = {"candles": candles, "config": config, "end_ns": end, "log": log}
    found = swept(*axes, **given, one_portfolio=True)
    (best,) = found.bests
    assert best.series == "kraken:BTC-USD:1h + kraken:ETH-USD:1h"
    pairs = [Trading(cut(bars, START, end, WARM_UP)) for bars in candles.values()]
    for run in found.runs:
        manager = ConfigurationManager.from_config(configured(config, found.grid.points[run.place]))
        report = PortfolioBacktest(manager, pairs).run(Decimal(10_000))
        assert run.outcome == outcome_of(report, 2 * 24 * 70)
    assert best.verdict.trials == 2
    assert swept(*axes, **given).verdicts[ALL].trials == 2  # another question: each had its own capital
    assert swept(*axes, **given, one_portfolio=True).verdicts[best.series].trials == 2
    walk = swept(*axes, **given, one_portfolio=True, walk=(30, 20, False)).walks
    assert [one.series for one in walk] == [best.series]
    assert walk[0].verdict.days == 40


def test_a_portfolio_trades_the_pairs_that_there_are_bars_of():
    late = market(ETH, seed=7)[WARM_UP + 24 * 40 :]
    found = swept("ema_cross.fast=6", "ema_cross.slow=24", candles={BTC: market(), ETH: late},
                  one_portfolio=True, walk=(30, 20, False), end_ns=START + 70 * DAY_NS)  # fmt: skip
    steps = found.walks[0].steps
    bars = [step.traded.bars for step in steps]
    assert bars == [24 * (20 + 10), 24 * 40]


def test_trials_are_remembered_and_counted_in_the_next_sweep(database_url):
    log = TrialLog(database_url)
    first = swept("ema_cross.fast=4..20:4", log=log).bests[0].verdict
    assert first.trials == 5
    again = swept("ema_cross.fast=4..20:4", log=log).bests[0].verdict
    assert again == first  # the same settings are the same trials
    wider = swept("ema_cross.fast=4..22:2", log=log).bests[0].verdict
    assert wider.trials == 10
    alone = swept("ema_cross.fast=12", log=log).bests[0].verdict
    assert alone.trials == 10  # nobody forgets what was tried before
    assert alone.luck == wider.luck
    other_fee = swept("ema_cross.fast=12", config=rule("0.001"), log=log).bests[0].verdict
    assert other_fee.trials == 1  # costs are given: what was tried under others is another question


def test_trials_on_an_exchange_that_gives_less_away_answer_another_question(database_url):
    log, fixed, end = TrialLog(database_url), ("ema_cross.fast=6", "ema_cross.slow=24"), START + 30 * DAY_NS
    dearer = rule().model_copy(update={"fidelity": FidelityConfig(latency_ms=250)})
    found = [
        swept(*fixed, config=config, log=log, end_ns=end).verdicts[BTC.key].trials
        for config in (rule(), dearer, rule())
    ]
    assert found == [1, 1, 1]


def test_points_that_give_nothing_are_counted_and_said(database_url):
    """A model's features are not warm: no predictions, no trades, and a record that says so."""
    log = TrialLog(database_url)
    candles = minutes(6_000)
    given = request(
        "strategy.margin=0..0.1:0.05", start_ns=int(candles.ts[2_000]), end_ns=int(candles.ts[-1]) + 60 * 10**9,
        models={MINUTES.key: (f"{MINUTES.key}@v1", files())},
    )  # fmt: skip
    found = sweep(manager(risk=CALM).config, {MINUTES: candles}, given, Here(), log=log)
    assert found.models == {MINUTES.key: f"{MINUTES.key}@v1"}
    assert found.bests[0].verdict.trials == 3
    trades = [run.outcome.trades for run in found.runs]
    assert trades[0] > trades[2]
    played = cut(candles, given.start_ns, given.end_ns, 2_000)
    config = configured(manager(risk=CALM).config, found.grid.points[1])
    from tests.live.world import predictor

    engine = BacktestingEngine(ConfigurationManager.from_config(config), predictor=predictor(), exact=True)
    report = asyncio.run(engine.run(played, Decimal(10_000)))
    assert found.runs[1].outcome == outcome_of(report, len(played.bars))


class Interrupted(Here):
    """Somebody presses Ctrl-C after so many tasks."""

    def __init__(self, after):
        self.after = after

    def each(self, work, tasks):
        for place, result in super().each(work, tasks):
            if place == self.after:
                raise KeyboardInterrupt
            yield place, result


def test_a_sweep_that_is_ended_early_keeps_what_was_done(database_url):
    log = TrialLog(database_url)
    found = sweep(rule(), {BTC: market()}, request("ema_cross.fast=1..20:1"), Interrupted(7), log=log)
    assert (len(found.runs), found.cancelled) == (7, 13)
    assert found.bests[0].verdict.trials == 7
    rest = swept("ema_cross.fast=12", log=log)
    assert rest.bests[0].verdict.trials == 8


def test_what_cannot_share_a_portfolio_is_not_swept_with_one():
    both = {MINUTES: minutes(), ETH: market(ETH)}
    with pytest.raises(ConfigError, match="one bar length, but the pairs have: 1h, 1m"):
        swept("ema_cross.fast=4", candles=both, one_portfolio=True)


def test_what_cannot_be_swept_is_said():
    with pytest.raises(DataError, match="has 0 bars in the time that is swept"):
        swept("ema_cross.fast=6", start_ns=START + 9_000 * DAY_NS, end_ns=START + 9_001 * DAY_NS)
    with pytest.raises(ConfigError, match="cannot be swept"):
        swept("costs.taker_fee=0")
    trades = rule().model_copy(update={"fidelity": FidelityConfig(replay="trades")})
    with pytest.raises(ConfigError, match=r"a sweep trades bars, and fidelity\.replay is trades"):
        swept("ema_cross.fast=6", config=trades)
    with pytest.raises(DataError, match="ended before any run was done"):
        sweep(rule(), {BTC: market()}, request("ema_cross.fast=6"), Interrupted(0))


def test_the_work_of_a_sweep_is_counted_in_cpu_seconds_of_the_process_that_did_it():
    found = swept("ema_cross.fast=6,12", "ema_cross.slow=24", end_ns=START + 60 * DAY_NS)
    (work_s,) = found.work_s
    assert 0 < work_s <= found.wall_s + 0.05  # one thread's seconds; both clocks tick in steps


def test_a_result_survives_its_json():
    found = swept("ema_cross.fast=6,12", walk=(60, 60, True))
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
