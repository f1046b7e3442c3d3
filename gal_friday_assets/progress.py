"""Progress of long assets, as the `progress` resource: lines in the log of the daemon's runs, printed by `pipeline`."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a step's name, how many parts are done, and of how many."""

LINES = 10
"""Of one step, at most: each is a row in Dagster's database."""


def told(tell: Callable[[str], None]) -> Progress:
    """Progress in words, a line for each tenth; a step of one part has none.

    >>> progress = told(print)
    >>> for done in range(1, 41):
    ...     progress("features", done, 40) if done in (1, 2, 4, 40) else None
    features: 4 of 40
    features: 40 of 40
    """

    def progress(step: str, done: int, of: int) -> None:
        if of > 1 and done * LINES // of > (done - 1) * LINES // of:
            tell(f"{step}: {done:,} of {of:,}")

    return progress
