"""`gal-friday sweep`: many settings over the same history, in parallel, and whether the best of them is more than luck."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.lake import CandleLake
    from gal_friday_core.candles import Candles, Series
    from gal_friday_core.config import Config
    from gal_friday_core.progress import Progress
    from gal_friday_core.sweeps.result import Sweep
    from gal_friday_live.configuration import ConfigurationManager
    from gal_friday_live.sweeping import Model, Request

CANCELLED = 130
"""Exit code after Ctrl-C, as shells have it."""


def sweep(
    grid: Annotated[
        list[str],
        typer.Option(
            "--grid", "-g", metavar="KEY=VALUES", show_default=False,
            help="A setting and its values, V,V,… or FROM..TO:STEP. Repeat for more: every combination is tried.",
        ),
    ],
    history: Annotated[
        list[Path] | None,
        typer.Option("--history", help="Trade these files instead of the stored candles.", show_default=False),
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option("--series", help="As VENUE:BASE-QUOTE:INTERVAL. Repeat for several.", show_default=False),
    ] = None,
    together: Annotated[
        bool, typer.Option("--one-portfolio", help="All series share one cash and one set of limits.")
    ] = False,
    start: Annotated[
        str | None, typer.Option("--from", help="First bar, ISO 8601, UTC.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, exclusive.", show_default=False)] = None,
    strategy: Annotated[
        str | None, typer.Option(help="As for a backtest; the configured one by default.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="As `models list` prints it; the production model by default.", show_default=False),
    ] = None,
    initial: Annotated[
        str | None,
        typer.Option("--initial", "--cash", help="Cash of each backtest; paper.initial_cash by default.", show_default=False),
    ] = None,
    limits: Annotated[
        Literal["rule", "configured"] | None,
        typer.Option(help="Costs and limits, as for a backtest.", show_default=False),
    ] = None,
    objective: Annotated[
        Literal["ratio", "total_return"],
        typer.Option(help="What the best has most of: the daily Sharpe ratio, or the return."),
    ] = "ratio",
    train_days: Annotated[
        int | None,
        typer.Option(min=1, help="Walk forward: choose on so many days, then trade.", show_default=False),
    ] = None,
    test_days: Annotated[
        int, typer.Option(min=1, help="With --train-days: trade so many days before choosing again.")
    ] = 30,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="With --train-days: choose on everything before.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", min=1, help="Processes; one a core by default.", show_default=False)
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Workers of this dask scheduler, tls://HOST:PORT, instead.", show_default=False),
    ] = None,
    tls: Annotated[
        tuple[Path, Path, Path] | None,
        typer.Option(metavar="CA CERT KEY", help="Files to speak TLS to the scheduler with.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where page and tables go; below the reports by default.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Try many settings, and learn whether the best of them is more than luck.

      gal-friday sweep --strategy ema_cross -g ema_cross.fast=4..20:2 -g ema_cross.slow=20..60:5

    Every point is a backtest as `gal-friday backtest` makes it, every trial is remembered, and the verdict counts all
    that were ever made on the same question. With --train-days settings are chosen on the past and traded on what
    comes, again and again. Ctrl-C keeps what has been done.
    """
    from gal_friday_core.sweeps.grid import axis
    from gal_friday_core.sweeps.grid import grid as combined
    from gal_friday_live.commands import backtest_asked as asking
    from gal_friday_live.sweeping import Request

    manager, notes = asking.settings(load_config(config), strategy, limits)
    capital = asking.cash(initial, manager)
    axes = tuple(map(axis, grid))
    combined(manager.config, axes)  # what cannot be is said before bars are read, and workers started
    with asking.lake(history, (None, None, None), manager) as lake:
        chosen = _series(manager, lake, series)
        spans = {one: _stored(lake, one, asking.span(lake, one, start, end)) for one in chosen}
        request = Request(
            axes=axes, capital=capital, objective=objective, models=_models(manager, chosen, model),
            start_ns=min(first for first, _ in spans.values()), end_ns=max(last for _, last in spans.values()),
            walk=None if train_days is None else (train_days, test_days, anchored), one_portfolio=together,
        )  # fmt: skip
        found = _swept(manager, _candles(lake, spans), request, (workers, scheduler, tls))
    files = _written(manager.config, found, output)
    if as_json:
        print_json(_document(found, files, notes))
    else:
        _shown(found, files, notes)
    if found.cancelled:
        raise typer.Exit(CANCELLED)


def _series(manager: "ConfigurationManager", lake: "CandleLake", asked: list[str] | None) -> "list[Series]":
    """Those asked for, else the one that a backtest would take."""
    from gal_friday_live.commands.backtest_asked import chosen

    names: list[str | None] = [*dict.fromkeys(asked)] if asked else [None]
    return [chosen(manager, lake, name, (None, None, None)) for name in names]


def _stored(lake: "CandleLake", series: "Series", span: tuple[int, int]) -> tuple[int, int]:
    """No later than what is stored: a window of a walk must not be empty."""
    return span[0], min(span[1], lake.closed_ns(series) or span[1])


def _models(manager: "ConfigurationManager", series: "list[Series]", model: str | None) -> "dict[str, Model]":
    """Those that trade, by series; none for a strategy that asks none. Raises ConfigError, RegistryError."""
    from gal_friday_core.errors import ConfigError
    from gal_friday_live.commands.backtest_asked import asks_model, predictor

    if model is not None and len(series) > 1:
        raise ConfigError(
            f"--model {model} trades one series: leave it out, and each trades its production model"
        )
    if not asks_model(manager, model, None):
        return {}
    found = {one.key: predictor(manager, model, one) for one in series}
    return {key: (one.model_id, _files(manager.config, one.artifact_sha256)) for key, one in found.items()}


def _files(config: "Config", artifact_id: str) -> dict[str, bytes]:
    from gal_friday_adapters.artifact_store import artifacts_of

    return dict(artifacts_of(config).get(artifact_id))


def _candles(lake: "CandleLake", spans: "dict[Series, tuple[int, int]]") -> "dict[Series, Candles]":
    """All that is stored until the end: what comes before the start warms features up."""
    return {one: lake.read(one, end_ns=end) for one, (_, end) in spans.items()}


def _swept(
    manager: "ConfigurationManager",
    candles: "dict[Series, Candles]",
    request: "Request",
    hands: tuple[int | None, str | None, tuple[Path, Path, Path] | None],
) -> "Sweep":
    from gal_friday_adapters.postgres.trial_log import TrialLog
    from gal_friday_adapters.worker_pool import workers
    from gal_friday_live.commands.storage import running
    from gal_friday_live.sweeping import sweep as run

    count, scheduler, tls = hands
    with running(manager.config) as url, workers(count, scheduler, tls=tls) as found, _progress() as progress:
        return run(manager.config, candles, request, found, log=TrialLog(url), progress=progress)


@contextmanager
def _progress() -> "Iterator[Progress]":
    """One bar a stage, on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    texts = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*texts, console=console, transient=True) as bars:
        known: dict[str, Any] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in known:
                known[stage] = bars.add_task(stage, total=total)
            bars.update(known[stage], completed=done, total=total)

        yield told


def _written(config: "Config", found: "Sweep", output: Path | None) -> dict[str, Path]:
    from gal_friday_adapters.paths import reports_dir
    from gal_friday_adapters.sweep_store import sweep_id, write_sweep

    return write_sweep(output or reports_dir(config) / "sweeps" / sweep_id(found), found)


def _document(found: "Sweep", files: dict[str, Path], notes: list[str]) -> dict[str, Any]:
    """What `--json` prints: the verdicts; every backtest is in the files."""
    from gal_friday_adapters.sweep_store import sweep_id
    from gal_friday_core.times import to_iso
    from gal_friday_live.commands.sweep_shown import verdicts

    return {
        "sweep": sweep_id(found),
        "strategy": found.strategy,
        "models": found.models,
        "from": to_iso(found.start_ns),
        "to": to_iso(found.end_ns),
        "points": len(found.grid.points),
        "refused": list(found.grid.refused),
        "backtests": len(found.runs),
        "without_result": sum(run.outcome is None for run in found.runs),
        "cancelled": found.cancelled,
        "workers": found.workers,
        "wall_s": found.wall_s,
        "work_s": fsum(found.work_s),
        "overfitted": found.overfitted,
        "verdicts": verdicts(found),
        "notes": [*notes, *found.notes],
        "files": {name: str(path) for name, path in files.items()},
    }


def _shown(found: "Sweep", files: dict[str, Path], notes: list[str]) -> None:
    from gal_friday_live.commands.sweep_shown import print_sweep

    print_sweep(found)
    for text in (*notes, *found.notes):
        console.print(f"[yellow]{text}[/]")
    console.print(f"Wrote {next(iter(files.values()))} and its tables beside it.")
