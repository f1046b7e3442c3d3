"""`gal-friday strands drill`: three real roles, killed in turn while they trade, and the truth about it afterwards."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from gal_friday_live.commands.common import JsonOption, console, print_json
from gal_friday_live.commands.live import INTERRUPTED
from gal_friday_live.commands.shown import show, table

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from gal_friday_live.strand_drill.drill import Result


def drill(
    kills: Annotated[int, typer.Option(min=0, max=100, help="How often each role is killed.")] = 3,
    disconnects: Annotated[
        int, typer.Option(min=0, max=100, help="How often each role's connections to the database are cut.")
    ] = 1,
    restarts: Annotated[int, typer.Option(min=0, max=20, help="How often the database is restarted.")] = 1,
    standby: Annotated[
        bool,
        typer.Option("--standby", help="A second trader waits for the account and takes over."),
    ] = False,
    speed: Annotated[
        float, typer.Option(min=1, max=60, help="Seconds of the market that pass in one of yours.")
    ] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="Decides the market and when blows fall.")] = 1,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Folder for database and logs, kept afterwards; otherwise a temporary one.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Three real roles trade paper money on a simulated Kraken while each is killed in turn; then all sides are compared.

    Nothing of it touches your database, your data or an exchange. Exit code 1 where anything was lost or doubled, or the books
    differ.
    """
    from gal_friday_live.strand_drill.drill import Terms, run
    from gal_friday_live.strand_drill.place import place

    with place(keep) as folder:
        terms = Terms(
            folder=folder, kills=kills, disconnects=disconnects, restarts=restarts, standby=standby, speed=speed,
            seed=seed,
        )  # fmt: skip
        try:
            found = asyncio.run(_ended_by_signal(run(terms, say=_say)))
        except asyncio.CancelledError:
            console.print("Stopped; nothing of it runs any more.")
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(_told(found))
    else:
        _print(found)
    if not found.holds:
        raise typer.Exit(1)


async def _ended_by_signal(drilling: "Coroutine[Any, Any, Result]") -> "Result":
    """SIGTERM is an interruption like Ctrl-C: the database is stopped in order."""
    task = asyncio.ensure_future(drilling)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _say(text: str) -> None:
    console.print(text, soft_wrap=True)


def _told(found: "Result") -> Any:
    return msgspec.to_builtins(found)


def _print(found: "Result") -> None:
    told = _told(found)
    outages, findings, resumed = told.pop("outages"), told.pop("findings"), told.pop("resumptions")
    show(told, as_json=False)
    table(outages, "Nothing was struck.")
    table(resumed, "Nothing halted.")
    table(findings, "Nothing was lost, nothing doubled, and all books are the same.")
    if findings:
        Console(stderr=True, highlight=False).print(f"[bold red]{len(findings)} things do not hold.[/]")
