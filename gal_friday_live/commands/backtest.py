"""`gal-friday backtest`: trade stored history with the engine that trades live, and say what it earned."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from gal_friday_core.candles import Series
from gal_friday_core.errors import DataError, RegistryError
from gal_friday_core.times import SECOND_NS, from_iso, to_iso
from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.lake import CandleLake
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
    start: Annotated[
        str | None, typer.Option("--from", help="First bar, ISO 8601, UTC.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive.", show_default=False)] = None,
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
    cash: Annotated[
        float | None, typer.Option(help="Initial cash; paper.initial_cash by default.", show_default=False)
    ] = None,
    output: OutputOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a model over history: the same engine, a simulated clock and exchange."""
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_adapters.paths import lake_dir

    manager = load_config(config)
    with _lake(history, CandleLake(lake_dir(manager.config))) as lake:
        chosen = _choose(lake, series, manager)
        predictor = asyncio.run(_predictor(manager, model, chosen))
        capital = manager.config.paper.initial_cash if cash is None else Decimal(str(cash))
        report = _run(manager, lake, chosen, predictor, threshold, _span(lake, chosen, start, end), capital)
    report = {"model_id": predictor.model_id, **report}
    if output is not None:
        _write(output, report)
    if as_json:
        print_json(report)
    else:
        console.print(_table(report))
        for note in report["notes"]:
            console.print(f"[yellow]{note}[/]")


@contextmanager
def _lake(history: list[Path] | None, stored: "CandleLake") -> "Iterator[CandleLake]":
    """The stored lake, or one of its own for the files given, gone afterwards."""
    from gal_friday_adapters.ingest import ingest_paths
    from gal_friday_adapters.lake import CandleLake

    if not history:
        yield stored
        return
    with tempfile.TemporaryDirectory(prefix="gal-friday-") as folder:
        lake = CandleLake(Path(folder))
        ingest_paths(list(history), lake)
        yield lake


def _choose(lake: "CandleLake", wanted: str | None, manager: "ConfigurationManager") -> Series:
    """The series asked for, else the only one stored, else the configured one."""
    if wanted is not None:
        return Series.parse(wanted)
    stored = lake.series()
    if len(stored) == 1:
        return stored[0]
    market = manager.config.market
    configured = Series(market.exchange, market.pairs[0], market.interval)
    if configured in stored:
        return configured
    listed = ", ".join(item.key for item in stored)
    raise DataError(
        f"choose with --series: stored are {listed}" if stored else "no candles are stored: ingest first"
    )


async def _predictor(manager: "ConfigurationManager", model_id: str | None, series: Series) -> "Predictor":
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.model_registry import ModelRegistry

    async with open_database(manager.config) as database:
        registry = ModelRegistry(manager, database)
        if model_id is not None:
            return await registry.by_id(model_id)
        found = await registry.production(series.key)
    if found is None:
        raise RegistryError(
            f"{series.key} has no production model: name one with --model (gal-friday models list), or train "
            "with gal-friday up"
        )
    return found


def _span(lake: "CandleLake", series: Series, start: str | None, end: str | None) -> tuple[int, int]:
    """The time asked for; all that is stored by default."""
    months = lake.months(series)
    if not months:
        raise DataError(f"no candles of {series.key} are stored: run gal-friday ingest first")
    first = from_iso(start) if start else int(lake.read(series, end_ns=_after(months[0])).ts[0])
    last = from_iso(end) if end else _after(months[-1])
    if first >= last:
        raise DataError(f"--from {to_iso(first)} is not before --to {to_iso(last)}")
    return first, last


def _after(month: str) -> int:
    year, number = map(int, month.split("-"))
    return from_iso(f"{year + number // 12:04d}-{number % 12 + 1:02d}-01")


def _run(
    manager: "ConfigurationManager",
    lake: "CandleLake",
    series: Series,
    predictor: "Predictor",
    threshold: float | None,
    span: tuple[int, int],
    capital: Decimal,
) -> dict[str, Any]:
    from gal_friday_live.backtesting import BacktestingEngine
    from gal_friday_live.prediction_service import ModelOverride

    override = None
    if threshold is not None:
        override = ModelOverride(predictor.model_id, "threshold given on the command line", threshold)
    engine = BacktestingEngine(manager, lake=lake, predictor=predictor, series=series, override=override)
    start, end = (datetime.fromtimestamp(moment / SECOND_NS, UTC) for moment in span)
    return engine.run_backtest(start, end, capital)


def _write(folder: Path, report: dict[str, Any]) -> None:
    import msgspec

    from gal_friday_adapters.report_page import render

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    (folder / "report.html").write_text(render(report), encoding="utf-8")
    console.print(f"Wrote {folder / 'report.html'} and report.json beside it.")


def _table(report: dict[str, Any]) -> Table:
    table = Table("", "", title=report["title"], show_header=False)
    sharpe, trades = report["sharpe"], report["trades"]
    rows = {
        "time": f"{report['start'][:16]} to {report['end'][:16]}",
        "return": f"{report['total_return']:+.2%} ({report['net_profit']})",
        "Sharpe": _interval(sharpe),
        "max drawdown": f"{report['max_drawdown']['depth']:.2%}",
        "exposure": f"{report['exposure_time']:.1%} of the time",
        "turnover": f"{report['turnover']:.1f} times equity",
        "fees": report["fees"],
        "trades": f"{trades['count']}, hit rate {_percent(trades['hit_rate'])}",
        "halted": "; ".join(report["engine"]["halt_reasons"]) or "no",
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table


def _interval(sharpe: dict[str, Any]) -> str:
    if sharpe["value"] is None:
        return "not defined"
    if sharpe["low"] is None:
        return f"{sharpe['value']:.2f}"
    return f"{sharpe['value']:.2f} ({sharpe['confidence']:.0%}: {sharpe['low']:.2f} to {sharpe['high']:.2f})"


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1%}"
