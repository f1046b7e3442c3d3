"""Drawings of the documentation: what `drift_plots.py` and `bench_capacity.py` put into docs/images."""

from pathlib import Path

from gal_friday_adapters.report_chart import Frame, svg

WIDTH, HEIGHT = 900, 320
STYLE = """<style>svg { background: #ffffff; } .grid { stroke: #dfe4ea; } .zero { stroke: #5d6878; }
.tick { fill: #5d6878; font: 12px sans-serif; } polyline { fill: none; stroke-width: 1.3; }
.ours { stroke: #1f6feb; } .plain { stroke: #c2413a; } .limit { stroke: #c2413a; stroke-dasharray: 6 4; }
.change { stroke: #5d6878; stroke-dasharray: 2 4; }</style>"""


def written(path: Path, title: str, parts: list[str]) -> None:
    text = svg(WIDTH, HEIGHT, title, [STYLE, *parts])
    path.write_text(
        text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n", encoding="utf-8"
    )


def line(frame: Frame, kind: str, places, values) -> str:
    return f'<polyline class="{kind}" points="{frame.points(places, values)}"/>'
