"""`gal-friday simulate --planted` and `--promises`: whether the simulation would notice, and what holds each promise."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from gal_friday_live.commands.common import console, print_json

if TYPE_CHECKING:
    from gal_friday_live.simulation.planted import Caught, PlantedBug


def planted(names: list[str], *, first: int, jobs: int, as_json: bool) -> None:
    """Put each bug into engines until it is seen. Exit code 1 where one is not, or where a clean world is not."""
    from gal_friday_live.simulation.planted import hunt_all

    found = []
    for caught in hunt_all(_chosen(names), first, jobs=jobs):
        found.append(caught)
        if not as_json:
            _tell(caught)
    missed = [one for one in found if not (one.caught and one.clean)]
    if as_json:
        print_json({"bugs": [asdict(one) for one in found], "caught": len(found) - len(missed)})
    else:
        sys.stdout.write(f"{len(found) - len(missed)} of {len(found)} caught\n")
    if missed:
        raise typer.Exit(1)


def promises(*, first: int, worlds: int, jobs: int, as_json: bool) -> None:
    """What was promised, what holds it, and whether it held in worlds that are simulated now."""
    from gal_friday_live.simulation.promises import table

    told = table(range(first, first + worlds), jobs=jobs)
    if as_json:
        print_json(told.as_dict())
    else:
        from rich.console import Console
        from rich.table import Table

        shown = Table("", "promise", "held by", f"in {told.worlds} worlds", box=None)
        for row in told.rows:
            held = "\n".join((*row.promise.invariants, *row.promise.tests))
            shown.add_row(row.promise.code, row.promise.text, held, row.result)
        Console(file=sys.stdout).print(shown)
    if told.broken:
        raise typer.Exit(1)


def _chosen(names: list[str]) -> "list[PlantedBug]":
    from gal_friday_live.simulation.planted import BUGS

    known = {bug.name: bug for bug in BUGS}
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"no bug is called {name}: there are {', '.join(known)}", param_hint="--bug"
            )
    return [known[name] for name in names] or list(BUGS)


def _tell(caught: "Caught") -> None:
    seen = f"seed {caught.seed}, {caught.seeds} tried" if caught.caught else f"NOT in {caught.seeds} seeds"
    blame = "" if caught.clean else " (and the same world breaks a promise without it)"
    sys.stdout.write(f"{caught.name:<36} {caught.promise:<9} {seen}{blame}\n")
    console.print(f"  {caught.about}", style="dim", markup=False)
