"""What pages for people share: one style, light and dark, tables, figures, and numbers as text. Everything is escaped."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from gal_friday_core.times import DAY_NS, to_iso

_TIME_MARKS = 6

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6878; --ground: #ffffff; --card: #f5f7fa;
  --line: #dfe4ea; --equity: #1f6feb; --second: #d9822b; --third: #7b5cc4; --loss: #c2413a; --gain: #1a7f4b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #98a3b3; --ground: #12161c;
  --card: #1b212a; --line: #2c3542; --equity: #6aa8ff; --second: #f0a95a; --third: #b69cf2; --loss: #ff7b72; --gain: #56d192; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 24px 16px 48px; color: var(--ink);
  background: var(--ground); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 32px 0 8px; }
h3 { font-size: 14px; margin: 12px 0 4px; font-weight: 600; }
p { margin: 4px 0; } .soft { color: var(--soft); }
.note { border-left: 4px solid var(--equity); background: var(--card); padding: 8px 12px; margin: 12px 0; }
.note.gain { border-color: var(--gain); color: inherit; } .note.lost { border-color: var(--loss); color: inherit; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 8px;
  margin: 16px 0; }
.figures div { background: var(--card); border-radius: 8px; padding: 10px 12px; }
.figures dt { color: var(--soft); font-size: 13px; } .figures dd { margin: 0; font-size: 19px; }
.figures small { display: block; color: var(--soft); font-size: 12px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 8px 24px; }
.pair > div { min-width: 0; }
svg { width: 100%; height: auto; display: block; } .grid { stroke: var(--line); }
.tick { fill: var(--soft); font: 12px system-ui, sans-serif; }
polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; } .equity { stroke: var(--equity); }
.drawdown { stroke: var(--loss); } .area { stroke: none; fill: var(--loss); opacity: 0.25; }
.second { stroke: var(--second); } .third { stroke: var(--third); stroke-dasharray: 7 3; } .exposure.area { fill: var(--equity); }
polyline.exposure { stroke: var(--equity); stroke-width: 1; }
.key { display: inline-block; width: 22px; border-top: 3px solid; margin: 0 6px 4px 0; }
.key.equity { border-color: var(--equity); } .key.second { border-color: var(--second); margin-left: 18px; }
.key.third { border-color: var(--third); border-top-style: dashed; margin-left: 18px; }
.heat { background: color-mix(in srgb, var(--tone) var(--heat), transparent); }
.heat.gain { --tone: var(--gain); color: inherit; } .heat.lost { --tone: var(--loss); color: inherit; }
.band { stroke: none; fill: var(--equity); opacity: 0.18; } .zero { stroke: var(--soft); }
.ideal { stroke: var(--soft); stroke-dasharray: 5 4; } .edge { stroke: var(--line); stroke-dasharray: 2 4; }
.whisker { stroke: var(--equity); stroke-width: 2; } .mark { fill: var(--equity); }
.bar { fill: var(--equity); } .bar.second { fill: var(--second); } .bar.gain { fill: var(--gain); }
.bar.lost { fill: var(--loss); } .name { fill: var(--ink); font: 12px system-ui, sans-serif; }
.scroll { overflow-x: auto; max-height: 560px; overflow-y: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { position: sticky; top: 0; background: var(--ground); color: var(--soft); font-weight: 600; }
td:first-child, th:first-child { text-align: left; } .gain { color: var(--gain); } .lost { color: var(--loss); }
.scroll.wide { max-height: none; }
.wide td:last-child, .wide th:last-child { text-align: left; white-space: normal; min-width: 300px; }
@media (max-width: 640px) { body { padding: 16px 12px 40px; } .pair { grid-template-columns: 1fr; }
  .figures { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); } .figures dd { font-size: 17px; }
  svg { overflow: visible; } svg.whole .tick { font-size: 20px; } svg.whole .name { font-size: 20px; } svg.half .tick, svg.half .name { font-size: 14px; }
  .wide td:last-child, .wide th:last-child { min-width: 200px; } }
"""


class Marked(NamedTuple):
    """The text of a table's cell, shown as good ('gain'), as bad ('lost'), or like any other ('')."""

    text: str
    kind: str

    def __str__(self) -> str:
        return self.text


def document(title: str, body: str) -> str:
    """The whole page; `title` is escaped here, `body` is HTML already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def note(text: str, kind: str = "") -> str:
    """A sentence that nobody should miss."""
    return f'<p class="{f"note {kind}".strip()}">{escape(text)}</p>'


def soft(text: str) -> str:
    """A sentence that explains."""
    return f'<p class="soft">{escape(text)}</p>'


def figures(cells: Iterable[tuple[str, str, str]]) -> str:
    """Headline numbers: name, value, and a line below."""
    return '<dl class="figures">' + "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(more)}</small></dd></div>"
        for name, value, more in cells
    ) + "</dl>"  # fmt: skip


def side_by_side(*parts: tuple[str, str]) -> str:
    """Drawings, each under its heading, two in a row where there is room."""
    return '<div class="pair">' + "".join(
        f"<div><h3>{escape(heading)}</h3>{drawing}</div>" for heading, drawing in parts
    ) + "</div>"  # fmt: skip


def table(heading: str, names: Sequence[str], rows: Iterable[Sequence[Any]], *, wide: bool = False) -> str:
    """With its heading where that is not empty; `wide`: the last column holds sentences."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    above = f"<h2>{escape(heading)}</h2>" if heading else ""
    kind = "scroll wide" if wide else "scroll"
    return (
        f'{above}<div class="{kind}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(value: Any) -> str:
    text = str(value)
    kind = value.kind if isinstance(value, Marked) else {"+": "gain", "−": "lost"}.get(text[:1], "")
    shown = f' class="{kind}"' if kind else ""
    return f"<td{shown}>{escape(text)}</td>"


def time_labels(first: int, last: int) -> list[tuple[int, str]]:
    """Marks of a time axis: days, or minutes where it is short."""
    step = (last - first) // _TIME_MARKS
    digits = 10 if step >= DAY_NS else 16
    moments = (first + step // 2 + step * index for index in range(_TIME_MARKS))
    return [(moment, to_iso(moment)[:digits].replace("T", " ")) for moment in moments]


def plain(value: float | None, decimals: int = 2) -> str:
    """A number, or a dash where it is not known."""
    return "–" if value is None else f"{value:,.{decimals}f}".replace("-", "−")


def percent(value: float | None, decimals: int = 2) -> str:
    """A fraction in percent."""
    return "–" if value is None else f"{value:.{decimals}%}".replace("-", "−")


def signed(value: float | None, decimals: int = 2) -> str:
    """With its sign, which colours it in a table; what is rounded to zero has none."""
    if value is None or not round(value, decimals):
        return plain(value and 0.0, decimals)
    return f"{value:+,.{decimals}f}".replace("-", "−")


def signed_percent(value: float | None, decimals: int = 2) -> str:
    """A fraction in percent with its sign, where it is not rounded to zero."""
    if value is None or not round(value, decimals + 2):
        return percent(value and 0.0, decimals)
    return f"{value:+.{decimals}%}".replace("-", "−")
