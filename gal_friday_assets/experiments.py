"""Running experiments as an asset: reviewed by the clock, each with its page, its numbers plotted over time."""

import asyncio

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.experiment_reviews import described, review, write_page
from gal_friday_assets.resources import Settings


@dg.asset(
    group_name="experiments", kinds={"postgres"}, owners=["team:research"], deps=["live_engine"], code_version="1",
)  # fmt: skip
def experiment_analysis(
    settings: dg.ResourceParam[Settings], lake: dg.ResourceParam[CandleLake]
) -> dg.MaterializeResult[None]:
    """What every running experiment shows by now: outcomes taken in, losing variants stopped, what is decided ended."""
    found = asyncio.run(review(settings, lake))
    pages = {experiment["name"]: write_page(settings, experiment, drawn) for experiment, drawn in found}
    return dg.MaterializeResult(metadata=described([experiment for experiment, _ in found], pages))


@dg.asset_check(asset="experiment_analysis")
def nothing_is_wrong(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """No experiment is without traffic, loses outcomes, or had to stop a variant."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey("experiment_analysis"))
    told = event.asset_materialization if event is not None else None
    alarms = {} if told is None else told.metadata["alarms"].value
    assert isinstance(alarms, dict)
    text = "; ".join(f"{name}: {alarm}" for name, alarm in alarms.items())
    return dg.AssetCheckResult(
        passed=not alarms, severity=dg.AssetCheckSeverity.WARN, description=text or "all is well"
    )
