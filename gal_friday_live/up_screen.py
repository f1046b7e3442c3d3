"""What `up` shows: progress bars while it prepares, then one live screen, then the summary."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

SYNTHETIC_WARNING = (
    "SYNTHETIC MARKET: no exchange was reachable and no --history was given, so these candles come from the "
    "built-in market simulator. Nothing learned or earned on them says anything about a real market."
)
PACE_OVER_S: Final = 10.0
KEPT: Final = 0.9
"""Of the speed asked for: less is told."""


class Screen:
    """Progress and results on standard error. `Screen(console)` draws; on a plain stream it prints lines."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """While this is open, `step` draws one bar a step."""
        columns = (
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            self._progress = progress
            try:
                yield
            finally:
                self._progress = None
                self._tasks.clear()

    def step(self, name: str, done: int, of: int) -> None:
        """Show that `done` of `of` is reached in the step called `name`."""
        if self._progress is None:
            return
        for other, task in self._tasks.items():
            if other != name:
                self._progress.update(task, completed=self._progress.tasks[task].total)
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=max(of, 1))
        self._progress.update(self._tasks[name], completed=done, total=max(of, 1))

    def say(self, message: str, style: str = "") -> None:
        self.console.print(message, style=style or None)

    @contextmanager
    def live(self) -> Iterator["LiveScreen"]:
        """One screen that is drawn anew from the engine's snapshot."""
        with Live(console=self.console, refresh_per_second=4, transient=True) as live:
            yield LiveScreen(live)


class LiveScreen:
    """The running engine in one table."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, snapshot: Mapping[str, Any], footer: str) -> None:
        self._live.update(Group(_figures("Paper engine", snapshot), Text(footer, style="dim")))


class PlayedPace:
    r"""Whether recorded history is played as fast as asked, over the last `PACE_OVER_S`; where nothing is asked, it is.

    >>> pace = PlayedPace(20.0)
    >>> [pace.said(bars, now_s) for bars, now_s in ((0, 0.0), (100, 5.0), (110, 10.0))]
    ['', '', 'This machine is busy: it plays 11 of the 20 bars a second that were asked for.\n']
    """

    def __init__(self, asked: float | None) -> None:
        self._asked = asked
        self._seen: deque[tuple[float, int]] = deque()

    def said(self, bars: int, now_s: float) -> str:
        """A line for whoever watches; empty while it is too soon to tell, or nothing is the matter."""
        seen = self._seen
        seen.append((now_s, bars))
        while len(seen) > 2 and seen[1][0] <= now_s - PACE_OVER_S:
            seen.popleft()
        first_s, first = seen[0]
        elapsed_s = now_s - first_s
        if self._asked is None or elapsed_s < PACE_OVER_S:
            return ""
        played = (bars - first) / elapsed_s
        if played >= KEPT * self._asked:
            return ""
        return f"This machine is busy: it plays {played:.3g} of the {self._asked:g} bars a second that were asked for.\n"


def _figures(title: str, figures: Mapping[str, Any]) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), _as_text(value))
    return Panel(table, title=title, title_align="left", expand=False)


def _as_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {inner}" for key, inner in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "\n".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def summary_panel(summary: Mapping[str, Any]) -> Panel:
    """The end of a bounded run, for people; `--json` has the same figures."""
    return _figures("Summary", summary)
