"""Jobs and schedules: what runs together and when. They select assets by group or key, and import no asset."""

from jobs import pipelines, upkeep
from jobs import schedules as timed

__all__ = ["jobs", "schedules"]

jobs = [*pipelines.jobs, upkeep.tidy]
schedules = [*timed.schedules, upkeep.nightly_tidy]
