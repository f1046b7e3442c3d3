"""Sweeps: a grid of settings over one or many series, in parallel, judged by everything that was ever tried.

`sweep` runs every point over the whole time; with `Request.walk` it chooses on each window and trades the next. Every
trial is told to the log as it comes, so that a sweep which is cut off has been counted too.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from gal_friday_adapters.postgres.trial_log import TrialLog
from gal_friday_adapters.shared_data import share_candles, share_model, sharing
from gal_friday_adapters.worker_pool import Workers
from gal_friday_core import artifact
from gal_friday_core.backtest.portfolio import require_one_portfolio
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, DataError
from gal_friday_core.progress import Progress, quiet
from gal_friday_core.strategies.registry import history_bars
from gal_friday_core.sweeps.grid import Axis, Grid, configured, grid
from gal_friday_core.sweeps.outcome import Outcome, held
from gal_friday_core.sweeps.result import (
    ALL,
    Best,
    Objective,
    Run,
    Step,
    Sweep,
    Walk,
    best_one,
    choose,
    stitched,
    together,
    walked,
)
from gal_friday_core.sweeps.walk import Window, windows
from gal_friday_core.times import to_iso
from gal_friday_live.sweep_making import Making, by_stretch
from gal_friday_live.sweep_run import Batch, Job, told
from gal_friday_live.sweep_trials import Ledger

Model = tuple[str, dict[str, bytes]]

SHARED = " + "
"""Between the names of series that share a portfolio."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is swept. `models`: id and files of the model that trades a series, by its key. `walk`: days to choose on,
    days to trade, and whether every choice looks back to the start. `one_portfolio`: all series share `capital` and limits,
    instead of each having its own.
    """

    axes: tuple[Axis, ...]
    start_ns: int
    end_ns: int
    capital: Decimal
    objective: Objective = "ratio"
    models: dict[str, Model] = msgspec.field(default_factory=dict)
    walk: tuple[int, int, bool] | None = None
    one_portfolio: bool = False


class Group(msgspec.Struct, frozen=True):
    """Series `of` one portfolio, and what holding them would have given, in equal parts."""

    of: tuple[str, ...]
    asset: Outcome


def sweep(
    config: Config,
    candles: Mapping[Series, Candles],
    request: Request,
    workers: Workers,
    *,
    log: TrialLog | None = None,
    progress: Progress = quiet,
) -> Sweep:
    """Run the grid over `candles`, each series with the bars before the start that its features are warmed up on.

    KeyboardInterrupt ends it early: what has run by then is judged. Raises ConfigError for a grid that cannot be,
    DataError where a series has no bars in that time or not one point gave anything, StorageError where the log of
    trials does not answer.
    """
    found = grid(config, request.axes)
    if config.fidelity.replay != "bars":
        raise ConfigError(
            f"a sweep trades bars, and fidelity.replay is {config.fidelity.replay}: set it to bars, and backtest the best"
        )
    if request.one_portfolio:
        require_one_portfolio(tuple(candles))
    spans = {series.key: _span(bars, request) for series, bars in candles.items()}
    models = {key: model_id for key, (model_id, _) in request.models.items()}
    versions = {key: bars.fingerprint() for key, bars in spans.items()}
    shared = request.one_portfolio and len(spans) > 1
    ledger = Ledger(config, request.capital, versions, models, log, shared=shared)
    groups = _groups(spans, one_portfolio=request.one_portfolio)
    with sharing() as folder:
        job = _job(config, found, candles, request, folder)
        workers.hold((*job.candles.values(), *job.models.values()))
        making = Making(job, found, workers, progress)
        bests: Sequence[Best] = ()
        walks: Sequence[Walk] = ()
        if request.walk is None:
            bests = _bests(request, groups, making, ledger, config)
        else:
            walks = _walks(request, request.walk, groups, making, ledger, config)
    return Sweep(
        strategy=config.strategy.id,
        models=models,
        objective=request.objective,
        start_ns=request.start_ns,
        end_ns=request.end_ns,
        grid=found,
        runs=tuple(making.runs),
        bests=tuple(bests),
        walks=tuple(walks),
        workers=workers.count,
        wall_s=making.wall_s,
        work_s=tuple(making.work_s.values()),
        cancelled=making.cancelled,
        notes=tuple(_in_sample(request)),
    )


def _in_sample(request: Request) -> list[str]:
    """A model knows the history it was trained on: settings that are best there are best at nothing."""
    held_out = {
        model_id: int(artifact.from_json(artifact.METADATA, files[artifact.METADATA])["holdout_start_ns"])
        for model_id, files in request.models.values()
    }
    return [
        f"In sample: {name} was trained on everything before {to_iso(moment)[:16]}; sweep what comes after."
        for name, moment in held_out.items()
        if request.start_ns < moment
    ]


def _job(
    config: Config, found: Grid, candles: Mapping[Series, Candles], request: Request, folder: Path
) -> Job:
    return Job(
        config=told(config),
        capital=request.capital,
        before=max(history_bars(configured(config, point)) for point in found.points),
        candles={series.key: share_candles(folder, bars) for series, bars in candles.items()},
        models={key: share_model(folder, *model) for key, model in request.models.items()},
    )


def _span(candles: Candles, request: Request) -> Candles:
    """The bars that are traded. Raises DataError where there are too few."""
    found = candles.between(request.start_ns, request.end_ns)
    if len(found) < 2:
        raise DataError(f"{candles.series.key} has {len(found)} bars in the time that is swept: ingest more")
    return found


def _groups(spans: Mapping[str, Candles], *, one_portfolio: bool) -> dict[str, Group]:
    """What has a portfolio of its own, by what it is called."""
    if one_portfolio:
        asset = _certain(together([held(bars) for bars in spans.values()]))
        return {SHARED.join(spans): Group(tuple(spans), asset)}
    return {key: Group((key,), held(bars)) for key, bars in spans.items()}


def _bests(
    request: Request, groups: Mapping[str, Group], making: Making, ledger: Ledger, config: Config
) -> list[Best]:
    """Every point over the whole time, of each portfolio and of all together."""
    points, start_ns, end_ns = making.grid.points, request.start_ns, request.end_ns

    def keep(runs: Sequence[Run]) -> None:
        for (series, _, _), these in by_stretch(runs).items():
            tried = [(points[run.place], run.outcome, run.reason) for run in these]
            ledger.keep(series, start_ns, end_ns, tried)

    everything = tuple(range(len(points)))
    batches = [
        Batch(series=key, of=one.of, start_ns=start_ns, end_ns=end_ns, places=everything, points=points)
        for key, one in groups.items()
    ]
    making.make("sweep", batches, keep)
    making.require_result()
    outcomes = {key: making.outcomes(key, start_ns, end_ns) for key in groups}
    assets = {key: one.asset for key, one in groups.items()}
    if len(groups) > 1:
        columns = list(outcomes.values())
        outcomes[ALL] = [together(at) for at in zip(*columns, strict=True)]
        assets[ALL] = _certain(together(list(assets.values())))
        pooled = [(points[place], one, "") for place, one in enumerate(outcomes[ALL]) if one is not None]
        ledger.keep(ALL, start_ns, end_ns, pooled)
    return [_best(key, outcomes[key], assets[key], request, making, ledger, config) for key in outcomes]


def _best(  # noqa: PLR0917 - one caller, everything that it knows
    series: str,
    outcomes: Sequence[Outcome | None],
    asset: Outcome,
    request: Request,
    making: Making,
    ledger: Ledger,
    config: Config,
) -> Best:
    trials, ratios = ledger.tried("backtest", series)
    return best_one(
        series, making.grid, outcomes, asset,
        objective=request.objective, trials=trials, ratios=ratios, gates=config.gates,
    )  # fmt: skip


def _certain(found: Outcome | None) -> Outcome:
    assert found is not None
    return found


def _walks(  # noqa: PLR0917 - one caller, everything that it knows
    request: Request,
    terms: tuple[int, int, bool],
    groups: Mapping[str, Group],
    making: Making,
    ledger: Ledger,
    config: Config,
) -> list[Walk]:
    """Choose on every window of every series at once, then trade all that was chosen."""
    train_days, test_days, anchored = terms
    steps = windows(
        request.start_ns, request.end_ns, train_days=train_days, test_days=test_days, anchored=anchored
    )
    points = making.grid.points
    everything = tuple(range(len(points)))
    stretches = [(key, step) for key in groups for step in steps]
    making.make(
        "choose",
        [
            Batch(
                series=key, of=groups[key].of, start_ns=at.train_ns, end_ns=at.test_ns, places=everything, points=points
            )
            for key, at in stretches
        ],
    )  # fmt: skip
    making.require_result()
    chosen = {
        at: choose(making.outcomes(at[0], at[1].train_ns, at[1].test_ns), request.objective)
        for at in stretches
    }
    making.make(
        "trade",
        [
            Batch(
                series=key, of=groups[key].of, start_ns=step.test_ns, end_ns=step.end_ns, places=(place,),
                points=(points[place],),
            )
            for (key, step), place in chosen.items()
            if place is not None
        ],
    )  # fmt: skip
    said = {"train_days": train_days, "test_days": test_days, "anchored": anchored}
    found = []
    for key, group in groups.items():
        made = [_step(making, key, step, chosen[key, step]) for step in steps]
        whole = stitched(made)
        if whole is not None and not making.cancelled:
            span = {"start_ns": request.start_ns, "end_ns": request.end_ns, "objective": request.objective}
            ledger.keep_walk(key, making.grid.axes, {**said, **span}, whole)
        trials, ratios = ledger.tried("walk", key)
        found.append(walked(key, made, whole, group.asset, trials=trials, ratios=ratios, gates=config.gates))
    return found


def _step(making: Making, series: str, window: Window, place: int | None) -> Step:
    if place is None:
        return Step(
            series=series, window=window, place=None, chosen_ratio=None, traded_ratio=None, traded=None,
            reason="no point gave a result to choose by",
        )  # fmt: skip
    chosen = making.outcomes(series, window.train_ns, window.test_ns)[place]
    traded = making.run(series, place, window.test_ns, window.end_ns)
    return Step(
        series=series,
        window=window,
        place=place,
        chosen_ratio=chosen.ratio if chosen else None,
        traded_ratio=traded.outcome.ratio if traded and traded.outcome else None,
        traded=traded.outcome if traded else None,
        reason=traded.reason if traded else "not traded: the sweep was ended before",
    )
