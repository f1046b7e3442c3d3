"""`gal-friday feed`: recorded market data, and whether it holds together; `record` and `rebuild` stand beside it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_live.commands.common import JsonOption, print_json

app = typer.Typer(help="Record market data, check it, store it in the lake.", no_args_is_help=True)

CaptureArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CAPTURE",
        help="JSON Lines of raw websocket messages or of records, plain or gzip; a recorded folder.",
        show_default=False,
    ),
]


@app.command("verify")
def verify(capture: CaptureArgument, as_json: JsonOption = False) -> None:
    """Replay a capture through the live books and report every fault in it.

    Exit code 0: every book update verified, nothing is missing. 1: faults were found. 2: no capture.
    """
    # Late, so that help and usage errors do not wait for the compiler's libraries.
    from gal_friday_adapters.kraken.captures import verify as replay

    report = {"capture": str(capture), **replay(capture).report()}
    if as_json:
        print_json(report)
    else:
        _show(report)
    if not report["clean"]:
        raise typer.Exit(1)


def _show(report: dict[str, Any]) -> None:
    names = ("messages", "book_updates", "checksum_failures", "resyncs", "gaps", "unverified", "malformed")
    table = Table(show_header=False)
    for name in names:
        table.add_row(name.replace("_", " "), f"{report[name]:,}")
    out = Console()
    out.print(escape(report["capture"]), soft_wrap=True)
    out.print(table)
    if report["pairs"]:
        out.print(_pairs(report["pairs"]))
    for fault in report["faults"]:
        place = f"message {fault['message']:,}" + (f", {fault['pair']}" if fault["pair"] else "")
        out.print(f"[red]{escape(place)}[/]: {escape(fault['what'])}", soft_wrap=True)
    out.print("[green]Everything verified.[/]" if report["clean"] else "[red]Faults were found.[/]")


def _pairs(pairs: list[dict[str, Any]]) -> Table:
    columns = ("depth", "decimals", "snapshots", "updates", "failures", "trades")
    table = Table(Column("pair", no_wrap=True), *(Column(name, justify="right") for name in columns))
    for pair in pairs:
        decimals = f"{pair['price_decimals']}/{pair['qty_decimals']}"
        table.add_row(
            escape(pair["pair"]),
            str(pair["depth"]),
            decimals + (" (inferred)" if pair["decimals_inferred"] else ""),
            f"{pair['snapshots']:,}",
            f"{pair['updates']:,}",
            f"{pair['checksum_failures']:,}",
            f"{pair['trades']:,}",
        )
    return table
