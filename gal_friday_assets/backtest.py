"""The candidate traded over the holdout by the very engine that trades live: the only door from assets into it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from gal_friday_adapters.artifact_store import ArtifactStore
from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.backtest_report import backtest_metadata, write_report
from gal_friday_assets.lineage import latest
from gal_friday_assets.partitions import pairs
from gal_friday_assets.progress import Progress
from gal_friday_assets.resources import Registry, Settings
from gal_friday_core import __version__
from gal_friday_core.candles import Series
from gal_friday_core.predictor import Predictor
from gal_friday_core.tearsheet.tried import tried_of
from gal_friday_core.times import SECOND_NS
from gal_friday_live.backtest_beside import run_beside
from gal_friday_live.override import override_for


@dg.asset(
    group_name="trading",
    kinds={"numba"},
    owners=["team:trading"],
    partitions_def=pairs,
    deps=["candidate_model", "registered_model", "production_model"],
    code_version=__version__,
)
def backtest_report(
    context: dg.AssetExecutionContext,
    *,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
    artifacts: dg.ResourceParam[ArtifactStore],
    registry: dg.ResourceParam[Registry],
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[None]:
    """What the model would have earned on the history that nothing was learnt from, beside the one in production; a
    refused one under an override.
    """
    progress("backtest", 0, 1)
    decision = latest(context, "production_model")
    artifact_id = latest(context, "candidate_model")["artifact"]
    predictor = load(artifacts, artifact_id, decision["model_id"])
    refused = not decision["promoted"]
    report = run_beside(
        settings.manager, lake, predictor, incumbent_of(registry, decision),
        span=holdout(lake, predictor), capital=settings.config.paper.initial_cash,
        tried=tried_of(artifacts.get(artifact_id)),
        override=override_for(predictor, lake, predictor.metadata.holdout_start_ns) if refused else None,
    )  # fmt: skip
    report |= {"model_id": predictor.model_id, "under_override": refused}
    page = write_report(settings.report_file(predictor.model_type, artifact_id[:12], "backtest.html"), report)
    progress("backtest", 1, 1)
    return dg.MaterializeResult(metadata=backtest_metadata(report, page))


def incumbent_of(registry: Registry, decision: Mapping[str, Any]) -> Predictor | None:
    """What is in production beside the candidate that `production_model` decided on, or None."""
    production = decision["production"]
    if not production or production == decision["model_id"]:
        return None
    return registry.call(lambda models: models.by_id(production))


def load(artifacts: ArtifactStore, artifact_id: str, model_id: str) -> Predictor:
    """A registered model from its files. Raises ArtifactError."""
    model_type, _, version = model_id.rpartition("@v")
    return Predictor.from_files(
        artifacts.get(artifact_id), model_id=model_id, model_type=model_type, version=int(version)
    )


def holdout(lake: CandleLake, predictor: Predictor) -> tuple[datetime, datetime]:
    """From the first bar that the model has not seen to the end of what is stored."""
    start_ns = predictor.metadata.holdout_start_ns
    series = Series.parse(predictor.metadata.series)
    last_ns = lake.closed_ns(series) or start_ns
    start, end = (datetime.fromtimestamp(ns // SECOND_NS, UTC) for ns in (start_ns, last_ns))
    return start, end
