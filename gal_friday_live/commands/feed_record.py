"""`gal-friday feed record`: the market as it comes, onto disk."""

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_live.session_recording import Progress, Wanted

CHANNELS = ("book", "trade", "ohlc", "ticker")


def record(
    pair: Annotated[
        list[str] | None,
        typer.Option(help="As BASE/QUOTE; repeatable. Without it, market.pairs.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the session; one that has parts is continued. Without it, a new one in the data "
            "directory.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End by itself after so long; without it, on Ctrl-C.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="book, trade, ohlc, ticker; repeatable.", show_default=False)
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Another address that speaks as Kraken.", show_default=False)
    ] = None,
    part_megabytes: Annotated[float, typer.Option(min=0.1, help="A part ends at this size on disk…")] = 64.0,
    part_minutes: Annotated[float, typer.Option(min=0.1, help="… or after so long.")] = 60.0,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record books, trades and bars as the exchange sends them, compressed, in parts.

    [bold]Examples[/]

      gal-friday feed record --pair BTC/USD --pair ETH/USD

      gal-friday feed record --seconds 3600 --out session && gal-friday feed rebuild session

    The feed never waits for the disk: what it cannot take is dropped, counted and marked in the session. A
    session that was cut off, by a kill or a full disk, reads up to its last half second.
    """
    import uvloop

    from gal_friday_adapters.paths import sessions_dir
    from gal_friday_live.session_recording import record as run

    manager = load_config(config)
    wanted = _wanted(manager.config.market.interval, pair or manager.config.market.pairs, channel, url)
    wanted = _with_parts(wanted, part_megabytes, part_minutes)
    started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder = out or sessions_dir(manager.config) / f"kraken-{started}"
    console.print(f"Recording into [bold]{escape(str(folder))}[/] (Ctrl-C ends it)", soft_wrap=True)

    async def until_stopped() -> "Progress":
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        with console.status("connecting") as status:
            return await run(
                manager, wanted, folder, stop=stop, seconds=seconds, report=lambda p: status.update(_line(p))
            )

    done = uvloop.run(until_stopped())
    if as_json:
        print_json({"session": str(folder), **done.as_dict()})
    else:
        console.print(_line(done))


def _wanted(interval: str, pairs: Sequence[str], channels: list[str] | None, url: str | None) -> "Wanted":
    from gal_friday_adapters.history.naming import split_pair
    from gal_friday_adapters.kraken.client import PUBLIC_URL
    from gal_friday_adapters.sessions.part import Rotation
    from gal_friday_core.candles import Series
    from gal_friday_core.errors import ConfigError
    from gal_friday_live.session_recording import Wanted

    chosen = list(dict.fromkeys(channels or CHANNELS[:3]))
    if unknown := [name for name in chosen if name not in CHANNELS]:
        raise ConfigError(f"no channel {unknown[0]!r}: choose among {', '.join(CHANNELS)}")
    names = dict.fromkeys(split_pair(name) for name in pairs)
    series = [Series("kraken", name, interval) for name in names]
    return Wanted(series=series, channels=chosen, url=url or PUBLIC_URL, rotation=Rotation())


def _with_parts(wanted: "Wanted", megabytes: float, minutes: float) -> "Wanted":
    from dataclasses import replace

    from gal_friday_adapters.sessions.part import Rotation
    from gal_friday_core.times import MINUTE_NS

    rotation = Rotation(max_bytes=int(megabytes * 2**20), max_age_ns=int(minutes * MINUTE_NS))
    return replace(wanted, rotation=rotation)


def _line(progress: "Progress") -> str:
    recorded = progress.recorded
    text = (
        f"{recorded.written:,} records, {recorded.bytes / 2**20:,.1f} MiB in {recorded.parts} parts; "
        f"{progress.feed['book_updates']:,} book updates, {progress.feed['trades']:,} trades, "
        f"{progress.feed['checksum_failures']:,} checksum failures, {progress.feed['losses']:,} losses"
    )
    if recorded.dropped:
        text += f"; [red]{recorded.dropped:,} records dropped[/]"
    if recorded.failure:
        text += f"; [red]{escape(recorded.failure)}[/]"
    return text
