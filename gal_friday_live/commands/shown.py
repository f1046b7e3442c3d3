"""How results look: values by name, and tables."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_live.commands.common import print_json

Shown = Mapping[str, Any]

WIDE = 240
"""Columns, where the output is no terminal: ids must stay whole."""

_QUOTIENT = re.compile(r"-?\d+\.\d{13,}")


def show(values: Shown, *, as_json: bool) -> None:
    """A line a value, or all as one JSON object."""
    if as_json:
        print_json(values)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        table.add_row(f"[bold]{escape(name.replace('_', ' '))}[/]", escape(_text(value)))
    Console(highlight=False).print(table)


def table(rows: list[dict[str, Any]], otherwise: str) -> None:
    """A table of the rows; `otherwise` where there are none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    if not rows:
        console.print(otherwise)
        return
    first, *others = rows[0]
    table = Table(Column(first, no_wrap=True), *others)
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(_text, value)) or "none"
    return "" if value is None else _short(str(value))


def _short(text: str) -> str:
    """A quotient with all its digits says less than a dozen of them; --json has them all."""
    return f"{Decimal(text):.12g}" if _QUOTIENT.fullmatch(text) else text
