"""How long a run of a job may take, and whether one whose process died is tried again: tags that Dagster's daemon reads."""

from datetime import timedelta

LONGEST = "dagster/max_runtime"
RETRIES = "dagster/max_retries"


def within(longest: timedelta, *, again: bool = False) -> dict[str, str]:
    """Tags of a job. Only what computes from stored data is done `again`, once; what writes to the registry never is.

    >>> within(timedelta(minutes=15))
    {'dagster/max_runtime': '900', 'dagster/max_retries': '0'}
    """
    return {LONGEST: f"{longest.total_seconds():.0f}", RETRIES: "1" if again else "0"}
