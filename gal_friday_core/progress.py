"""How far long work has come, told to whoever asked."""

from collections.abc import Callable
from typing import TypeVar

Progress = Callable[[str, int, int], None]
"""Called with a stage in plain words, how much of it is done, and of how much."""

Result = TypeVar("Result")


def quiet(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def told(progress: Progress, stage: str, work: Callable[[], Result]) -> Result:
    """What `work` gives, with a word before and after."""
    progress(stage, 0, 1)
    found = work()
    progress(stage, 1, 1)
    return found
