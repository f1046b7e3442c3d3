"""`gal-friday ingest`: candle history into the lake, from files or from an exchange."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from gal_friday_core.errors import DataError
from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

    from gal_friday_adapters.history.report import FileReport, IngestReport
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_core.candle_quality import QualityReport

SHOWN_REFUSALS = 20
COLUMNS = ("rows", "new", "missing", "outcome")
STYLES = {"stored": "green", "refused": "red", "quarantined": "red", "left out": "dim"}


def ingest(
    history: Annotated[
        list[Path] | None,
        typer.Option(
            "--history",
            metavar="PATH",
            help="A file, ZIP archive or folder of candles: Kraken's OHLCVT CSV (XBTUSD_1.csv) or Parquet "
            "(bitfinex_BTCUSD_1m_2017.parquet). Repeatable.",
            show_default=False,
        ),
    ] = None,
    exchange: Annotated[
        str | None, typer.Option(help="Download from this exchange instead, e.g. kraken.", show_default=False)
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option(
            help="As BASE/QUOTE, e.g. XBT/USD. Overrules the name of a file; among several, chooses.",
            show_default=False,
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            help="Bar length: 1m 5m 15m 30m 1h 4h 1d. Overrules or chooses, as --pair.", show_default=False
        ),
    ] = None,
    venue: Annotated[
        str | None, typer.Option(help="Where the candles of the files were traded.", show_default=False)
    ] = None,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="More of the same, as a shell expands them.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="First time to download, ISO 8601, e.g. 2024-01-01.", show_default=False),
    ] = None,
    *,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep/--no-deep", help="Rebuild bars older than Kraken's last 720 from single trades."
        ),
    ] = True,
    skip_bad_rows: Annotated[
        bool,
        typer.Option(
            "--skip-bad-rows", help="Store the good rows of a file with a few bad ones; list those."
        ),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring candle history into the lake, checked; what is already stored is kept, and nothing is stored twice.

    [bold]Examples[/]

      gal-friday ingest --history Kraken_OHLCVT.zip --pair XBT/USD --interval 1m

      gal-friday ingest --history bitfinex_BTCUSD_1m_2017.parquet --history XBTUSD_1.csv

      gal-friday ingest --history archive/*_1.csv

      gal-friday ingest --history prices.csv --venue kraken --pair ETH/USD --interval 5m

      gal-friday ingest --exchange kraken --pair XBT/USD --interval 1m --since 2024-03-01

    A file is stored whole or not at all; bad rows are named with file, line and reason. An implausible file
    is quarantined. Exit code 2 when anything was refused.
    """
    from gal_friday_adapters.lake import CandleLake  # late: usage errors and help need no Polars
    from gal_friday_adapters.paths import lake_dir

    history = [*(history or ()), *(paths or ())]
    if bool(history) == bool(exchange):
        raise DataError("give either --history PATH or --exchange NAME")
    lake = CandleLake(lake_dir(load_config(config).config))
    with progress_bars() as progress:
        if history:
            report = _from_files(history, lake, (venue, pair, interval), skip_bad_rows, progress)
        else:
            report = _from_exchange((exchange, pair, interval, since), lake, deep, progress)
    if as_json:
        print_json(report.to_dict())
    _show(report)
    report.check()


def _from_files(
    paths: list[Path],
    lake: "CandleLake",
    said: tuple[str | None, str | None, str | None],
    skip_bad_rows: bool,
    progress: Callable[[str, int, int], None],
) -> "IngestReport":
    from gal_friday_adapters.ingest import Overrides, ingest_paths

    return ingest_paths(
        paths,
        lake,
        overrides=Overrides(*said),
        skip_bad_rows=skip_bad_rows,
        keep_going=True,
        progress=progress,
    )


def _from_exchange(
    said: tuple[str | None, ...], lake: "CandleLake", deep: bool, progress: Callable[[str, int, int], None]
) -> "IngestReport":
    import stamina.instrumentation

    from gal_friday_adapters.history.naming import split_pair
    from gal_friday_adapters.ingest import ingest_exchange
    from gal_friday_core.candles import Series
    from gal_friday_core.times import from_iso, interval_ns

    exchange, pair, interval, since = said
    if not (exchange and pair and interval and since):
        raise DataError("a download needs --exchange, --pair, --interval and --since")
    interval_ns(interval)
    stamina.instrumentation.set_on_retry_hooks((_tell_retry,))
    series = Series(exchange.lower(), split_pair(pair), interval)
    return ingest_exchange(series, lake, since_ns=from_iso(since), deep=deep, progress=progress)


def _tell_retry(details: "RetryDetails") -> None:
    console.print(
        f"[yellow]the exchange did not answer ({type(details.caused_by).__name__}); "
        f"next try in {details.wait_for:.1f} s[/]"
    )


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """One progress bar a file, on standard error; gone when done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                for task in tasks.values():
                    bars.update(task, visible=False)
                tasks[name] = bars.add_task(escape(name), total=None)
            bars.update(tasks[name], completed=done, total=total or None)

        yield progress


def _show(report: "IngestReport") -> None:
    """What happened, on standard error; a lone refusal is left to the one line that ends the command."""
    if len(report.files) > 1:
        table = Table(Column("file", overflow="fold"), *(Column(name, no_wrap=True) for name in COLUMNS))
        for file in report.files:
            table.add_row(*_row(file))
        console.print(table)
    for file in report.files:
        _show_details(file, alone=len(report.failures) == 1)
    if report.series:
        console.print(
            f"{report.rows:,} rows in {len(report.series)} series: {report.added:,} new, "
            f"{report.unchanged:,} known, {report.replaced:,} replaced, {report.refused:,} left out"
        )


def _row(file: "FileReport") -> tuple[str, ...]:
    missing = f"{file.quality.missing_bars:,}" if file.quality else ""
    counts = (f"{file.rows:,}", f"{file.added:,}") if file.rows else ("", "")
    return (escape(file.name), *counts, missing, f"[{STYLES[file.status]}]{file.status}[/]")


def _show_details(file: "FileReport", *, alone: bool) -> None:
    if file.reason and not (alone and file.status in ("refused", "quarantined")):
        console.print(f"[{STYLES[file.status]}]{file.status}[/] {escape(file.reason)}", soft_wrap=True)
    if file.status == "stored" and file.series and file.quality and file.quality.rows:
        console.print(f"[bold]{escape(file.series.key)}[/] {_measured(file.quality)}", soft_wrap=True)
    for note in file.notes:
        console.print(f"{escape(file.name)}: {escape(note)}", soft_wrap=True)
    for row in file.refused_rows[:SHOWN_REFUSALS]:
        line = f"{file.name}: {row.number}: {row.reason}: {row.content}"
        console.print(f"[yellow]left out[/] {escape(line)}", soft_wrap=True)
    if len(file.refused_rows) > SHOWN_REFUSALS:
        console.print(
            f"[yellow]… and {len(file.refused_rows) - SHOWN_REFUSALS:,} more rows of {escape(file.name)}[/]"
        )


def _measured(quality: "QualityReport") -> str:
    """The quality report in one line."""
    from gal_friday_core.times import to_iso

    assert quality.first_ns is not None
    assert quality.last_ns is not None
    worst = ""
    if quality.worst_outlier is not None and quality.worst_outlier_ns is not None:
        worst = f", largest move {quality.worst_outlier:+.1%} at {to_iso(quality.worst_outlier_ns)[:16]}"
    return (
        f"{to_iso(quality.first_ns)[:16]} to {to_iso(quality.last_ns)[:16]}: {quality.rows:,} bars, "
        f"{quality.missing_bars:,} missing in {quality.gaps:,} gaps (longest {quality.max_gap_bars:,}), "
        f"{quality.zero_volume_share:.1%} without volume, {quality.outliers:,} outliers{worst}, "
        f"longest flat run {quality.longest_flat_run:,}"
    )
