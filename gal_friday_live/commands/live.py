"""`gal-friday live`: the trading engine, on paper, on a recorded market, or with real money."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_live.configuration import ConfigurationManager
    from gal_friday_live.live_request import LiveRequest, Mode, RoleName

INTERRUPTED = 130
USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Of click, or of the copy of it inside Typer."""


def live(
    mode: Annotated[str, typer.Option(help="paper, live or replay.")] = "paper",
    venue: Annotated[
        str | None,
        typer.Option(
            help="A simulated Kraken on this machine, as exchange serve prints it.", show_default=False
        ),
    ] = None,
    candles: Annotated[
        Path | None,
        typer.Option(
            help="Recorded one-minute candles as the market: on an embedded exchange, or replayed.",
            show_default=False,
        ),
    ] = None,
    session: Annotated[
        Path | None, typer.Option(help="A recorded session as the market, likewise.", show_default=False)
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1000,
            help="Seconds of a recorded market that pass in one of yours.",
            show_default=False,
        ),
    ] = None,
    faults: Annotated[
        str,
        typer.Option(
            help="Faults of the embedded exchange by seed, as in disconnect=0.001,lost_response=0.05."
        ),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Decides the embedded exchange's traders and faults.")] = 1,
    model: Annotated[
        str | None,
        typer.Option(help="Trade this model although it is not promoted; paper only.", show_default=False),
    ] = None,
    override_reason: Annotated[
        str | None, typer.Option(help="Why --model may trade; kept in the journal.", show_default=False)
    ] = None,
    entry_threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Probability from which --model enters; its own if left out.",
            show_default=False,
        ),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            help="Run one part of a split engine: alpha, decision or trader, each its own process.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="With --role alpha: which of several alphas this is.", show_default=False),
    ] = None,
    standby: Annotated[
        bool,
        typer.Option("--standby", help="With --role: wait until the one that runs is gone, then take over."),
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End by itself after so long.", show_default=False)
    ] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Write down all that the engine hears, under flights in the data directory; gal-friday replay plays it.",
        ),
    ] = False,
    record_into: Annotated[
        Path | None, typer.Option(help="The same, in another folder.", show_default=False)
    ] = None,
    i_understand_real_money: Annotated[
        bool, typer.Option("--i-understand-real-money", help="With --mode live: orders move real money.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Trade: market data in, protected orders out, everything journalled. Ctrl-C or gal-friday stop ends it.

    [bold]paper[/] listens to the real market and trades paper money; with --candles, --session or --venue the orders
    go over the wire to a simulated Kraken. [bold]replay[/] plays a recorded market into the feed. [bold]live[/] needs
    mode: live in the configuration, exchange keys without withdrawal permission, and --i-understand-real-money.
    Open positions keep their protective stops when the engine ends.
    """
    from gal_friday_adapters.paths import flights_dir
    from gal_friday_live.live_request import LiveRequest

    if entry_threshold is not None and model is None:
        raise ConfigError("--entry-threshold is a term of --model: name one")
    manager = load_config(config)
    if record and record_into is None:
        record_into = flights_dir(manager.config)
    request = LiveRequest(
        mode=_mode(mode), venue=venue, candles=candles, session=session, speed=speed, faults=faults, seed=seed,
        model=model, override_reason=override_reason, entry_threshold=entry_threshold, seconds=seconds,
        real_money=i_understand_real_money, record=record_into, role=_role(role), name=name, standby=standby,
    )  # fmt: skip
    request.check(manager.config)
    request.check_files()
    result = asyncio.run(_trade(manager, request, as_json=json))
    if result is None:
        console.print("Stopped before the engine was up.")
        raise typer.Exit(INTERRUPTED)
    if json:
        print_json(result)
    else:
        _sum_up(result)


def parse(arguments: Sequence[str]) -> dict[str, Any]:
    """The options of `gal-friday live` by name. Raises ConfigError for what it does not know."""
    from gal_friday_live.cli import app

    program: Any = typer.main.get_command(app)
    given = list(arguments[1:] if arguments[:1] == ["live"] else arguments)
    try:
        return dict(program.commands["live"].make_context("live", given).params)
    except USAGE_ERROR as error:
        raise ConfigError(error.format_message()) from None


def _sum_up(result: Mapping[str, Any]) -> None:
    from gal_friday_live.commands.shown import show
    from gal_friday_live.up_screen import summary_panel

    if "role" in result:
        show(dict(result), as_json=False)
    else:
        console.print(summary_panel(dict(result)))


def _role(word: str | None) -> "RoleName | None":
    from gal_friday_live.live_request import ROLES

    for known in ROLES:
        if word == known:
            return known
    if word is not None:
        raise ConfigError(f"--role {word}: use {', '.join(ROLES)}")
    return None


def _mode(word: str) -> "Mode":
    from gal_friday_live.live_request import MODES

    for known in MODES:
        if word == known:
            return known
    raise ConfigError(f"--mode {word}: use {', '.join(MODES)}")


async def _trade(
    manager: "ConfigurationManager", request: "LiveRequest", *, as_json: bool
) -> dict[str, Any] | None:
    """The summary; None where it was asked to end before it could begin."""
    from gal_friday_live.commands.storage import running_url
    from gal_friday_live.live_engine import run_live
    from gal_friday_live.roles.run import run_role

    stop, ready, reload = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def tell(state: Mapping[str, Any]) -> None:
        ready.set()
        (print_json if as_json else _announce)(state)

    async def run() -> dict[str, Any]:
        strands = manager.config.module_communication.database.url if request.role is not None else None
        async with nullcontext(strands) if strands is not None else running_url(manager.config) as url:
            part = run_live if request.role is None else run_role
            return await part(manager, request, database_url=url, stop=stop, reload=reload, announce=tell)

    running = asyncio.create_task(run())

    def end() -> None:
        """In order; at once where nothing has begun, or who asked asks again."""
        if not ready.is_set() or stop.is_set():
            running.cancel()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    try:
        return await running
    except asyncio.CancelledError:
        return None


def _announce(ready: Mapping[str, Any]) -> None:
    if "role" in ready:
        said = ready.get("waits") or f"{ready.get('trading')} on {', '.join(ready.get('series', ()))}"
        console.print(f"[bold]{ready['role']}[/] {ready['event']}: {said}")
        return
    console.print(
        f"[bold]{ready['mode']}[/] engine on {', '.join(ready['series'])}: {ready['trading']}"
        f"{' because ' + ready['halt_reason'] if ready['halt_reason'] else ''}, model {ready['model']}. "
        "Ctrl-C or gal-friday stop ends it; gal-friday status shows it."
    )
    if ready["model"] == "none":
        console.print(
            "[yellow]No model is in production for it, so nothing will be bought[/] until one is promoted "
            "(gal-friday models list, models promote), or named with --model."
        )
