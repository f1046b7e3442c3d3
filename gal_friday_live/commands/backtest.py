"""`gal-friday backtest`: trade stored history with what trades live, and say what it earned."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gal_friday_core.times import SECOND_NS
from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_core.candles import Series
    from gal_friday_core.predictor import Predictor
    from gal_friday_live.configuration import ConfigurationManager

HistoryOption = Annotated[
    list[Path] | None,
    typer.Option("--history", help="Trade these files instead of the stored candles.", show_default=False),
]
SeriesOption = Annotated[
    str | None,
    typer.Option(
        "--series", help="As VENUE:BASE-QUOTE:INTERVAL, such as kraken:BTC-USD:1m.", show_default=False
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write report.json and report.html here.", show_default=False),
]


def backtest(
    history: HistoryOption = None,
    series: SeriesOption = None,
    pair: Annotated[
        str | None,
        typer.Option(
            help="As BASE/QUOTE: chooses among what is stored, and names files.", show_default=False
        ),
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Bar length, with --pair: 1m 5m 15m 30m 1h 4h 1d.", show_default=False)
    ] = None,
    venue: Annotated[
        str | None, typer.Option(help="Exchange, with --pair: kraken by default.", show_default=False)
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First bar, ISO 8601, UTC.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive.", show_default=False)] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="threshold, cost_and_volatility or ema_cross; the configured one by default.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="As `models list` prints it; the production model by default.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="Enter at this probability, not at the model's own.", show_default=False
        ),
    ] = None,
    initial: Annotated[
        str | None,
        typer.Option(
            "--initial",
            "--cash",
            help="Cash at the start; paper.initial_cash by default.",
            show_default=False,
        ),
    ] = None,
    limits: Annotated[
        Literal["rule", "configured"] | None,
        typer.Option(
            help="rule: costs and limits that a strategy is compared under, where the configuration sets none; the "
            "default where --strategy names one that has such. configured: those that paper trading has.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        bool,
        typer.Option("--engine", help="Play every bar through the whole engine: slower, the same result."),
    ] = False,
    output: OutputOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Trade history with the modules that trade live.

    A strategy that asks a model trades the production model, or --model. ema_cross asks none:

      gal-friday backtest --history XBTUSD_1.csv --strategy ema_cross --json

    JSON has bars, trades, final_equity and bars_per_second (of the run alone, without loading and compiling), and
    the whole report.
    """
    from gal_friday_live.commands import backtest_asked as asking
    from gal_friday_live.commands.backtest_shown import document, table

    manager, notes = asking.settings(load_config(config), strategy, limits)
    capital = asking.cash(initial, manager)
    by_model = asking.asks_model(manager, model, threshold)
    with asking.lake(history, (venue, pair, interval), manager) as lake:
        chosen = asking.chosen(manager, lake, series, (venue, pair, interval))
        predictor = asking.predictor(manager, model, chosen) if by_model else None
        span = asking.span(lake, chosen, start, end)
        report, took_s = _run(manager, lake, chosen, span, predictor, threshold, capital, exact=engine)
    report["notes"] = [*notes, *report["notes"]]
    told = document(report, took_s, strategy=manager.config.strategy.id, model=predictor)
    if output is not None:
        _write(output, report, told)
    if as_json:
        print_json(told)
    else:
        console.print(table(report, told))
        for note in report["notes"]:
            console.print(f"[yellow]{note}[/]")


def _run(
    manager: "ConfigurationManager",
    lake: "CandleLake",
    series: "Series",
    span: tuple[int, int],
    predictor: "Predictor | None",
    threshold: float | None,
    capital: Decimal,
    *,
    exact: bool,
) -> tuple[dict[str, Any], float]:
    """The report, and the seconds that trading took."""
    from gal_friday_live.backtesting import BacktestingEngine
    from gal_friday_live.prediction_service import ModelOverride

    override = None
    if threshold is not None and predictor is not None:
        override = ModelOverride(predictor.model_id, "threshold given on the command line", threshold)
    tester = BacktestingEngine(
        manager, lake=lake, predictor=predictor, series=series, override=override, exact=exact
    )
    start, end = (datetime.fromtimestamp(moment / SECOND_NS, UTC) for moment in span)
    with console.status(f"trading {series.key}"):
        report = tester.run_backtest(start, end, capital)
    return report, tester.took_s


def _write(folder: Path, report: dict[str, Any], told: dict[str, Any]) -> None:
    import msgspec

    from gal_friday_adapters.report_page import render

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1))
    (folder / "report.html").write_text(render(report), encoding="utf-8")
    console.print(f"Wrote {folder / 'report.html'} and report.json beside it.")
