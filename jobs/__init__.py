"""Jobs and schedules: what runs together and when. They select assets by group or key, and import no asset."""

from jobs.pipelines import jobs
from jobs.schedules import schedules

__all__ = ["jobs", "schedules"]
