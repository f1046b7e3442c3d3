"""Our own strategies keep the contract that strangers' must keep; each broken promise is found."""

from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace

from gal_friday_core.config import BarriersConfig, Config
from gal_friday_core.strategies.ema_cross import CrossStream, EmaCross
from gal_friday_core.strategies.protocol import NEVER, Proposal
from gal_friday_core.strategies.registry import STRATEGIES
from gal_friday_core.strategies.settings import EmaCrossConfig
from gal_friday_core.strategies.threshold import ThresholdStrategy
from gal_friday_testkit import BrokenPromiseError, check_strategy
from gal_friday_testkit.strategies import check_rule

CONFIG = Config(ema_cross=EmaCrossConfig(fast=4, slow=9))
BARRIERS = BarriersConfig(min_width=0.001)


@pytest.mark.parametrize("name", STRATEGIES)
def test_our_own_strategies_keep_the_contract(name):
    check_strategy(lambda: STRATEGIES[name](CONFIG, BARRIERS))


class Threshold(ThresholdStrategy):
    def __init__(self):
        super().__init__(CONFIG.strategy, BARRIERS)


class RemembersWhatItWasAsked(Threshold):
    asked = 0

    def decide(self, situation):
        self.asked += 1
        return super().decide(situation) if self.asked % 3 else None


class HasItsStopAbove(Threshold):
    def decide(self, situation):
        found = super().decide(situation)
        above = situation.reference_price * 2
        return found and replace(found, stop=above if found.stop else None)


class PricesOffTheTick(Threshold):
    def decide(self, situation):
        found = super().decide(situation)
        return found and replace(found, target=found.target + Decimal("1E-12") if found.target else None)


class SellsShort(Threshold):
    def decide(self, situation):
        found = super().decide(situation)
        return found and replace(found, side="SELL")


class EntersTwice(Threshold):
    def decide(self, situation):
        return super().decide(replace(situation, entry_pending=False))


class LeavesEarly(Threshold):
    def decide(self, situation):
        if situation.quantity and situation.bars_held >= 2 and not situation.exit_pending:
            return Proposal(side="SELL", reason="HORIZON_REACHED")
        return super().decide(situation)


class TradesTheUnknown(Threshold):
    def decide(self, situation):
        known = replace(situation, probability=0.9, entry_threshold=0.5, volatility=0.01)
        return super().decide(known if np.isnan(situation.probability) else situation)


class CountsOtherCandidates(Threshold):
    def candidates(self, probabilities, entry_threshold):
        return probabilities > entry_threshold + 0.1


class EntersUnlikely(Threshold):
    def is_likely_enough(self, probability, entry_threshold):
        return probability >= 0.99

    def candidates(self, probabilities, entry_threshold):
        return probabilities >= 0.99

    def decide(self, situation):
        likely = situation.probability >= situation.entry_threshold
        return super().decide(replace(situation, probability=0.99) if likely else situation)


class NeverSayWhen(Threshold):
    earliest_exit = NEVER + 1


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (RemembersWhatItWasAsked, "the same situation gives the same proposal"),
        (HasItsStopAbove, "the stop is below the entry"),
        (PricesOffTheTick, "prices are on the tick"),
        (SellsShort, "nothing is sold that is not held"),
        (EntersTwice, "nothing is entered with entry_pending"),
        (LeavesEarly, "nothing is sold before bar 60"),
        (TradesTheUnknown, "nothing is entered on what is not known"),
        (CountsOtherCandidates, "candidates is is_likely_enough of each prediction"),
        (EntersUnlikely, "nothing is entered that is not likely enough"),
        (NeverSayWhen, "earliest_exit is 1 to NEVER"),
    ],
)
def test_a_strategy_that_breaks_a_promise_is_found(broken, says):
    with pytest.raises(BrokenPromiseError, match=says):
        check_strategy(broken)


class Rule:
    """A sound rule of closes over the last bars, to be broken below."""

    reach = 20
    shared = None

    def stream(self, interval_ns):
        return Stream(self.reach)


class Stream:
    def __init__(self, reach):
        self.closes = []
        self.reach = reach

    def update(self, ts, close):
        self.closes = [*self.closes, close][-self.reach :]
        return len(self.closes) == self.reach and close >= max(self.closes)

    def extend(self, candles):
        bars = zip(candles.ts.tolist(), candles.close.tolist(), strict=True)
        return np.array([self.update(ts, close) for ts, close in bars], np.bool_)


class KnowsTheLowest(Stream):
    def extend(self, candles):
        return super().extend(candles) | (candles.close == candles.close.min())


class CountsFromTheStart(Stream):
    count = 0

    def update(self, ts, close):
        self.count += 1
        return super().update(ts, close) or self.count % 7 == 0


class Shared(Stream):
    seen = []  # noqa: RUF012 - the mistake that is to be found

    def update(self, ts, close):
        self.seen.append(close)
        del self.seen[: -self.reach]
        return len(self.seen) == self.reach and close >= max(self.seen)


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (KnowsTheLowest, "one bar at a time gives the same answers"),
        (CountsFromTheStart, "no answer needs more than 20 bars"),
        (Shared, "two streams of one rule share nothing|one bar at a time"),
    ],
)
def test_a_rule_that_breaks_a_promise_is_found(stream, says):
    class Broken(Rule):
        def stream(self, interval_ns):
            return stream(self.reach)

    check_rule(Rule())
    with pytest.raises(BrokenPromiseError, match=says):
        check_rule(Broken())


def test_a_rule_that_sees_the_next_bar_is_found():
    class Peeking(CrossStream):
        def extend(self, candles):
            found = super().extend(candles)
            return np.concatenate((found[1:], [False]))

        def update(self, ts, close):
            return bool(super().update(ts, close))

    class Peeks(EmaCross):
        def stream(self, interval_ns):
            return Peeking(self, interval_ns)

    with pytest.raises(BrokenPromiseError):
        check_rule(Peeks(4, 9))
