"""`gal-friday feed features`: feature tables of what was recorded."""

from typing import Annotated

import typer
from rich.table import Column, Table

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json


def features(
    pair: Annotated[
        list[str] | None, typer.Option(help="Pair as BASE/QUOTE; every recorded one by default.")
    ] = None,
    interval: Annotated[str, typer.Option(help="Length of the bars: 1m 5m 15m 30m 1h 4h 1d.")] = "1m",
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the features of rebuilt books and trades at each bar's close, and store them in the lake.

    Run `gal-friday feed rebuild` on the sessions first. Doing it again changes nothing.
    """
    from gal_friday_adapters.feature_tables import write_book_features
    from gal_friday_adapters.lake import TableLake
    from gal_friday_adapters.paths import lake_dir
    from gal_friday_adapters.sessions.market_lake import MarketLake
    from gal_friday_core.candles import Series
    from gal_friday_core.errors import DataError
    from gal_friday_core.times import interval_ns

    interval_ns(interval)
    settings = load_config(config).config
    root, venue = lake_dir(settings), settings.market.exchange
    lake, tables = MarketLake(root), TableLake(root)
    recorded = lake.pairs(venue)
    unknown = [name for name in pair or () if name not in recorded]
    if unknown or not recorded:
        known = ", ".join(recorded) or "nothing"
        raise DataError(
            f"no rebuilt session of {', '.join(unknown) or venue}: {known} is there; run gal-friday feed rebuild"
        )
    rows = {}
    for name in pair or recorded:
        series = Series(venue, name, interval)
        with console.status(f"computing {series.key}"):
            rows[series.key] = write_book_features(lake, tables, series)
    if as_json:
        print_json({"rows": rows})
    table = Table("series", "month", Column("rows", justify="right"))
    for key, months in rows.items():
        for month, count in months.items():
            table.add_row(key, month, f"{count:,}")
    console.print(table)
