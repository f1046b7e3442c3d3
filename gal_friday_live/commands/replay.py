"""`gal-friday replay`: the engine hears a flight record again, and must say what it said then."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_live.flight.player import Replayed

DIFFERS = 1


def replay(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FLIGHT",
            help="A folder that gal-friday live --record wrote, or one flight of it; else all in the data directory.",
            show_default=False,
        ),
    ] = None,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the engine hear again what it heard live, and compare all that it says, byte by byte: features,
    predictions, signals, journal, orders. Ends with exit code 1, and names the first difference, where there is one.
    """
    from gal_friday_adapters.paths import flights_dir
    from gal_friday_live.flight.flight import flights
    from gal_friday_live.flight.flight import replay as play

    found: list[tuple[Path, Replayed]] = []
    for flight in flights(folder or flights_dir(load_config(config).config)):
        with console.status(f"replaying {escape(str(flight))}"):
            found.append((flight, play(flight)))
    if as_json:
        print_json({"flights": [_plain(flight, one) for flight, one in found]})
    else:
        for flight, one in found:
            _show(flight, one)
    if not all(one.alike for _, one in found):
        raise typer.Exit(DIFFERS)


def _plain(folder: Path, one: "Replayed") -> dict[str, Any]:
    return {"flight": str(folder), **one.as_dict()}


def _show(folder: Path, one: "Replayed") -> None:
    table = Table(Column("said alike"), Column("times", justify="right"), title=escape(str(folder)))
    for what, times in sorted(one.compared.items()):
        table.add_row(what, f"{times:,}")
    console.print(table)
    seconds = (one.last_ns - one.first_ns) / 1e9
    console.print(f"{one.steps:,} steps of {seconds:,.1f} s; {one.orders:,} order intents.")
    if one.code_then != one.code_now:
        console.print(f"[yellow]Recorded by {one.code_then}, replayed by {one.code_now}.[/]")
    if one.difference is not None:
        console.print(f"[red]Different:[/] {escape(str(one.difference))}")
    elif one.ended:
        console.print(f"[red]Not replayed to its end:[/] {escape(one.ended)}")
    else:
        console.print("[green]Byte for byte the same.[/]")
