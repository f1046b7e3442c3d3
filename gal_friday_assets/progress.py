"""Progress of long assets, as the `progress` resource: silent in the web server's runs, printed by `pipeline`."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a step's name, how many parts are done, and of how many."""


def silent(step: str, done: int, of: int) -> None:
    """Nobody watches: the event log of the run tells the rest."""
