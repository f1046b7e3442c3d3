"""What live engines did, back as assets: the lineage from a candle to realised profit, month by month and by series."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from gal_friday_adapters.lake import CandleLake
from gal_friday_assets import live_divergences, live_exports, live_feedback
from gal_friday_assets.columns import of_labels
from gal_friday_assets.partitions import all_months_at_once, pair_months
from gal_friday_assets.resources import Settings


def _by_month(
    *deps: str,
    kinds: frozenset[str] = frozenset({"postgres", "parquet"}),
    columns: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset of this room, cut as the candles are."""
    return dg.asset(
        group_name="monitoring",
        owners=["team:trading"],
        partitions_def=pair_months,
        backfill_policy=all_months_at_once,
        code_version="1",
        kinds=set(kinds),
        deps=deps,
        metadata=columns,
    )


@_by_month("live_engine")
def live_predictions(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Everything that any model said of each bar, traded or in the shadow: value, threshold, when it was known."""
    live_exports.exported(context, settings, live_exports.predictions(settings))


@_by_month("live_engine")
def live_features(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Bars as live engines heard them, and the features that they made of them, bit for bit."""
    live_exports.exported(context, settings, live_exports.features(settings))


@dg.asset_check(asset="live_features")
def parity(
    context: dg.AssetCheckExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> dg.AssetCheckResult:
    """Computed again from the bars that were heard, every feature has the very bytes that were used."""
    return live_exports.parity(context, settings, lake)


@_by_month("live_engine")
def live_orders(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Every order as it was meant, and all that was reported of it."""
    live_exports.exported(context, settings, live_exports.orders(settings))


@_by_month("live_engine")
def live_fills(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Every execution as it was booked, with what it realised, and position and cash after it."""
    live_exports.exported(context, settings, live_exports.fills(settings))


@_by_month("live_predictions", "live_orders")
def live_latencies(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """How long each order took, from the bar's close to the first fill, step by step."""
    live_exports.exported(context, settings, live_exports.latencies(settings))


@_by_month("live_predictions", "candles", columns={"dagster/column_lineage": of_labels()})
def live_labels(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> None:
    """Predictions with what became of them, once that is known: the label that the model was trained to foresee."""
    live_exports.exported(context, settings, live_exports.labels(settings, lake))


@_by_month(
    "candles", "live_predictions", "live_features", "live_orders", "live_fills",
    kinds=frozenset({"numba", "postgres"}),
)  # fmt: skip
def live_divergence(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    lake: dg.ResourceParam[CandleLake],
) -> None:
    """Live minus the backtest of the same time: data, feature, latency, risk, fill and fee parts, to the cent."""
    live_exports.exported(context, settings, live_divergences.divergences(settings, lake))


@_by_month("live_engine")
def live_decisions(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Every plan of a split engine's alphas and what the decision maker said of it: why not, how much, how soon."""
    live_exports.exported(context, settings, live_feedback.decisions(settings))


@_by_month("live_decisions")
def live_executions(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Every report of a split engine's trader, with its plan: what slipped, and how long it took since."""
    live_exports.exported(context, settings, live_feedback.executions(settings))
