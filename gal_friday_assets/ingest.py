"""The exchange's latest bars as an asset: every traded series is topped up by the clock, into the lake.

One run tops up all of them, in turn, in the pool `exchange`: however many runs are asked for, the exchange hears
one question at a time. What changed in the lake is for the sensor `pair_universe` to see.
"""

import time
from datetime import timedelta

import dagster as dg

from gal_friday_adapters.history.top_up import top_up
from gal_friday_adapters.lake import CandleLake
from gal_friday_assets.describe import topped_up
from gal_friday_assets.lineage import newest
from gal_friday_assets.partitions import EXCHANGE_POOL
from gal_friday_assets.resources import Settings
from gal_friday_assets.retries import asking_again
from gal_friday_core.continuity import why_stale
from gal_friday_core.errors import ExchangeError


@dg.asset(
    group_name="ingest",
    kinds={"parquet"},
    owners=["team:market-data"],
    deps=["exchange"],
    code_version="1",
    pool=EXCHANGE_POOL,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=timedelta(minutes=30), warn_window=timedelta(minutes=15)
    ),
)
def recent_bars(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.MaterializeResult[None]:
    """Bars that closed since the last time, and the latest ones again, of every traded series, asked of its exchange."""
    with asking_again(context):
        found = top_up(settings.traded, lake, overlap_bars=settings.config.history.overlap_bars)
        problems = [one.problem for one in found if one.problem]
        if len(problems) == len(found):
            raise ExchangeError(f"no series was topped up: {problems[0]}")
    return dg.MaterializeResult(metadata=topped_up(found))


@dg.asset_check(asset="recent_bars")
def every_series_answered(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """No series was left out by its exchange."""
    problems = newest(context, "recent_bars")["problems"]
    return dg.AssetCheckResult(
        passed=not problems,
        description="; ".join(f"{key}: {problem}" for key, problem in problems.items()) or "all of them",
    )


@dg.asset_check(asset="recent_bars")
def newest_bars(
    lake: dg.ResourceParam[CandleLake], settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """The newest stored bar of every traded series is recent: Dagster's own freshness knows runs, not series."""
    limit, now_ns = settings.config.history.max_age_minutes, time.time_ns()
    said = {one.key: why_stale(lake.closed_ns(one), now_ns, limit) for one in settings.traded}
    stale = [f"{key}: {reason}" for key, reason in said.items() if reason]
    return dg.AssetCheckResult(passed=not stale, description="; ".join(stale) or "all are current")
