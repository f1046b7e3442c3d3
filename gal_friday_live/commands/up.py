"""`gal-friday up`: the whole loop with one command."""

from pathlib import Path
from typing import Annotated

import typer

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

INTERRUPTED = 130


def up(
    history: Annotated[
        list[Path] | None,
        typer.Option(
            help="Candles to start from: Kraken's OHLCVT CSV or ZIP, Parquet, or a folder of these. Repeatable. "
            "Without it Kraken is asked, and without Kraken a simulated market is used, and said to be.",
            show_default=False,
        ),
    ] = None,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="More history, as a shell expands it.", show_default=False),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            help="Which series to trade when the history holds several: kraken:BTC-USD:1m.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Replay the held-out end of the history, print a summary, and end.")
    ] = False,
    bars_per_second: Annotated[
        float, typer.Option(min=0.1, help="Speed at which recorded history is replayed without --once.")
    ] = 20.0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Run everything: PostgreSQL, Dagster, history, features, training, registry, and the paper engine.

    [bold]gal-friday up[/] keeps running until Ctrl-C; [bold]gal-friday up --once --history FILE --json[/] ends by
    itself with one JSON object. A model that the gates refuse is not promoted; where none is in production, paper trading
    then goes on under an override that the summary and the journal name.
    """
    from gal_friday_live.up import Request, run
    from gal_friday_live.up_screen import Screen, summary_panel

    manager = load_config(config)
    request = Request(
        history=(*(history or ()), *(paths or ())),
        series=series,
        once=once,
        bars_per_second=bars_per_second,
        config_path=config,
    )
    try:
        result = run(manager, request, Screen(console))
    except KeyboardInterrupt:
        console.print("Stopped: engine, Dagster and PostgreSQL are down.")
        raise typer.Exit(INTERRUPTED if once else 0) from None
    if json:
        print_json(result)
    else:
        console.print(summary_panel(result))
