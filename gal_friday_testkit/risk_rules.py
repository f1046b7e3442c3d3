"""Tries a risk rule: it can only tighten, decides from what it is asked alone, changes nothing, and copes with what is not known."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from math import nan
from typing import Any

import numpy as np
from msgspec.structs import replace

from gal_friday_core.account import Flow
from gal_friday_core.config import CostsConfig, RiskConfig
from gal_friday_core.instruments import Instrument
from gal_friday_core.payloads import TradeSignalProposed
from gal_friday_core.portfolio import Portfolio
from gal_friday_core.reservations import Reservation, Reservations
from gal_friday_core.risk.check import check
from gal_friday_core.risk.codes import Approved, Rejected
from gal_friday_core.risk.conduct import Conduct
from gal_friday_core.risk.desk import Desk
from gal_friday_core.risk.quote import Quote
from gal_friday_core.risk.rules import Forbidden, NamedRule, RiskRule, Wish
from gal_friday_core.times import HOUR_NS, MINUTE_NS, SECOND_NS
from gal_friday_testkit.promise import START_NS, require

DESKS = 250
INSTRUMENT = Instrument("BTC/USD", price_tick=Decimal("0.1"), lot=Decimal("0.0001"))
PRICE = Decimal("61234.5")


def check_risk_rule(make: Callable[[], RiskRule], *, seed: int = 1) -> None:
    """Everything that a risk rule promises. `make` gives a new one at each call. Raises BrokenPromiseError."""
    desks = tuple(_desks(seed))
    wishes = tuple(_wishes(seed))
    first, second = make(), make()
    answers = [first.allows(wish, desk) for wish, desk in zip(wishes, desks, strict=True)]
    backwards = [second.allows(wish, desk) for wish, desk in zip(wishes[::-1], desks[::-1], strict=True)][
        ::-1
    ]
    for wish, desk, answer, again in zip(wishes, desks, answers, backwards, strict=True):
        require(answer == again, "the same question gets the same answer", f"{answer} and {again} for {wish}")
        only_tightens(wish, answer)
        changes_nothing(make(), wish, desk)
        tightens_the_whole_check(make(), desk)


def only_tightens(wish: Wish, answer: object) -> None:
    """Between nothing and what was wished, or a refusal that says why."""
    if isinstance(answer, Forbidden):
        told = all(isinstance(text, str) for text in (answer.reason, answer.limit, answer.value))
        require(told and answer.reason, "a refusal says why, as text", repr(answer))
        return
    require(isinstance(answer, Decimal), "an answer is a Decimal or Forbidden", repr(answer))
    assert isinstance(answer, Decimal)
    require(answer.is_finite(), "an answer is a number", str(answer))
    require(
        0 <= answer <= wish.quantity,
        "no more is allowed than was wished, and no less than nothing",
        f"{answer} of {wish.quantity}",
    )


def changes_nothing(rule: RiskRule, wish: Wish, desk: Desk) -> None:
    """Whoever is asked leaves the desk as it was."""
    before = _told(desk)
    rule.allows(wish, desk)
    require(_told(desk) == before, "a rule changes nothing of what it is shown")


def tightens_the_whole_check(rule: RiskRule, desk: Desk) -> None:
    """With it no buy is larger than without, what was refused stays so, and a sell is not its concern."""
    with_rule = replace(desk, rules=(NamedRule("tried", rule),))
    buy = _signal("BUY", desk.now_ns)
    plain, ruled = check(buy, desk), check(buy, with_rule)
    if isinstance(plain, Rejected):
        require(
            ruled == plain,
            "what was refused without the rule is refused with it, for the same reason",
            str(ruled),
        )
    elif isinstance(ruled, Approved):
        fits = 0 < ruled.quantity <= plain.quantity and INSTRUMENT.fits_quantity(ruled.quantity)
        require(fits, "what is bought is no more, and on the lot", f"{ruled.quantity} of {plain.quantity}")
        require(ruled.reservation.quantity == ruled.quantity, "what is bought is what is reserved")
    sell = _signal("SELL", desk.now_ns)
    require(check(sell, with_rule) == check(sell, desk), "a sell is not asked about")


def _told(desk: Desk) -> tuple[Any, ...]:
    """All of a desk that could be changed."""
    conduct, reservations = desk.conduct, desk.reservations
    return (
        desk.state, reservations.cash(), len(reservations), reservations.selling("BTC/USD"), conduct.losses,
        conduct.last_loss_ns, conduct.within_a_minute(desk.now_ns), conduct.fees_today(desk.now_ns), conduct.bought_by("m@v1"),
    )  # fmt: skip


def _desks(seed: int) -> Iterator[Desk]:
    """Every hour of the week, rich and poor, holding and flat, with a book and without."""
    rng = np.random.default_rng(seed)
    for number in range(DESKS):
        now_ns = START_NS + number * HOUR_NS + int(rng.integers(HOUR_NS))
        conduct, reservations = Conduct(), Reservations()
        for lost in range(int(rng.integers(4))):
            conduct.filled("BTC/USD", Decimal(-5), Decimal(1), now_ns - (9 - lost) * MINUTE_NS, closed=True)
        if number % 3 == 0:
            reservations.reserve(_reservation(f"open-{number}"))
        yield Desk(
            state=_portfolio(rng, now_ns).state(now_ns),
            instrument=INSTRUMENT,
            limits=RiskConfig(max_pair_exposure=Decimal(1), max_total_exposure=Decimal(1)),
            costs=CostsConfig(),
            reservations=reservations,
            now_ns=now_ns,
            quote=None if number % 2 else _quote(),
            conduct=conduct,
            volatility=nan if number % 5 == 0 else float(10 ** rng.uniform(-5, -2)),
        )


def _portfolio(rng: np.random.Generator, now_ns: int) -> Portfolio:
    found = Portfolio("USD", Decimal(0), now_ns)
    cash = Decimal(f"{10 ** rng.uniform(1, 7):.2f}")
    found.credit(Flow(flow_id="opening", kind="TRANSFER", asset="USD", amount=cash, timestamp=now_ns))
    return found


def _reservation(signal_id: str) -> Reservation:
    return Reservation(
        signal_id=signal_id, trading_pair="ETH/USD", side="BUY", quantity=Decimal("0.01"), price=Decimal(3000),
        fee_rate=Decimal("0.0026"),
    )  # fmt: skip


def _quote() -> Quote:
    best = int(PRICE * 10)
    return Quote(
        bid=float(best - 1), ask=float(best), best_ask=PRICE, ask_prices=[best, best + 50],
        ask_quantities=[10**8, 10**9], price_unit=0.1, quantity_unit=1e-8,
    )  # fmt: skip


def _wishes(seed: int) -> Iterator[Wish]:
    rng = np.random.default_rng(seed + 1)
    for number in range(DESKS):
        by_model = number % 4 > 0
        yield Wish(
            trading_pair="BTC/USD",
            strategy_id="threshold" if by_model else "ema_cross",
            quantity=INSTRUMENT.quantity_down(Decimal(f"{10 ** rng.uniform(-3, 2):.8f}")) + INSTRUMENT.lot,
            price=PRICE,
            stop=PRICE * Decimal("0.98"),
            target=None if number % 7 == 0 else PRICE * Decimal("1.02"),
            model_id="m@v1" if by_model else "",
            probability=float(rng.uniform()) if by_model else nan,
        )


def _signal(side: Any, now_ns: int) -> TradeSignalProposed:
    stop, target = (Decimal(60000), Decimal(63000)) if side == "BUY" else (None, None)
    return TradeSignalProposed(
        trading_pair="BTC/USD", exchange="tried", signal_id=f"{side}-{now_ns}", side=side, entry_type="MARKET",
        strategy_id="threshold", reference_price=PRICE, data_timestamp=now_ns, expires_at=now_ns + SECOND_NS,
        proposed_sl_price=stop, proposed_tp_price=target,
    )  # fmt: skip
