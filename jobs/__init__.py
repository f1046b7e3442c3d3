"""Jobs and schedules: what runs together and when. They select assets by group or key, and import no asset."""

from jobs import accounts, drift, live_records, pipelines, research, upkeep
from jobs import schedules as timed

__all__ = ["jobs", "schedules"]

jobs = [*pipelines.jobs, *accounts.jobs, *live_records.jobs, *drift.jobs, *research.jobs, upkeep.tidy]
schedules = [
    *timed.schedules,
    *accounts.schedules,
    *live_records.schedules,
    *drift.schedules,
    upkeep.nightly_tidy,
]
