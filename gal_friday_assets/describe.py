"""Metadata of assets: numbers that Dagster plots over time, column schemas, and nothing that it would not show."""

import math
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from gal_friday_adapters.history.top_up import ToppedUp
from gal_friday_core.candles import Candles
from gal_friday_core.features.schema import FeatureSchema
from gal_friday_core.label_sets import LabelSet
from gal_friday_core.predictor import ModelMetadata
from gal_friday_core.times import to_iso
from gal_friday_core.training_set import TrainingSet
from gal_friday_core.validation import ValidationReport

Metadata = dict[str, Any]

_CANDLE_COLUMNS = (
    ("ts", "int64", "open time, nanoseconds UTC"),
    ("open", "float64", "first price"),
    ("high", "float64", "highest price"),
    ("low", "float64", "lowest price"),
    ("close", "float64", "last price"),
    ("volume", "float64", "base units traded"),
    ("trades", "int64", "number of trades, -1 where the source is silent"),
)


def candle_columns() -> dg.TableSchema:
    """The columns of a month of candles."""
    return dg.TableSchema([dg.TableColumn(name, kind, text) for name, kind, text in _CANDLE_COLUMNS])


def feature_columns(schema: FeatureSchema) -> dg.TableSchema:
    """The columns of a feature table, each with its unit and the source of its formula."""
    columns = [
        dg.TableColumn(feature.name, "float64", f"{feature.unit}; {feature.source}")
        for feature in schema.features
    ]
    return dg.TableSchema([dg.TableColumn("ts", "int64", "open time of the bar, nanoseconds UTC"), *columns])


def topped_up(found: list[ToppedUp]) -> Metadata:
    """What a top-up did, in all and by series."""
    table = dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "series": one.series.key,
                    "added": one.added,
                    "corrected": one.corrected,
                    "closed": "" if one.closed_ns is None else to_iso(one.closed_ns),
                }
            )
            for one in found
        ]
    )
    return {
        "added": sum(one.added for one in found),
        "corrected": sum(one.corrected for one in found),
        "by_series": table,
        "problems": {one.series.key: one.problem for one in found if one.problem},
    }


def month_of_candles(bars: Candles, bounds: tuple[int, int]) -> Metadata:
    """Size, coverage and version of one month; `missing_share` counts bars that the grid has and we have not."""
    expected = (bounds[1] - bounds[0]) // bars.series.interval_ns
    metadata: Metadata = {
        "dagster/row_count": len(bars),
        "missing_share": 1 - len(bars) / expected,
        "content": bars.fingerprint(),
    }
    if len(bars):
        metadata["zero_volume_share"] = float(np.mean(bars.volume == 0))
        metadata["close"] = float(bars.close[-1])
        metadata["volume"] = float(np.sum(bars.volume))
    return metadata


def month_of_features(values: NDArray[np.float64]) -> Metadata:
    """Size of one month of features, shape (n, f), and the share of rows that no model may see yet."""
    unready = float(np.mean(np.isnan(values).any(axis=1))) if len(values) else 0.0
    return {"dagster/row_count": len(values), "not_ready_share": unready}


def labels_metadata(data: TrainingSet, defined: LabelSet) -> Metadata:
    """Definition, size and balance of a training set."""
    labels, events = data.labels, data.labels[data.events]
    return {
        "label_set": defined.name,
        "label_hash": defined.hash,
        "rule": defined.rule,
        "dagster/row_count": len(labels),
        "events": len(events),
        "winning_share": float(events.label.mean()),
        "mean_net_return": float(events.net_return.mean()),
        "mean_uniqueness": float(data.uniqueness[data.events].mean()),
        **{f"ended_at_{name.lower()}": count for name, count in data.outcomes().items()},
        "holdout_from": to_iso(data.holdout_start_ns),
        "features": len(data.schema),
        "unknown_share": 1 - float(data.table.finite_rows().mean()),
    }


def model_metadata(stored: str, model: ModelMetadata) -> Metadata:
    """Where a candidate is, and on which terms it may be used."""
    return {
        "artifact": stored,
        "features_used": model.schema_hash,
        "entry_threshold": model.entry_threshold,
        "mean_win": model.mean_win,
        "mean_loss": model.mean_loss,
        "holdout_start": model.holdout_start_ns,
        "oos_quantiles": model.oos_quantiles,
        "trained_on": model.data,
        "config_hash": model.config_hash,
        "seed": model.seed,
    }


def report_metadata(report: ValidationReport) -> Metadata:
    """Pooled scores as numbers that plot, estimates with the bounds of their interval; folds as a table."""
    pooled: dict[str, Any] = report.to_dict()["pooled"]
    metadata: Metadata = {}
    for name, value in pooled.items():
        if isinstance(value, dict):
            metadata |= numbers(
                {name if part == "value" else f"{name}_{part}": value[part] for part in value}
            )
        else:
            metadata |= numbers({name: value})
    verdict = {"passed": report.verdict.passed, "reasons": list(report.verdict.reasons)}
    folds = {"folds": len(report.folds), "by_fold": dg.MetadataValue.md(folds_table(report))}
    return verdict | folds | metadata


def folds_table(report: ValidationReport) -> str:
    """One line a fold, in Markdown."""
    head = "| fold | test from | to | events | log loss | gain | AUC | trades | net a trade |"
    rows = [
        f"| {fold.number} | {fold.test_start[:10]} | {fold.test_end[:10]} | {fold.scores.events:,} "
        f"| {fold.scores.log_loss} | {fold.scores.log_loss_gain} | {fold.scores.auc} "
        f"| {fold.scores.trades:,} | {fold.scores.mean_net_return} |"
        for fold in report.folds
    ]
    return "\n".join([head, "|" + "---|" * head.count(" |"), *rows])


def numbers(values: dict[str, Any]) -> Metadata:
    """Only what Dagster can plot: finite numbers.

    >>> numbers({"auc": 0.5, "name": "x", "gain": float("nan")})
    {'auc': 0.5}
    """
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
