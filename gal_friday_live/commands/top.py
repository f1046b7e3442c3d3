"""`gal-friday top`: a running engine on one screen of the terminal, with a key that halts it."""

import asyncio
import contextlib
import getpass
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live

from gal_friday_core.errors import ConfigError, GalFridayError, StorageError
from gal_friday_live.commands.common import ConfigOption, load_config
from gal_friday_live.commands.engines import EnginesOption, doors

if TYPE_CHECKING:
    from gal_friday_live.dashboard.doors import Door
    from gal_friday_live.dashboard.view import Reading
    from gal_friday_live.top_screen import Screen

ASK = "Halt trading? y halts; any other key goes back."
PRINTED = (132, 36)
"""Columns and lines where the output is no terminal."""
SIGNALS = (signal.SIGWINCH, signal.SIGTERM, signal.SIGINT)
"""Of another size, and twice of the end."""
SAID_FOR_S = 5.0
"""How long the outcome of a key stands in the last line."""
REASON = "the key h of gal-friday top"


def top(
    every: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds between two looks.")] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Print one screen and end; so does a screen that is no terminal.")
    ] = False,
    engine: EnginesOption = None,
    config: ConfigOption = None,
) -> None:
    """Watch a running engine: state, account, limits, positions, orders. Keys: q quits, h halts, after a question.

    In a role's data directory that role; with --engine for each role of a split engine the account, and h halts all of
    them. An engine that hangs or is gone is told with since when, and its last numbers are drawn dim. For scripts there are
    gal-friday status --json, positions --json and orders --json.
    """
    asked = doors(load_config(config).config, engine)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PRINTED[0], height=PRINTED[1])
    if once or not console.is_terminal or not sys.stdin.isatty():
        asyncio.run(_print_once(asked, console))
    else:
        asyncio.run(Watching(asked, console, every).run())


async def _print_once(asked: "Sequence[Door]", console: Console) -> None:
    """Raises StorageError where nobody answers."""
    from gal_friday_live.dashboard.one_account import one_account
    from gal_friday_live.top_screen import Screen

    readings = dict(zip((door.name for door in asked), await asyncio.gather(*map(_read, asked)), strict=True))
    if not any(reading.live for reading in readings.values()):
        raise StorageError("; ".join(reading.problem for reading in readings.values()))
    console.print(Screen(one_account(readings), time.time_ns(), note=" "))


async def _read(door: "Door") -> "Reading":
    from gal_friday_live.control_socket import ask
    from gal_friday_live.dashboard.view import Reading

    try:
        metrics = await ask(door.path, "overview")
    except StorageError as error:
        return Reading("gone", time.time_ns(), problem=str(error))
    now_ns = time.time_ns()
    return Reading("live", now_ns, metrics, now_ns)


class Watching:
    """One terminal that watches one engine, or the roles of a split one, until `q`, Ctrl-C or its own end."""

    def __init__(
        self, asked: "Sequence[Door]", console: Console, every_s: float, *, keyboard: int = 0
    ) -> None:
        self._doors = asked
        self._console = console
        self._every_s = every_s
        self._keyboard = keyboard
        self._ended = asyncio.Event()
        self._asking = False
        self._said, self._said_s = "", float("-inf")
        self._halting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        from gal_friday_live.dashboard.pollers import Pollers

        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        pollers = Pollers(
            self._doors, every_s=self._every_s, watched=lambda: True, arrived=asyncio.Event(),
            on_reading=lambda _: changed.set(),
        )  # fmt: skip
        asking = asyncio.create_task(pollers.run())
        for number, mark in zip(SIGNALS, (changed, self._ended, self._ended), strict=True):
            loop.add_signal_handler(number, mark.set)
        try:
            with (
                _one_key_at_a_time(self._keyboard),
                Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False) as live,
            ):
                loop.add_reader(self._keyboard, self._hear, changed)
                while not self._ended.is_set():
                    live.update(self._drawn(pollers.reading), refresh=True)
                    await self._next(changed)
        finally:
            loop.remove_reader(self._keyboard)
            for number in SIGNALS:
                loop.remove_signal_handler(number)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _next(self, changed: asyncio.Event) -> None:
        """Until something is new, or the ages on the screen are."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._every_s, 1.0)):
                await changed.wait()
        changed.clear()

    def _drawn(self, reading: "Reading") -> "Screen":
        from gal_friday_live.top_screen import Screen

        fresh = time.monotonic() < self._said_s + SAID_FOR_S
        note = ASK if self._asking else self._said if fresh else ""
        return Screen(
            reading, time.time_ns(), note=note, path=", ".join(str(door.path) for door in self._doors)
        )

    def _hear(self, changed: asyncio.Event) -> None:
        typed = os.read(self._keyboard, 64).decode(errors="replace")
        for key in typed or "q":  # a terminal that is gone says nothing for ever
            self._take(key)
        changed.set()

    def _take(self, key: str) -> None:
        if self._asking:
            self._asking = False
            if key in "yY":
                self._halting = asyncio.create_task(self._halt())
            else:
                self._say("Nothing was done.")
        elif key in "qQ":
            self._ended.set()
        elif key in "hH":
            self._asking = True

    async def _halt(self) -> None:
        from gal_friday_live.dashboard.actions import halt_all

        self._say("Halting …")
        try:
            await halt_all(self._doors, reason=REASON, who=getpass.getuser(), timeout_s=10.0)
        except (ConfigError, StorageError) as error:
            self._say(f"NOT HALTED: {error}")
        else:
            self._say("Halted: entries are cancelled, stops stay. gal-friday resume --reason … goes on.")

    def _say(self, what: str) -> None:
        self._said, self._said_s = what, time.monotonic()


@contextlib.contextmanager
def _one_key_at_a_time(keyboard: int) -> Iterator[None]:
    """Keys are heard without Enter and not shown; the terminal is as before afterwards."""
    try:
        before = termios.tcgetattr(keyboard)
    except termios.error as error:
        raise GalFridayError(
            f"this terminal cannot be read key by key: {error.args[-1]}; use --once"
        ) from None
    try:
        tty.setcbreak(keyboard)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
