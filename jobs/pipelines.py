"""The two halves of the pipeline, split where the partitions change: months of a series, then whole series.

Dagster runs assets of one partitioning in one run; `gal_friday_assets.pipeline` runs both halves in turn.
"""

import dagster as dg

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.groups("market", "features"),
    description="Candles checked month by month, and the feature table computed from them.",
)

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.groups("models", "trading"),
    description="Labels, training, validation, registry, promotion and backtest of one series.",
)

jobs = [refresh, retrain]
