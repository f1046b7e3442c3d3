"""The parts that pages are made of. Whatever carries `data-live` is kept current by `app.js` (see `live.py`)."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from gal_friday_live.dashboard.markup import Html, join, tag

Tone = Literal["", "good", "warn", "bad"]
"""Shown by colour, and always by a word or a sign too."""

SIGNS: dict[Tone, str] = {"": "", "good": "✓", "warn": "!", "bad": "✕"}


def card(title: str, *children: Any, wide: bool = False, note: str = "", id_: str | None = None) -> Html:
    """A titled part of a page. With an id it is drawn anew when positions, orders or reasons change."""
    heading = tag("h2", title)
    explained = tag("p", note, class_="soft") if note else None
    return tag(
        "section", heading, explained, *children, class_="card wide" if wide else "card", id=id_,
        data_refresh=id_ is not None,
    )  # fmt: skip


def refreshed(id_: str, *children: Any) -> Html:
    """Drawn anew when positions, orders or reasons change."""
    return tag("div", *children, id=id_, data_refresh=True)


def grid(*children: Any) -> Html:
    """Cards beside each other where there is room."""
    return tag("div", *children, class_="grid")


def live(path: str, text: str, *, element: str = "span", **attributes: Any) -> Html:
    """A text that follows the engine: `path` is a key of `figures.texts`."""
    return tag(element, text, data_live=path, **attributes)


def figures(cells: Iterable[tuple[str, Any, Any]]) -> Html:
    """Headline numbers: name, value, and a line below. Values may be `live`."""
    return tag(
        "dl",
        [
            tag("div", tag("dt", name), tag("dd", value), tag("dd", more, class_="soft") if more else None)
            for name, value, more in cells
        ],
        class_="figures",
    )


def badge(text: Any, tone: Tone = "", *, live_path: str | None = None) -> Html:
    """A word that stands out. With `live_path` its text and tone follow the engine."""
    return tag("span", text, class_=f"badge {tone}".strip(), data_live=live_path, data_tone=tone or None)


def bar(
    name: str,
    value: Any,
    fraction: float | None,
    *,
    limit: Any = "",
    tone: Tone = "",
    live_path: str | None = None,
) -> Html:
    """How much of a limit is used, 0 to 1, as a meter with its numbers in words.

    With `live_path`, `<live_path>.text` and `<live_path>.fraction` of the metrics keep it current.
    """
    used = 0.0 if fraction is None else min(max(fraction, 0.0), 1.0)
    tone = tone or tone_of(fraction)
    said = "unknown" if fraction is None else f"{fraction:.0%} of the limit"
    meter = tag(
        "svg",
        tag("rect", class_="track", width="100%", height="8", rx="4"),
        tag("rect", class_="fill", width=f"{used * 100:.2f}%", height="8", rx="4"),
        role="meter", aria_valuemin="0", aria_valuemax="100", aria_valuenow=f"{used * 100:.0f}",
        aria_valuetext=said, aria_label=name, class_="meter", height="8",
    )  # fmt: skip
    words = tag(
        "div",
        tag("span", name, class_="name"),
        tag(
            "span",
            tag("span", value, class_="value"),
            tag("span", " of ", limit, class_="soft") if limit else None,
        ),
        class_="words",
    )
    return tag("div", words, meter, class_=f"bar {tone}".strip(), data_live_bar=live_path)


def tone_of(fraction: float | None) -> Tone:
    """Of a limit that is used so far.

    >>> tone_of(0.2), tone_of(0.8), tone_of(1.0), tone_of(None)
    ('', 'warn', 'bad', '')
    """
    if fraction is None or fraction < 0.7:
        return ""
    return "bad" if fraction >= 1 else "warn"


def table(
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    caption: str,
    empty: str,
    numeric: Sequence[int] = (),
) -> Html:
    """`caption` is read to those who do not see the heading above; `numeric`: columns that are aligned to the right.
    Without a row, `empty` says what to do.
    """
    body = [
        tag(
            "tr",
            [tag("td", cell, class_="num" if index in numeric else None) for index, cell in enumerate(row)],
        )
        for row in rows
    ]
    if not body:
        return tag("p", empty, class_="empty")
    head = [
        tag("th", name, scope="col", class_="num" if index in numeric else None)
        for index, name in enumerate(names)
    ]
    drawn = tag(
        "table", tag("caption", caption, class_="unseen"), tag("thead", tag("tr", head)), tag("tbody", body)
    )
    return tag("div", drawn, class_="scroll", tabindex="0", role="region", aria_label=caption)


def rows(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """Names and values, one below the other."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs], class_="rows")


def note(*children: Any, tone: Tone = "") -> Html:
    """A sentence that nobody should miss."""
    return tag(
        "p",
        tag("span", SIGNS[tone], class_="sign", aria_hidden="true"),
        *children,
        class_=f"note {tone}".strip(),
    )


def empty(*children: Any) -> Html:
    """Nothing is there: why, and what to do about it."""
    return tag("p", *children, class_="empty")


def sparkline(values: Sequence[float], *, label: str, width: int = 160, height: int = 36) -> Html:
    """A small line without axes; `label` says in words what it shows."""
    if len(values) < 2:
        return tag("p", "Nothing to draw yet.", class_="soft")
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = width / (len(values) - 1)
    points = " ".join(
        f"{index * step:.1f},{2 + (high - value) / span * (height - 4):.1f}"
        for index, value in enumerate(values)
    )
    line = tag("polyline", points=points)
    return tag("svg", line, class_="spark", viewBox=f"0 0 {width} {height}", role="img", aria_label=label)


def chart(
    page: str, name: str, *, label: str, height: int = 320, query: str = "", follow: str | None = None
) -> Html:
    """A Plotly figure, drawn after the first paint from GET /data/<page>/<name>: `{"data": […], "layout": {…}}`.

    Colours come from the style sheet (`app.js` sets them): a trace names its part with `"role"`: equity, second,
    gain, loss, soft. Without the charting library or without data the answer's `{"empty": "…"}` is said instead. It
    is asked for again when the number at the path `follow` changes.
    """
    source = f"/data/{page}/{name}" + (f"?{query}" if query else "")
    waiting = tag("p", "Drawing…", class_="soft")
    return tag(
        "figure", waiting, data_chart=source, data_follow=follow, aria_label=label, role="img",
        class_=f"chart h{height}",
    )  # fmt: skip


def expand(summary: Any, source: str) -> Html:
    """A row that is opened: GET `source` (a page's data) then gives `{"parts": [{"title": …, "rows": [[name, value]]}]}`."""
    return tag("details", tag("summary", summary), tag("div", class_="expanded"), data_expand=source)


def stack(*children: Any) -> Html:
    """One below the other."""
    return join(*children)
