"""Line charts as inline SVG: equity above, drawdown below, on one time axis. No script, no request."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 84, 16, 12, 28


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: `values` over `times`; `area` fills up to zero, for losses; `percent` reads fractions."""

    title: str
    times: Sequence[int]
    values: Sequence[float]
    height: int
    kind: str
    area: bool = False
    percent: bool = False


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that span [low, high], about `wanted` of them and never fewer than two.

    >>> ticks(9_870.0, 10_430.0)
    [9800.0, 10000.0, 10200.0, 10400.0, 10600.0]
    """
    span = high - low or abs(high) or 1.0
    raw = span / wanted
    unit = 10.0 ** floor(log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999)
    first = floor(low / step)
    return [round(step * index, 12) for index in range(first, max(ceil(high / step), first + 1) + 1)]


def chart(panel: Panel, labels: Sequence[tuple[int, str]]) -> str:
    """The panel as one `<svg>`; `labels` are (time, text) marks of the time axis."""
    low, high = min(panel.values), max(panel.values)
    if panel.area:
        low, high = min(low, -0.01), max(high, 0.0)
    marks = ticks(low, high)
    low, high = marks[0], marks[-1]
    first, last = panel.times[0], panel.times[-1]
    inner = panel.height - TOP - BOTTOM

    def x(time: int) -> float:
        return LEFT + (time - first) / max(last - first, 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * inner

    points = " ".join(
        f"{x(time):.1f},{y(value):.1f}" for time, value in zip(panel.times, panel.values, strict=True)
    )
    parts = [f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
             f'<text class="tick" x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">'
             f"{_number(mark, marks[1] - marks[0], percent=panel.percent)}</text>" for mark in marks]  # fmt: skip
    parts += [
        f'<text class="tick" x="{x(time):.1f}" y="{panel.height - 8}" text-anchor="middle">{escape(text)}</text>'
        for time, text in labels
    ]
    if panel.area:
        zero = f"{y(0.0):.1f}"
        parts.append(
            f'<polygon class="{panel.kind} area" points="{x(first):.1f},{zero} {points} {x(last):.1f},{zero}"/>'
        )
    parts.append(f'<polyline class="{panel.kind}" points="{points}"/>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {panel.height}" role="img" aria-label="{escape(panel.title)}">'
        f"{''.join(parts)}</svg>"
    )


def _number(value: float, step: float, *, percent: bool) -> str:
    """As many decimals as the step between two ticks needs."""
    scale = 100 if percent else 1
    decimals = max(0, -floor(log10(step * scale) + 1e-9))
    return f"{value * scale:,.{decimals}f}{' %' if percent else ''}"
