"""`gal-friday feed rebuild`: recorded sessions into the lake."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.sessions.rebuild import Rebuilt

COLUMNS = ("book updates", "trades", "gaps", "bars", "of the exchange's", "equal")
SHOWN_DAMAGE = 20


def rebuild(
    sessions: Annotated[
        list[Path],
        typer.Argument(
            metavar="SESSION", help="Recorded folders or JSON Lines files, plain or gzip.", show_default=False
        ),
    ],
    interval: Annotated[str, typer.Option(help="Length of the bars: 1m 5m 15m 30m 1h 4h 1d.")] = "1m",
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay sessions through the live client, and store their books, trades and bars in the lake.

    Only bars of which every trade is there are stored; doing it again changes nothing.
    """
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_adapters.paths import lake_dir
    from gal_friday_adapters.sessions.market_lake import MarketLake
    from gal_friday_adapters.sessions.rebuild import rebuild as store
    from gal_friday_core.times import interval_ns

    interval_ns(interval)
    root = lake_dir(load_config(config).config)
    lake, candles = MarketLake(root), CandleLake(root)
    results = []
    for session in sessions:
        with console.status(f"replaying {escape(str(session))}"):
            results.append(store(session, lake, candles, interval=interval))
    if as_json:
        print_json({"sessions": [result.to_dict() for result in results]})
    _show(results)


def _show(results: list["Rebuilt"]) -> None:
    names = (Column(name, justify="right") for name in COLUMNS)
    table = Table(Column("session", overflow="fold"), "pairs", *names)
    for result in results:
        counts = (
            result.book_updates, result.trades, result.gaps, result.bars, result.bars_compared,
            result.bars_agreed,
        )  # fmt: skip
        table.add_row(escape(result.session), ", ".join(result.pairs), *(f"{count:,}" for count in counts))
    console.print(table)
    for result in results:
        _show_troubles(result)


def _show_troubles(result: "Rebuilt") -> None:
    said = [
        (result.checksum_failures, f"{result.checksum_failures:,} checksum failures"),
        (result.dropped, f"{result.dropped:,} records were dropped by the recorder"),
        (result.unlisted, f"no instrument of {', '.join(result.unlisted)}: left out"),
    ]
    for there, text in said:
        if there:
            console.print(f"[yellow]{escape(result.session)}[/]: {escape(text)}", soft_wrap=True)
    for damage in result.damage[:SHOWN_DAMAGE]:
        console.print(f"[yellow]{escape(str(damage))}[/]", soft_wrap=True)
    if len(result.damage) > SHOWN_DAMAGE:
        console.print(f"[yellow]… and {len(result.damage) - SHOWN_DAMAGE:,} more places[/]")
