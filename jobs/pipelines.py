"""The parts of the pipeline, split where the partitions change: all series, months of a series, whole series.

Dagster runs assets of one partitioning in one run; `gal_friday_assets.pipeline` runs the latter two in turn.
"""

from datetime import timedelta

import dagster as dg

from jobs.limits import within

top_up = dg.define_asset_job(
    "top_up",
    selection=dg.AssetSelection.groups("ingest"),
    description="The exchange's latest bars of every traded series, into the lake.",
    tags=within(timedelta(minutes=15)),
)

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.groups("market", "features"),
    description="Candles checked month by month, and the feature table computed from them.",
    tags=within(timedelta(hours=1), again=True),
)

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.groups("models", "trading"),
    description="Labels, training, validation, registry, promotion and backtest of one series.",
    tags=within(timedelta(hours=6)),
)

experiments = dg.define_asset_job(
    "experiments",
    selection=dg.AssetSelection.groups("experiments"),
    description="Every running experiment: outcomes taken in, losing variants stopped, what is decided ended.",
    tags=within(timedelta(minutes=15)),
)

jobs = [top_up, refresh, retrain, experiments]
