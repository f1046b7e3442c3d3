"""`gal-friday doctor`: what is wrong with this installation, and what to do about it."""

import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, print_json
from gal_friday_live.commands.shown import WIDE

if TYPE_CHECKING:
    from gal_friday_core.doctor.check import Check
    from gal_friday_live.doctor.examine import Examination

MARKS = {"ok": "[green]✓ ok[/]", "warning": "[yellow]! look[/]", "failure": "[bold red]✗ fails[/]"}
ENDS_WITHIN_S = 0.5
"""A thread that has told what it saw needs no time to end."""
THREADS = "doctor "
"""How the names of threads begin that look."""
FAILED = 1
"""Exit code where something fails; what is only worth a look is no reason."""


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing beyond this machine.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at everything that goes wrong in practice, and say how to fix it. Exit code 1 where something fails.

    Clock, database, migrations, disk, permissions, keys, sockets, exchange, feed, settings, candles, models: all at
    once, each with a time limit, so it ends where something hangs. It changes nothing and sends no order.
    """
    from gal_friday_live.doctor.rounds import examinations

    checks = _looked(list(examinations(config, offline=offline)), quiet=as_json)
    failures = sum(check.level == "failure" for check in checks)
    warnings = sum(check.level == "warning" for check in checks)
    if as_json:
        told: dict[str, Any] = {"ok": failures == 0, "failures": failures, "warnings": warnings}
        print_json({**told, "checks": [check.told() for check in checks]})
    else:
        out = Console(highlight=False)
        out = out if out.is_terminal else Console(highlight=False, width=WIDE)
        out.print(_table(checks))
        out.print(_verdict(failures, warnings))
    _leave(FAILED if failures else 0)


def _leave(code: int) -> None:
    """Also where a look that was given up still hangs: the interpreter would wait for its threads."""
    looking = [one for one in threading.enumerate() if one.name.startswith(THREADS)]
    for one in looking:
        one.join(ENDS_WITHIN_S)
    if any(one.is_alive() for one in looking):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    if code:
        raise typer.Exit(code)


def _looked(rounds: "list[Examination]", *, quiet: bool) -> "list[Check]":
    """In the order of the examinations, whichever ended first; what is still out is named meanwhile."""
    from gal_friday_live.doctor.examine import examined

    order = {name: place for place, name in enumerate(name for one in rounds for name in one.names)}
    found: list[Check] = []
    with console.status("") as status:
        if quiet:
            status.stop()
        for check in examined(rounds):
            found.append(check)
            out = [name for name in order if name not in {one.name for one in found}]
            status.update(f"Looking at {', '.join(out[:4])}{' …' if len(out) > 4 else ''}")
    return sorted(found, key=lambda check: order[check.name])


def _table(checks: "list[Check]") -> Table:
    table = Table(Column("", no_wrap=True), Column("Check", no_wrap=True), "Found", "What to do")
    for check in checks:
        table.add_row(MARKS[check.level], escape(check.name), escape(check.detail), escape(check.fix))
    return table


def _verdict(failures: int, warnings: int) -> str:
    look = f"{warnings} worth a look" if warnings else "nothing else to look at"
    if failures:
        return f"[bold red]{failures} {'check fails' if failures == 1 else 'checks fail'}[/], {look}."
    return f"[green]Nothing fails[/], {look}."
