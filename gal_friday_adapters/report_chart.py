"""Line charts as inline SVG: equity above, drawdown below, on one time axis. No script, no request.

`Frame` is what every drawing stands in; the other kinds of drawing are in `report_figures`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 84, 16, 12, 28


@dataclass(frozen=True, slots=True)
class Line:
    """Another line of a plot, over times of its own."""

    times: Sequence[int]
    values: Sequence[float]
    kind: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: `values` over `times`; `area` fills up to zero, for losses; `percent` reads fractions. `others` are
    drawn below it.
    """

    title: str
    times: Sequence[int]
    values: Sequence[float]
    height: int
    kind: str
    area: bool = False
    percent: bool = False
    others: Sequence[Line] = ()


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


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawing's axes: `first` to `last` from left to right, and the round numbers `marks` from bottom to top."""

    width: int
    height: int
    first: float
    last: float
    marks: Sequence[float]
    percent: bool = False

    def x(self, place: float) -> float:
        """From the left, in the drawing's units."""
        room = self.width - LEFT - RIGHT
        return LEFT + (place - self.first) / ((self.last - self.first) or 1) * room

    def y(self, value: float) -> float:
        """From the top, in the drawing's units."""
        low, high = self.marks[0], self.marks[-1]
        return TOP + (high - value) / (high - low) * (self.height - TOP - BOTTOM)

    def grid(self) -> list[str]:
        """A line and a number for every mark; that of zero stands out."""
        step = self.marks[1] - self.marks[0]
        return [
            f'<line class="{"grid" if mark else "zero"}" x1="{LEFT}" x2="{self.width - RIGHT}" '
            f'y1="{self.y(mark):.1f}" y2="{self.y(mark):.1f}"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{self.y(mark) + 4:.1f}" text-anchor="end">'
            f"{number(mark, step, percent=self.percent)}</text>"
            for mark in self.marks
        ]

    def below(self, place: float, text: str) -> str:
        """What the horizontal axis says at a place."""
        return (
            f'<text class="tick" x="{self.x(place):.1f}" y="{self.height - 8}" '
            f'text-anchor="middle">{escape(text)}</text>'
        )

    def points(self, places: Sequence[float], values: Sequence[float]) -> str:
        """A line's corners, as SVG writes them."""
        return " ".join(
            f"{self.x(place):.1f},{self.y(value):.1f}" for place, value in zip(places, values, strict=True)
        )


def svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """The drawing; `title` is read to those who cannot see it."""
    kind = "whole" if width == WIDTH else "half"
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def chart(panel: Panel, labels: Sequence[tuple[int, str]]) -> str:
    """The panel as one `<svg>`; `labels` are (time, text) marks of the time axis."""
    every = [panel.values, *(line.values for line in panel.others)]
    low, high = min(map(min, every)), max(map(max, every))
    if panel.area:
        low, high = (min(low, -0.01), max(high, 0.0)) if low < 0 else (0.0, max(high, 0.01))
    first, last = panel.times[0], panel.times[-1]
    frame = Frame(WIDTH, panel.height, first, last, ticks(low, high), panel.percent)
    points = frame.points(panel.times, panel.values)
    parts = [*frame.grid(), *(frame.below(time, text) for time, text in labels)]
    if panel.area:
        zero = f"{frame.y(0.0):.1f}"
        parts.append(
            f'<polygon class="{panel.kind} area" '
            f'points="{frame.x(first):.1f},{zero} {points} {frame.x(last):.1f},{zero}"/>'
        )
    parts += [
        f'<polyline class="{line.kind}" points="{frame.points(line.times, line.values)}"/>'
        for line in panel.others
    ]
    parts.append(f'<polyline class="{panel.kind}" points="{points}"/>')
    return svg(WIDTH, panel.height, panel.title, parts)


def number(value: float, step: float, *, percent: bool) -> str:
    """As many decimals as the step between two ticks needs."""
    scale = 100 if percent else 1
    decimals = max(0, -floor(log10(step * scale) + 1e-9))
    return f"{value * scale:,.{decimals}f}{' %' if percent else ''}"
