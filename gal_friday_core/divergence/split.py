"""Live minus backtest, split by putting one thing after another into the backtest as live had it.

The stages, each with all that the one before it had:

1. the backtest on the lake's bars;
2. on the bars that live heard: the difference is the **data** part;
3. on the features that live had: **feature**;
4. without decisions that live made not or late, at the prices of when it sent: **latency**;
5. with what live's risk check refused or sized otherwise: **risk**;
6. with live's own fills, at the fees that the backtest expects: **fill**;
7. at live's own fees: **fee**. This is live.

Parts are differences of neighbouring stages, so that they add up to the whole gap: sequential substitution. In another order
parts that act on each other would come out otherwise; their sum would not. A trade that one side could not make because
it held something else at that moment is a consequence of how fills went, and stands there.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from gal_friday_core.divergence.trades import Trade, net_of

PARTS: Final = ("data", "feature", "latency", "risk", "fill", "fee")
_CENT: Final = Decimal("0.01")
APPROVED: Final = "APPROVED"
_AS_IT_WAS: Final = Decimal(1)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What live decided at one bar's close: the risk check's verdict and quantity.

    `moved` is the price when the order was sent over that of the bar's close, as far as bars can tell.
    """

    verdict: str
    quantity: Decimal | None = None
    moved: Decimal = _AS_IT_WAS


class Lived(msgspec.Struct, frozen=True, kw_only=True):
    """Live's side: its trades, and its decisions to enter by the bar's close."""

    trades: tuple[Trade, ...]
    decisions: Mapping[int, Decision]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One world between backtest and live; `net` in whole cents."""

    name: str
    net: Decimal
    trades: int


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """The first stage is the backtest, the last one live; each after the first is named as its part."""

    stages: tuple[Stage, ...]

    @property
    def backtest(self) -> Decimal:
        return self.stages[0].net

    @property
    def live(self) -> Decimal:
        return self.stages[-1].net

    @property
    def gap(self) -> Decimal:
        return self.live - self.backtest

    @property
    def parts(self) -> dict[str, Decimal]:
        """By name, in the order of `PARTS`; their sum is the gap, to the cent."""
        pairs = zip(self.stages[1:], self.stages, strict=False)
        return {stage.name: stage.net - before.net for stage, before in pairs}


def split(
    backtest: Sequence[Trade],
    on_bars: Sequence[Trade],
    simulated: Sequence[Trade],
    lived: Lived,
    *,
    mark: Decimal,
    fee_rate: Decimal,
) -> Split:
    """`backtest` on the lake's bars, `on_bars` on those that live heard, `simulated` on live's features too.

    What is still held counts at `mark` on every side; `fee_rate` is what the backtest expects a fill to cost.
    """
    timely = list(_timely(simulated, lived))
    allowed = [*_allowed(timely, lived), *_refused_here(simulated, lived, fee_rate)]
    filled = [trade.charged(fee_rate) for trade in lived.trades]
    worlds = (backtest, on_bars, simulated, timely, allowed, filled, lived.trades)
    return Split(
        stages=tuple(
            Stage(name=name, net=net_of(trades, mark).quantize(_CENT), trades=len(trades))
            for name, trades in zip(("backtest", *PARTS), worlds, strict=True)
        )
    )


def together(parts: Sequence[Split]) -> Split:
    """Several stretches of time as one. Raises ValueError for none."""
    stages: Iterable[tuple[Stage, ...]] = zip(*(part.stages for part in parts), strict=True)
    return Split(
        stages=tuple(
            Stage(
                name=same[0].name,
                net=sum((stage.net for stage in same), Decimal("0.00")),
                trades=sum(stage.trades for stage in same),
            )
            for same in stages
        )
    )


def _timely(trades: Iterable[Trade], lived: Lived) -> Iterable[Trade]:
    """Those that live decided too, bought at the price of when it sent; and those it could not, as it held something."""
    for trade in trades:
        decision = lived.decisions.get(trade.decided_ns)
        if decision is not None:
            yield trade if decision.moved == _AS_IT_WAS else trade.entered(decision.moved)
        elif _held(lived.trades, trade.decided_ns):
            yield trade


def _allowed(trades: Iterable[Trade], lived: Lived) -> Iterable[Trade]:
    """Without those that live's risk check refused, the others as large as it let them be."""
    for trade in trades:
        decision = lived.decisions.get(trade.decided_ns)
        if decision is None or (decision.verdict == APPROVED and decision.quantity is None):
            yield trade
        elif decision.verdict == APPROVED and decision.quantity:
            yield trade.sized(decision.quantity)


def _refused_here(simulated: Sequence[Trade], lived: Lived, fee_rate: Decimal) -> Iterable[Trade]:
    """What only live traded while the backtest held nothing: its risk check said no there."""
    decided = {trade.decided_ns for trade in simulated}
    for trade in lived.trades:
        if trade.decided_ns not in decided and not _held(simulated, trade.decided_ns):
            yield trade.charged(fee_rate)


def _held(trades: Iterable[Trade], moment_ns: int) -> bool:
    return any(trade.holds(moment_ns) for trade in trades)
