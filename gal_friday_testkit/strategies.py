"""Tries a strategy: it decides from its situation alone, protects what it buys, and its rule knows no future."""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, get_args

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from gal_friday_core.candles import Candles, concatenate
from gal_friday_core.instruments import Instrument
from gal_friday_core.lookahead import past_alone, shuffled_future
from gal_friday_core.money import ZERO
from gal_friday_core.strategies.protocol import NEVER, EntryRule, Proposal, Reason, Situation, Strategy
from gal_friday_testkit.promise import broken_off, market, require, require_check, same_bits

SITUATIONS = 400
RULE_BARS = 1_500
PAIRS = (
    (Instrument("BTC/USD", price_tick=Decimal("0.1")), Decimal("61234.5")),
    (Instrument("ETH/USD", price_tick=Decimal("0.01")), Decimal("3012.34")),
    (Instrument("SHIB/USD", price_tick=Decimal("1E-8")), Decimal("0.00002345")),
)


def check_strategy(make: Callable[[], Strategy], *, seed: int = 1) -> None:
    """Everything that a strategy promises. `make` gives a new one at each call. Raises BrokenPromiseError."""
    situations = tuple(_situations(seed))
    decides_from_the_situation_alone(make, situations)
    for situation in situations:
        protects_what_it_buys(make(), situation)
        waits_for_what_is_pending(make(), situation)
        leaves_only_when_it_said(make(), situation)
        knows_nothing_from_nothing(make(), situation)
    asks_cheaply_as_it_decides(make(), situations)
    rule = make().rule
    if rule is not None:
        check_rule(rule, seed=seed)


def decides_from_the_situation_alone(make: Callable[[], Strategy], situations: tuple[Situation, ...]) -> None:
    """The same answers again, from another instance, asked in another order."""
    first, second = make(), make()
    answers = [first.decide(one) for one in situations]
    backwards = [second.decide(one) for one in reversed(situations)][::-1]
    for situation, one, other in zip(situations, answers, backwards, strict=True):
        require(
            one == other, "the same situation gives the same proposal", f"{one} and {other} for {situation}"
        )
    require(
        first.id == second.id and first.earliest_exit == second.earliest_exit,
        "id and earliest exit are fixed",
    )
    require(1 <= first.earliest_exit <= NEVER, "earliest_exit is 1 to NEVER", str(first.earliest_exit))


def protects_what_it_buys(strategy: Strategy, situation: Situation) -> None:
    """With nothing held: a buy, or nothing; its stop below, its target above, all on the pair's ticks."""
    flat = replace(situation, quantity=ZERO, bars_held=0, entry_pending=False, exit_pending=False)
    found = strategy.decide(flat)
    if found is None:
        return
    require(isinstance(found, Proposal), "decide gives a Proposal or None", repr(found))
    require(found.side == "BUY", "nothing is sold that is not held", str(found))
    require(
        found.reason in get_args(Reason) and found.reason != "LIQUIDATION",
        "the reason is a known one",
        found.reason,
    )
    price = found.entry_price if found.entry_price is not None else flat.reference_price
    require(
        (found.entry_type == "LIMIT") == (found.entry_price is not None),
        "a limit, and no other, names its price",
    )
    require(found.stop is not None and found.stop < price, "the stop is below the entry", str(found))
    require(found.target is None or found.target > price, "the target is above the entry", str(found))
    for told in (found.entry_price, found.stop, found.target):
        on_tick = told is None or (told > 0 and flat.instrument.fits_price(told))
        require(on_tick, f"prices are on the tick of {flat.instrument.price_tick}", str(told))


def waits_for_what_is_pending(strategy: Strategy, situation: Situation) -> None:
    """No second entry beside one that is pending, and no second exit."""
    flat, held = replace(situation, quantity=ZERO, bars_held=0), replace(situation, quantity=Decimal("0.5"))
    for pending in ({"entry_pending": True}, {"exit_pending": True}):
        found = strategy.decide(replace(flat, **pending))
        require(found is None, f"nothing is entered with {next(iter(pending))}", str(found))
    found = strategy.decide(replace(held, bars_held=10**6, exit_pending=True))
    require(found is None, "no second exit beside one that is pending", str(found))


def leaves_only_when_it_said(strategy: Strategy, situation: Situation) -> None:
    """With a position: a sale without protection, or nothing; and nothing before `earliest_exit`."""
    held = replace(situation, quantity=Decimal("0.5"), entry_pending=False, exit_pending=False)
    for bars in (1, 5, min(strategy.earliest_exit, 10**6) - 1, min(strategy.earliest_exit, 10**6), 10**6):
        found = strategy.decide(replace(held, bars_held=bars))
        if found is None:
            continue
        require(found.side == "SELL", "nothing is bought beside a position", str(found))
        require(found.stop is None and found.target is None, "an exit has no protection", str(found))
        require(
            bars >= strategy.earliest_exit,
            f"nothing is sold before bar {strategy.earliest_exit}",
            f"bar {bars}",
        )


def knows_nothing_from_nothing(strategy: Strategy, situation: Situation) -> None:
    """What is not known is not traded, and a strategy with a rule enters where that fires only."""
    blind = replace(
        situation, quantity=ZERO, entry_pending=False, exit_pending=False,
        probability=math.nan, volatility=math.nan, entry_threshold=math.nan, rule_fires=False,
    )  # fmt: skip
    require(strategy.decide(blind) is None, "nothing is entered on what is not known")
    require(not strategy.is_likely_enough(math.nan, 0.5), "an unknown probability is not likely enough")
    if strategy.rule is not None:
        certain = replace(blind, probability=0.999, volatility=0.01, entry_threshold=0.5)
        require(strategy.decide(certain) is None, "with a rule, no prediction makes it enter")


def asks_cheaply_as_it_decides(strategy: Strategy, situations: tuple[Situation, ...]) -> None:
    """`candidates` is `is_likely_enough` of each, and without it nothing is entered."""
    probabilities = np.array([one.probability for one in situations])
    for threshold in (0.0, 0.5, 0.61, math.nan):
        each = [bool(strategy.is_likely_enough(value, threshold)) for value in probabilities.tolist()]
        found = strategy.candidates(probabilities, threshold)
        fits = found.dtype == np.bool_ and found.tolist() == each
        require(fits, "candidates is is_likely_enough of each prediction", f"threshold {threshold}")
    for one in situations:
        if strategy.rule is None and not strategy.is_likely_enough(one.probability, one.entry_threshold):
            flat = replace(one, quantity=ZERO, entry_pending=False, exit_pending=False)
            require(strategy.decide(flat) is None, "nothing is entered that is not likely enough", str(flat))


def check_rule(rule: EntryRule, *, seed: int = 1) -> None:
    """Bars one by one and many at a time give the same answers; none knows its future, nor more of the past than `reach`."""
    require(rule.reach >= 1, "a rule's reach is 1 or more, its own bar included", str(rule.reach))
    bars = broken_off(market(RULE_BARS + rule.reach, seed))
    history, played = bars[: rule.reach], bars[rule.reach :]
    whole = fires(rule, history, played)["fires"]
    require(whole.dtype == np.bool_, "a rule answers with booleans", str(whole.dtype))
    require(
        whole.any() and not whole.all(),
        "a rule fires somewhere, and not everywhere",
        f"{whole.sum()} of {len(whole)}",
    )
    one_by_one = _one_by_one(rule, concatenate([history, played]))[rule.reach :]
    require(
        same_bits(whole, one_by_one), "one bar at a time gives the same answers", _where(whole, one_by_one)
    )
    _streams_share_nothing(rule, history, played, whole)
    decide = lambda past, now: fires(rule, past, now)  # noqa: E731 - the checks' own word
    require_check(shuffled_future(decide, history, played, seed=seed), "no answer knows its future")
    require_check(
        past_alone(decide, history, played, reach=rule.reach - 1, seed=seed),
        f"no answer needs more than {rule.reach} bars",
    )


def fires(rule: EntryRule, history: Candles, bars: Candles) -> dict[str, NDArray[np.bool_]]:
    """What the rule says of `bars` after `history`."""
    stream = rule.stream(bars.series.interval_ns)
    if len(history):
        stream.extend(history)
    return {"fires": stream.extend(bars)}


def _one_by_one(rule: EntryRule, bars: Candles) -> NDArray[np.bool_]:
    stream = rule.stream(bars.series.interval_ns)
    taken = zip(bars.ts.tolist(), bars.close.tolist(), strict=True)
    return np.array([stream.update(ts, close) for ts, close in taken], np.bool_)


def _streams_share_nothing(
    rule: EntryRule, history: Candles, played: Candles, whole: NDArray[np.bool_]
) -> None:
    """Another series' stream beside it changes nothing."""
    mine, other = rule.stream(played.series.interval_ns), rule.stream(played.series.interval_ns)
    mine.extend(history)
    other.extend(market(len(history) or 1, seed=99))
    for row, (ts, close) in enumerate(zip(played.ts.tolist(), played.close.tolist(), strict=True)):
        other.update(ts + 10**15, close * 3)
        require(mine.update(ts, close) == whole[row], "two streams of one rule share nothing", f"bar {row}")


def _where(one: NDArray[Any], other: NDArray[Any]) -> str:
    if one.shape != other.shape:
        return f"{other.shape} answers for {one.shape}"
    return ", ".join(f"bar {place}" for place in np.flatnonzero(one != other)[:3].tolist())


def _situations(seed: int) -> Iterator[Situation]:
    rng = np.random.default_rng(seed)
    for number in range(SITUATIONS):
        instrument, price = PAIRS[number % len(PAIRS)]
        moved = instrument.price_up(price * Decimal(f"{rng.uniform(0.5, 2):.6f}"))
        unknown = number % 17 == 0
        yield Situation(
            instrument=instrument,
            reference_price=moved,
            volatility=math.nan if unknown else float(10 ** rng.uniform(-5, -1)),
            probability=math.nan if number % 13 == 0 else float(rng.uniform()),
            entry_threshold=math.nan if number % 19 == 0 else float(rng.uniform(0.3, 0.9)),
            rule_fires=bool(rng.integers(2)),
        )
