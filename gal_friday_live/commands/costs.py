"""`gal-friday costs`: what a series costs to trade beside its fees, as settings of `fidelity`."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from gal_friday_live.commands.backtest import HistoryOption
from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_live.cost_estimates import CostEstimate


def costs(
    history: HistoryOption = None,
    series: Annotated[
        str | None,
        typer.Option(help="As VENUE:BASE-QUOTE:INTERVAL, such as kraken:BTC-USD:1m.", show_default=False),
    ] = None,
    pair: Annotated[
        str | None, typer.Option(help="As BASE/QUOTE: chooses among what is stored.", show_default=False)
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First bar, ISO 8601, UTC.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive.", show_default=False)] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate spread and price impact from stored bars and recorded books, and print the settings they make.

      gal-friday costs --series kraken:BTC-USD:1m

    Books that were recorded and rebuilt count before bars: what an order pays is read off their levels.
    """
    from gal_friday_adapters.paths import lake_dir
    from gal_friday_live.commands import backtest_asked as asking
    from gal_friday_live.cost_estimates import cost_estimate

    manager = load_config(config)
    with asking.lake(history, (None, pair, None), manager) as lake:
        chosen = asking.chosen(manager, lake, series, (None, pair, None))
        candles = lake.read(chosen, *asking.span(lake, chosen, start, end))
        found = cost_estimate(lake_dir(manager.config), candles)
    settings = {name: shown(value) for name, value in found.settings().items()}
    if as_json:
        print_json({**found.to_dict(), "source": found.source, "settings": settings})
    else:
        _show(found, settings)


def shown(value: Any) -> str:
    """Plain digits."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _show(found: "CostEstimate", settings: dict[str, Any]) -> None:
    table = Table(Column("half of bid to ask"), Column(found.series, justify="right"))
    rows = [
        ("Abdi and Ranaldo, from bars", found.bars.abdi_ranaldo),
        ("Corwin and Schultz, from bars", found.bars.corwin_schultz),
        ("half a price tick", found.bars.half_tick),
        ("recorded books", None if found.books is None else found.books.half_spread),
    ]
    for name, value in rows:
        table.add_row(name, "none" if value is None else f"{value * 10_000:.3f} bp")
    console.print(table)
    if found.books is not None and found.books.beyond:
        console.print(f"[yellow]{found.books.beyond:.0%} of the orders tried were larger than ten levels.[/]")
    console.print(f"From {found.source}; in the configuration:")
    console.print("fidelity:", *(f"  {name}: {value}" for name, value in settings.items()), sep="\n")
