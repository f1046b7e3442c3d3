"""The fast way of backtests against the engine, on worlds drawn at random; `benchmarks/backtest_worlds.py` runs more."""

import logging
from collections import Counter

import pytest

from gal_friday_core.portfolio import Portfolio
from gal_friday_core.simulated_exchange import SimulatedExchange, Watch
from gal_friday_live import backtest_check
from gal_friday_live.backtest_check import differences
from gal_friday_live.backtest_worlds import world
from gal_friday_live.fast_backtest import trade

CHUNKS, CHUNK = 8, 15


@pytest.fixture(autouse=True)
def _quiet():
    """Worlds halt on purpose, and every halt is logged."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_fast_way_equals_the_engine_to_the_last_digit(chunk):
    found = [line for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK) for line in differences(world(seed))]
    assert found == []


@pytest.mark.parametrize("seed", [3, 6, 26])
def test_the_fast_way_equals_the_engine_where_orders_meet_recorded_books(seed):
    drawn = world(seed, books=True)
    ran = trade(drawn.config, drawn.pairs, drawn.cash, drawn.strategies)
    assert any(note.recorded for note in ran.account.notes.fills.values())
    assert differences(drawn) == []


def test_the_worlds_reach_what_they_are_for():
    """Without a halt, a refusal or a resting limit among them, equality of both ways would prove little."""
    seen: Counter[str] = Counter()
    for seed in range(CHUNKS * CHUNK):
        drawn = world(seed)
        ran = trade(drawn.config, drawn.pairs, drawn.cash, drawn.strategies)
        account = ran.account
        seen.update({f"{len(drawn.pairs)} pairs", drawn.config.strategy.id, *account.rejected})
        seen.update({"halted"} if account.halted else ())
        seen.update({"unwritten"} if -1 in ran.tape.decimals else ())
        seen.update({"skipped bars"} if ran.visited < len(ran.tape) / 2 else ())
        notes = account.notes.fills.values()
        seen.update({f"tier {note.tier > 0}" for note in notes} | {f"cut {note.cut}" for note in notes})
        seen.update(
            {"recorded trade" for note in notes if note.recorded} | {"maker" for note in notes if note.maker}
        )
        seen.update(
            {"borne in part"}
            if any("bears no more" in str(one.error_message) for one in account.reports)
            else ()
        )
        seen.update(
            f"{report.order_type} {report.order_status} {report.error_message or ''}".partition(":")[
                0
            ].strip()
            for report in account.reports
        )
    expected = {
        "1 pairs", "2 pairs", "3 pairs", "threshold", "cost_and_volatility", "ema_cross", "halted", "unwritten", "skipped bars",
        "HALTED", "BELOW_MINIMUM", "EXCEEDS_MAX_EXPOSURE", "MISSING_STOP",
        "LIMIT FILLED", "LIMIT NEW", "MARKET FILLED", "STOP_LOSS FILLED", "TAKE_PROFIT FILLED",
        "TAKE_PROFIT CANCELED one cancels the other", "STOP_LOSS CANCELED position closed",
        "LIMIT CANCELED canceled on request", "tier True", "cut True", "recorded trade", "maker", "borne in part",
        "STOP_LOSS PARTIALLY_FILLED", "MARKET PARTIALLY_FILLED", "TAKE_PROFIT PARTIALLY_FILLED",
    }  # fmt: skip
    assert expected - seen.keys() == set()


def blind_to_targets(monkeypatch):
    seeing = SimulatedExchange.watch
    monkeypatch.setattr(
        SimulatedExchange, "watch",
        lambda self, pair: Watch(seeing(self, pair).low, float("inf"), seeing(self, pair).next_bar),
    )  # fmt: skip


def late_for_marks(monkeypatch):
    carry = Portfolio.carry
    monkeypatch.setattr(Portfolio, "carry", lambda self, _marks, *rest: carry(self, {}, *rest))


def deaf_to_fees(monkeypatch):
    fast = backtest_check.trade

    def free(config, *rest):
        costs = config.costs.model_copy(update={"maker_fee": config.costs.taker_fee})
        return fast(config.model_copy(update={"costs": costs}), *rest)

    monkeypatch.setattr(backtest_check, "trade", free)


@pytest.mark.parametrize("plant", [blind_to_targets, late_for_marks, deaf_to_fees])
def test_a_planted_fault_is_found_within_a_few_worlds(plant, monkeypatch):
    plant(monkeypatch)
    assert any(differences(world(seed)) for seed in range(40))
