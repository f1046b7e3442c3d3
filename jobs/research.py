"""What is asked for by hand, to learn and not to trade."""

from datetime import timedelta

import dagster as dg

from jobs.limits import within

sweep = dg.define_asset_job(
    "sweep",
    selection=dg.AssetSelection.groups("research"),
    description="Many settings of a strategy over one series, and whether the best is more than luck.",
    tags=within(timedelta(hours=6)),
)

jobs = [sweep]
