"""The runs of a sweep as they are made: in parallel, counted, and kept when somebody ends it early."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gal_friday_adapters.worker_pool import Workers
from gal_friday_core.errors import DataError
from gal_friday_core.progress import Progress
from gal_friday_core.sweeps.grid import Grid
from gal_friday_core.sweeps.outcome import Outcome
from gal_friday_core.sweeps.result import Run
from gal_friday_live.sweep_run import Batch, Job, parts, run_batch

Kept = Callable[[Sequence[Run]], None]


class Making:
    """`runs`: every one that was made. `cancelled`: those asked for and not made. `wall_s`: seconds spent, `work_s`: CPU
    seconds that each process spent on backtests, by its name.
    """

    def __init__(self, job: Job, found: Grid, workers: Workers, progress: Progress) -> None:
        self._job = job
        self._workers = workers
        self._progress = progress
        self.grid = found
        self.runs: list[Run] = []
        self.cancelled = 0
        self.wall_s = 0.0
        self.work_s: dict[str, float] = {}

    def make(self, stage: str, wanted: Sequence[Batch], keep: Kept | None = None) -> None:
        """Run these points, telling `keep` of every part that is done; after an interruption nothing more is begun."""
        total = sum(len(batch.places) for batch in wanted)
        if self.cancelled:
            self.cancelled += total
            return
        tasks = list(parts(wanted, self._workers.count))
        started, done = time.monotonic(), 0
        self._progress(stage, 0, total)
        try:
            for place, found in self._workers.each(partial(run_batch, self._job), tasks):
                made = _runs(tasks[place], found.outcomes)
                self.work_s[found.process] = self.work_s.get(found.process, 0.0) + found.work_s
                self.runs += made
                done += len(made)
                if keep is not None:
                    keep(made)
                self._progress(stage, done, total)
        except KeyboardInterrupt:
            self.cancelled += total - done
        self.wall_s += time.monotonic() - started

    def outcomes(self, series: str, start_ns: int, end_ns: int) -> list[Outcome | None]:
        """What each point of the grid gave over one stretch; None where it gave nothing or was not run."""
        found = {
            run.place: run.outcome
            for run in self.runs
            if (run.series, run.start_ns, run.end_ns) == (series, start_ns, end_ns)
        }
        return [found.get(place) for place in range(len(self.grid.points))]

    def run(self, series: str, place: int, start_ns: int, end_ns: int) -> Run | None:
        """One run, where it was made."""
        wanted = (series, place, start_ns, end_ns)
        return next(
            (run for run in self.runs if (run.series, run.place, run.start_ns, run.end_ns) == wanted), None
        )

    def require_result(self) -> None:
        """Raises DataError where not one run gave anything."""
        if any(run.outcome is not None for run in self.runs):
            return
        reason = next((run.reason for run in self.runs if run.reason), "it was ended before any run was done")
        raise DataError(f"not one point of the sweep gave a result; first: {reason}")


def _runs(batch: Batch, outcomes: Sequence[Outcome | str]) -> list[Run]:
    return [
        Run(
            series=batch.series,
            place=place,
            start_ns=batch.start_ns,
            end_ns=batch.end_ns,
            outcome=None if isinstance(found, str) else found,
            reason=found if isinstance(found, str) else "",
        )
        for place, found in zip(batch.places, outcomes, strict=True)
    ]


def by_stretch(runs: Sequence[Run]) -> Mapping[tuple[str, int, int], list[Run]]:
    """Runs of the same series and time together."""
    found: dict[tuple[str, int, int], list[Run]] = {}
    for run in runs:
        found.setdefault((run.series, run.start_ns, run.end_ns), []).append(run)
    return found
