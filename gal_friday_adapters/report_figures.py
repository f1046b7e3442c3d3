"""The drawings of a validation as inline SVG: bands, whiskers, bars, and the calibration curve. No script, no request."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gal_friday_adapters.report_chart import RIGHT, WIDTH, Frame, svg, ticks

HALF, HEIGHT = 470, 240
"""Of a drawing that shares its row with another."""

Interval = tuple[str, float | None, float | None, float | None]
"""A name, a value, and the interval it lies in; None is not drawn."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One stretch of a line over `times`, with the band it lies in; `name` is written above it."""

    name: str
    times: Sequence[int]
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def bands(title: str, curves: Sequence[Curve], labels: Sequence[tuple[int, str]]) -> str:
    """Curves one after the other on one time axis, fractions read as percent; `labels` are marks of time."""
    low = min(min(curve.low) for curve in curves)
    high = max(max(curve.high) for curve in curves)
    marks = ticks(low, high + (high - low) / 10 or 0.01)  # room for names above the curves
    frame = Frame(WIDTH, 340, curves[0].times[0], curves[-1].times[-1], marks, percent=True)
    parts = [*frame.grid(), *(frame.below(time, text) for time, text in labels)]
    for curve in curves:
        around = frame.points([*curve.times, *reversed(curve.times)], [*curve.high, *reversed(curve.low)])
        at = frame.x(curve.times[0])
        parts += [
            f'<line class="edge" x1="{at:.1f}" x2="{at:.1f}" y1="12" y2="312"/>',
            f'<text class="tick" x="{at + 5:.1f}" y="24">{escape(curve.name)}</text>',
            f'<polygon class="band" points="{around}"/>',
            f'<polyline class="equity" points="{frame.points(curve.times, curve.values)}"/>',
        ]
    return svg(WIDTH, 340, title, parts)


def whiskers(title: str, found: Sequence[Interval], *, percent: bool = False) -> str:
    """Each value as a dot on the interval it lies in, and where zero is."""
    drawn = [value for row in found for value in row[1:] if value is not None]
    frame = _columns(found, [0.0, *drawn], percent=percent)
    parts = [*frame.grid()]
    for place, (name, value, low, high) in enumerate(found):
        parts.append(frame.below(place, name))
        at = f"{frame.x(place):.1f}"
        said = f"<title>{escape(f'{name}: {value} ({low} to {high})')}</title>"
        if low is not None and high is not None:
            parts.append(
                f'<line class="whisker" x1="{at}" x2="{at}" '
                f'y1="{frame.y(low):.1f}" y2="{frame.y(high):.1f}">{said}</line>'
            )
        if value is not None:
            parts.append(f'<circle class="mark" cx="{at}" cy="{frame.y(value):.1f}" r="4.5">{said}</circle>')
    return svg(HALF, HEIGHT, title, parts)


def columns(
    title: str, found: Sequence[tuple[str, float]], *, width: int = HALF, signs: Sequence[bool] | None = None
) -> str:
    """Bars up from zero for gains, down for losses, fractions read as percent; names where there is room.

    `signs`: which bars are gains, where their height does not say so.
    """
    frame = _columns(found, [0.0, *(value for _, value in found)], percent=True, width=width)
    thick = min(40.0, 0.7 * (frame.x(1) - frame.x(0)))
    every = -(-len(found) * 70 // (width - 100))
    parts = [*frame.grid()]
    for place, (name, value) in enumerate(found):
        if place % every == 0:
            parts.append(frame.below(place, name))
        top, bottom = sorted((frame.y(value), frame.y(0.0)))
        gain = value >= 0 if signs is None else signs[place]
        parts.append(
            f'<rect class="bar {"gain" if gain else "lost"}" x="{frame.x(place) - thick / 2:.1f}" '
            f'y="{top:.1f}" width="{thick:.1f}" height="{bottom - top:.1f}">'
            f"<title>{escape(f'{name}: {value:+.2%}')}</title></rect>"
        )
    return svg(width, HEIGHT, title, parts)


def _columns(found: Sequence[object], values: Sequence[float], *, percent: bool, width: int = HALF) -> Frame:
    """A place for each, from left to right, with half a place left at both ends."""
    marks = ticks(min(values), max(values)) if any(values) else ticks(0.0, 0.01)
    return Frame(width, HEIGHT, -0.5, len(found) - 0.5, marks, percent)


def calibration(title: str, said: Sequence[float], seen: Sequence[float]) -> str:
    """What was seen over what was said, and the line on which they agree."""
    marks = ticks(min(*said, *seen), max(*said, *seen))
    end_of_axis = marks[-1] + (marks[1] - marks[0]) / 3  # room for the last number
    frame = Frame(HALF, 320, marks[0], end_of_axis, marks, percent=True)
    start, end = (f"{frame.x(mark):.1f}" for mark in (marks[0], marks[-1]))
    parts = [*frame.grid(), *(frame.below(mark, f"{mark * 100:g} %") for mark in marks[1:])]
    parts.append(
        f'<line class="ideal" x1="{start}" y1="{frame.y(marks[0]):.1f}" x2="{end}" y2="{frame.y(marks[-1]):.1f}"/>'
    )
    parts.append(f'<polyline class="equity" points="{frame.points(said, seen)}"/>')
    for place, value in zip(said, seen, strict=True):
        parts.append(
            f'<circle class="mark" cx="{frame.x(place):.1f}" cy="{frame.y(value):.1f}" r="4">'
            f"<title>{escape(f'said {place:.1%}, seen {value:.1%}')}</title></circle>"
        )
    return svg(HALF, 320, title, parts)


def shares(title: str, found: Sequence[tuple[str, float]], kind: str, *, percent: bool = False) -> str:
    """Bars from left to right, one a name, as long as their share of the longest; `kind` colours them."""
    row, left, room = 20, 176, HALF - 176 - RIGHT - 56
    longest = max((value for _, value in found), default=0.0) or 1.0
    parts = []
    for place, (name, value) in enumerate(found):
        middle, length = place * row + row / 2, value / longest * room
        text = f"{value:.1%}" if percent else f"{value:.4f}"
        parts.append(
            f'<text class="name" x="{left - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="bar {kind}" x="{left}" y="{middle - 6:.1f}" width="{length:.1f}" height="12"/>'
            f'<text class="tick" x="{left + length + 6:.1f}" y="{middle + 4:.1f}">{text}</text>'
        )
    return svg(HALF, max(len(found), 1) * row, title, parts)
