"""Jobs and schedules: what runs together and when. They select assets by group or key, and import no asset."""

from jobs import accounts, pipelines, upkeep
from jobs import schedules as timed

__all__ = ["jobs", "schedules"]

jobs = [*pipelines.jobs, *accounts.jobs, upkeep.tidy]
schedules = [*timed.schedules, *accounts.schedules, upkeep.nightly_tidy]
