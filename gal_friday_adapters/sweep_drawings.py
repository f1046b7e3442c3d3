"""The drawings of a sweep as inline SVG: a map of what each point earned, how ratios spread, equity beside the asset."""

from collections.abc import Sequence
from html import escape

import numpy as np

from gal_friday_adapters.report_chart import LEFT, RIGHT, TOP, WIDTH, Frame, svg, ticks
from gal_friday_adapters.report_parts import plain, time_labels
from gal_friday_core.times import DAY_NS

Floats = Sequence[float]
HEIGHT = 300
CELL, MOST_CELLS = 26, 60
BINS = 40


def heat(
    title: str, across: Sequence[str], down: Sequence[str], values: Sequence[Sequence[float | None]]
) -> str:
    """One cell a combination, `values` (down, across): the stronger its colour the larger the number, green above zero.

    None is left blank; names where there is room.
    """
    known = [abs(value) for row in values for value in row if value is not None]
    largest = max(known, default=0.0) or 1.0
    wide = (WIDTH - LEFT - RIGHT) / len(across)
    height = TOP + CELL * len(down) + 28
    every = -(-len(across) * 46 // (WIDTH - LEFT - RIGHT))
    parts = []
    for row, name in enumerate(down):
        top = TOP + row * CELL
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{top + CELL / 2 + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        for column, value in enumerate(values[row]):
            if value is None:
                continue
            said = f"{across[column]}, {name}: {plain(value)}"
            parts.append(
                f'<rect class="bar {"gain" if value >= 0 else "lost"}" x="{LEFT + column * wide:.1f}" y="{top}" '
                f'width="{max(wide - 1, 0.5):.1f}" height="{CELL - 1}" opacity="{0.06 + 0.94 * abs(value) / largest:.2f}">'
                f"<title>{escape(said)}</title></rect>"
            )
    for column, name in enumerate(across):
        if column % every == 0:
            at = LEFT + (column + 0.5) * wide
            parts.append(
                f'<text class="tick" x="{at:.1f}" y="{height - 8}" text-anchor="middle">{escape(name)}</text>'
            )
    return svg(WIDTH, height, title, parts)


def histogram(title: str, values: Floats, marks: Sequence[tuple[str, float]]) -> str:
    """How many of `values` fall where, and vertical lines at the named `marks`."""
    low, high = min(*values, *(at for _, at in marks)), max(*values, *(at for _, at in marks))
    edges = ticks(low, high, 8)
    counts, bounds = np.histogram(values, bins=min(BINS, max(8, len(values) // 4)))
    frame = Frame(WIDTH, HEIGHT, edges[0], edges[-1], ticks(0.0, float(counts.max()) * 1.25))
    parts = [*frame.grid(), *(frame.below(edge, f"{edge:g}") for edge in edges)]
    for count, left, right in zip(counts, bounds[:-1], bounds[1:], strict=True):
        if count:
            x, y = frame.x(left), frame.y(float(count))
            parts.append(
                f'<rect class="bar" x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(frame.x(right) - x - 1, 0.5):.1f}" '
                f'height="{frame.y(0.0) - y:.1f}"><title>{left:.2f} to {right:.2f}: {count}</title></rect>'
            )
    for place, (name, value) in enumerate(marks):
        at, line = frame.x(value), 14 + 15 * place
        anchor = "end" if at > WIDTH / 2 else "start"
        parts.append(
            f'<line class="drawdown" stroke-width="1.6" x1="{at:.1f}" x2="{at:.1f}" y1="{line - 4}" y2="{frame.y(0.0):.1f}"/>'
            f'<text class="name" x="{at + (-5 if anchor == "end" else 5):.1f}" y="{line + 8}" '
            f'text-anchor="{anchor}">{escape(name)}</text>'
        )
    return svg(WIDTH, HEIGHT, title, parts)


def equity(title: str, first_day: int, returns: Floats, held: Floats, borders: Sequence[int] = ()) -> str:
    """What became of one unit of money, by the settings and by holding the asset; `borders` are days of a walk."""
    days = [(first_day + day) * DAY_NS for day in range(len(returns) + 1)]
    own, asset = (
        np.concatenate(([1.0], np.cumprod(1 + np.array(part)))).tolist() for part in (returns, held)
    )
    frame = Frame(WIDTH, HEIGHT, days[0], days[-1], ticks(min(*own, *asset), max(*own, *asset)))
    marks = time_labels(days[0], days[-1])
    lines = "".join(
        f'<line class="edge" x1="{frame.x(day * DAY_NS):.1f}" x2="{frame.x(day * DAY_NS):.1f}" y1="{TOP}" '
        f'y2="{frame.y(frame.marks[0]):.1f}"/>'
        for day in borders
    )
    parts = [
        *frame.grid(),
        *(frame.below(at, text) for at, text in marks),
        lines,
        f'<polyline class="ideal" points="{frame.points(days, asset)}"/>',
        f'<polyline class="equity" points="{frame.points(days, own)}"/>',
    ]
    return svg(WIDTH, HEIGHT, title, parts)
