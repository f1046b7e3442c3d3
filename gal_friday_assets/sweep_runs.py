"""What the asset `parameter_sweep` does: settings of a run to a sweep, and a sweep to a page and to numbers."""

import math
from pathlib import Path

import dagster as dg

from gal_friday_adapters.artifact_store import artifacts_of
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.trial_log import TrialLog
from gal_friday_adapters.sweep_store import PAGE, sweep_id, write_sweep
from gal_friday_adapters.worker_pool import workers
from gal_friday_assets.describe import Metadata, numbers
from gal_friday_assets.pages import link
from gal_friday_assets.progress import Progress
from gal_friday_assets.resources import Registry, Settings
from gal_friday_core.candles import Candles, Series
from gal_friday_core.config import Config
from gal_friday_core.errors import DataError, RegistryError
from gal_friday_core.predictor import Predictor
from gal_friday_core.strategies.presets import trading
from gal_friday_core.strategies.registry import factory
from gal_friday_core.sweeps.grid import axis, usual
from gal_friday_core.sweeps.grid import described as in_words
from gal_friday_core.sweeps.result import Sweep
from gal_friday_core.sweeps.verdict import DAYS_A_YEAR
from gal_friday_core.times import from_iso
from gal_friday_live.sweeping import Model, Request, sweep


class SweepSettings(dg.Config):  # type: ignore[misc]  # Dagster's is not typed
    """As `gal-friday sweep` takes them. `grid` empty: the strategy's usual one; `start` empty: all that the model has
    not learnt from, without a model all that is stored; `train_days` 0: no walk forward; `workers` 0: one a core;
    `scheduler`: the workers of this dask cluster instead, `tls` its three files.
    """

    grid: list[str] = []  # noqa: RUF012 - Dagster copies it
    strategy: str = ""
    start: str = ""
    end: str = ""
    train_days: int = 0
    test_days: int = 30
    workers: int = 1
    scheduler: str = ""
    tls: list[str] = []  # noqa: RUF012 - Dagster copies it


def made(
    asked: SweepSettings,
    settings: Settings,
    lake: CandleLake,
    registry: Registry,
    series: Series,
    *,
    progress: Progress,
) -> Sweep:
    """Run it. Raises DataError where nothing is stored in that time, RegistryError where no model trades."""
    config = trading(settings.config, asked.strategy) if asked.strategy else settings.config
    candles = lake.read(series, end_ns=from_iso(asked.end) if asked.end else None)
    if not len(candles):
        raise DataError(f"no candles of {series.key} are stored until {asked.end or 'now'}")
    predictor = _predictor(config, registry, series)
    models: dict[str, Model] = {}
    artifacts = artifacts_of(settings.config)
    if predictor is not None:
        models[series.key] = predictor.model_id, dict(artifacts.get(predictor.artifact_sha256))
    request = Request(
        axes=tuple(map(axis, asked.grid or usual(config.strategy.id))),
        start_ns=_start(asked, candles, predictor),
        end_ns=int(candles.ts[-1]) + series.interval_ns,
        capital=config.paper.initial_cash,
        models=models,
        walk=(asked.train_days, asked.test_days, False) if asked.train_days else None,
    )
    tls = [Path(file) for file in asked.tls]
    with workers(asked.workers or None, asked.scheduler or None, tls=tls or None) as hands:
        return sweep(
            config, {series: candles}, request, hands, log=TrialLog(settings.database_url), progress=progress
        )


def _predictor(config: Config, registry: Registry, series: Series) -> Predictor | None:
    """The model in production; None for a strategy that asks none."""
    if factory(config.strategy.id)(config, config.barriers).rule is not None:
        return None
    found = registry.call(lambda models: models.production(series.key))
    if found is None:
        raise RegistryError(f"{series.key} has no production model to sweep {config.strategy.id} with")
    return found


def _start(asked: SweepSettings, candles: Candles, predictor: Predictor | None) -> int:
    if asked.start:
        return from_iso(asked.start)
    return int(candles.ts[0]) if predictor is None else predictor.metadata.holdout_start_ns


def written(settings: Settings, series: Series, found: Sweep) -> Path:
    """The page of it, its tables beside it."""
    page = settings.report_file(series.key, f"sweep-{sweep_id(found)}", PAGE)
    return write_sweep(page.parent, found)[PAGE]


def described(found: Sweep, page: Path) -> Metadata:
    """The verdict, and the figures that it rests on."""
    (verdict,) = found.verdicts.values()
    best = next((one.place for one in found.bests if one.place is not None), None)
    luck = None if verdict.luck is None else verdict.luck * math.sqrt(DAYS_A_YEAR)
    return {
        "verdict": verdict.word,
        "reasons": " ".join(verdict.reasons),
        "best": "none" if best is None else in_words(found.grid.points[best]),
        "points": len(found.grid.points),
        "backtests": len(found.runs),
        "trials": verdict.trials,
        **numbers({
            "annual_sharpe": verdict.annual_ratio, "annual_luck": luck, "deflated_sharpe": verdict.dsr,
            "probability_of_overfitting": verdict.pbo, "wall_s": found.wall_s,
        }),
        "page": link(page),
        "sweep_page": dg.MetadataValue.path(page),
    }  # fmt: skip
