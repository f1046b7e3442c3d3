"""Who is asked again: an exchange that did not answer, by the step that asked. Nothing else is tried twice.

A step that failed for want of data, or at the registry, fails the same way again: it is told at once, and what to
do next is for the clock, a sensor or somebody to say.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from gal_friday_core.errors import ExchangeError

RETRIES = 2
FIRST_WAIT_S = 20
"""The second wait is twice as long: together less than the time between two top-ups."""


@contextmanager
def asking_again(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Let Dagster run the step again, later, when an exchange fails inside."""
    try:
        yield
    except ExchangeError as error:
        waits_s = FIRST_WAIT_S * 2**context.retry_number
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=waits_s) from error
