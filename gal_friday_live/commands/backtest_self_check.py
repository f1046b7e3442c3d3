"""`gal-friday backtest --self-check N`: both ways of trading a backtest, held equal on random worlds."""

import os
import sys
import time

import typer
from rich.progress import Progress

from gal_friday_live.commands.common import console, print_json

SHOWN = 20
LONGEST = 2_000
"""Characters of a difference: it holds whole orders."""


def play(worlds: int, *, as_json: bool) -> None:
    """Play them, say what differs by seed, and end with exit code 1 where anything does."""
    from gal_friday_live.backtest_self_check import checked

    began, played, found = time.monotonic(), 0, list[str]()
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Worlds", total=worlds)
        for count, lines in checked(worlds, jobs=os.cpu_count() or 1):
            played += count
            found += lines
            progress.advance(bar, count)
            for line in lines[:SHOWN]:
                console.print(line[:LONGEST], markup=False)
    took_s = time.monotonic() - began
    if as_json:
        print_json({"worlds": played, "differences": found, "took_s": round(took_s, 3)})
    else:
        verdict = "no difference" if not found else f"{len(found)} differences"
        sys.stdout.write(f"{played} worlds, seeds 0 to {played - 1}: {verdict}\n")
    if found:
        raise typer.Exit(1)
