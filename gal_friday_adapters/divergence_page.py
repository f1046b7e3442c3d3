"""Live against the backtest as one HTML page: a waterfall from one to the other, and trade beside trade. No script.

Entry point: `render`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from itertools import pairwise

from gal_friday_adapters.report_chart import TOP, WIDTH, Frame, svg, ticks
from gal_friday_adapters.report_parts import document, figures, note, signed, soft, table
from gal_friday_core.divergence.split import PARTS, Lived, Split
from gal_friday_core.divergence.trades import Trade
from gal_friday_core.times import to_iso

HEIGHT = 320
ROOM = 14
MOST_TRADES = 500
FIGURES = Context(prec=10)
ABOUT = {
    "data": "bars that live heard otherwise than the lake has them, or not at all",
    "feature": "features that live had, where they are not what its bars give",
    "latency": "decisions that live made bars late, or not at all",
    "risk": "what live's risk check refused or sized otherwise",
    "fill": "prices and quantities that live got, at the fees expected",
    "fee": "fees that live paid, against those expected",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """One session while one model traded, in words and in trades."""

    title: str
    split: Split
    simulated: Sequence[Trade]
    lived: Lived
    mark: Decimal


def render(title: str, whole: Split, stretches: Sequence[Stretch], notes: Sequence[str] = ()) -> str:
    """The page as text, to be written as UTF-8. `notes` stand on top."""
    body = "".join(
        (
            *(note(text) for text in notes),
            figures(_headline(whole)),
            waterfall(whole),
            table("Parts", ("Part", "Amount", "Is"), _parts(whole), wide=True),
            soft(
                "Each part is what changes when one thing more is put into the backtest as live had it, from top to "
                "bottom. They add up to the whole gap, to the cent. Positions still held count at the last close on both sides."
            ),
            *(_stretch(one) for one in stretches),
        )
    )
    return document(title, body)


def waterfall(whole: Split) -> str:
    """From the backtest's profit to live's, part by part."""
    steps = [float(stage.net) for stage in whole.stages]
    names = ("backtest", *PARTS, "live")
    frame = Frame(WIDTH, HEIGHT, 0.0, float(len(names)), ticks(min(0.0, *steps), max(0.0, *steps)))
    spans = [(0.0, steps[0]), *pairwise(steps), (0.0, steps[-1])]
    drawn = [*frame.grid()]
    for place, (name, (begin, end)) in enumerate(zip(names, spans, strict=True)):
        drawn += _step(frame, place, (begin, end), is_part=name in PARTS)
        drawn.append(frame.below(place + 0.5, name))
    levels = (f"{frame.y(end):.1f}" for end in steps)
    drawn += [
        f'<line class="edge" x1="{frame.x(place + 0.85):.1f}" x2="{frame.x(place + 1.15):.1f}" y1="{level}" y2="{level}"/>'
        for place, level in enumerate(levels)
    ]
    return svg(WIDTH, HEIGHT, "from the backtest's profit to live's", drawn)


def _step(frame: Frame, place: int, span: tuple[float, float], *, is_part: bool) -> list[str]:
    """One bar with its amount above, or below where there is no room."""
    begin, end = span
    kind = (" gain" if end >= begin else " lost") if is_part else ""
    left, right = frame.x(place + 0.15), frame.x(place + 0.85)
    top, bottom = sorted((frame.y(begin), frame.y(end)))
    bar = (
        f'<rect class="bar{kind}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
        f'height="{max(bottom - top, 1.0):.1f}"/>'
    )
    level = top - 4 if top > TOP + ROOM else bottom + ROOM
    amount = (
        f'<text class="name" x="{(left + right) / 2:.1f}" y="{level:.1f}" text-anchor="middle">'
        f"{signed(end - begin)}</text>"
    )
    return [bar, amount]


def _headline(whole: Split) -> Iterable[tuple[str, str, str]]:
    yield "Backtest", _money(whole.backtest), f"{whole.stages[0].trades:,} trades"
    yield "Live", _money(whole.live), f"{whole.stages[-1].trades:,} trades"
    yield "Gap", _money(whole.gap), "live minus backtest"
    name, amount = max(whole.parts.items(), key=lambda part: abs(part[1]))
    yield "Largest part", name if amount else "none", _money(amount)


def _parts(whole: Split) -> Iterable[tuple[str, str, str]]:
    for name, amount in whole.parts.items():
        yield name, _money(amount), ABOUT[name]
    yield "together", _money(whole.gap), "live minus backtest"


def _stretch(one: Stretch) -> str:
    ours = {trade.decided_ns: trade for trade in one.simulated}
    theirs = {trade.decided_ns: trade for trade in one.lived.trades}
    moments = sorted(ours.keys() | theirs.keys())
    rows = (_row(moment, ours.get(moment), theirs.get(moment), one) for moment in moments[-MOST_TRADES:])
    heads = (
        "Decided", "Backtest", "Live", "Difference", "Bought at", "Live at", "Quantity", "Live's", "Risk check",
    )  # fmt: skip
    left_out = len(moments) - MOST_TRADES
    told = f"{one.title}; the backtest here is the one on all that live heard."
    if left_out > 0:
        told += f" The first {left_out:,} trades are left out."
    return f"{table('Trades', heads, rows)}{soft(told)}"


def _row(moment: int, ours: Trade | None, theirs: Trade | None, one: Stretch) -> tuple[str, ...]:
    earned = [None if trade is None else trade.net(one.mark) for trade in (ours, theirs)]
    decision = one.lived.decisions.get(moment)
    return (
        to_iso(moment)[:19].replace("T", " "), *(_money(amount) for amount in earned),
        _money((earned[1] or Decimal(0)) - (earned[0] or Decimal(0))),
        *(_digits(None if trade is None else trade.legs[0].price) for trade in (ours, theirs)),
        *(_digits(None if trade is None else trade.bought) for trade in (ours, theirs)),
        "–" if decision is None else decision.verdict,
    )  # fmt: skip


def _money(amount: Decimal | None) -> str:
    return "–" if amount is None else signed(float(amount))


def _digits(amount: Decimal | None) -> str:
    """Ten figures: what slippage makes of a price has twenty, and nobody reads them."""
    return "–" if amount is None else f"{amount.normalize(FIGURES):f}"
