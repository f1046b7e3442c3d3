"""The composition root: every asset, check, job, schedule, sensor and resource of the code location."""

import dagster as dg

from gal_friday_assets import (
    accounts,
    backtest,
    drift,
    experiments,
    features,
    history,
    housekeeping,
    ingest,
    live_records,
    outside,
    registry,
    sweeps,
    training,
)
from gal_friday_assets.resources import build_resources
from jobs import jobs, schedules
from sensors import sensors

MODULES = (
    outside,
    accounts,
    ingest,
    history,
    features,
    training,
    registry,
    backtest,
    live_records,
    experiments,
    drift,
    sweeps,
    housekeeping,
)


defs = dg.Definitions(
    assets=dg.load_assets_from_modules(MODULES, include_specs=True),
    asset_checks=dg.load_asset_checks_from_modules(MODULES),
    jobs=jobs,
    schedules=schedules,
    sensors=sensors,
    resources=build_resources(),
    executor=dg.in_process_executor,
)
