"""`gal-friday dashboard`: what the engine does, in a browser on this machine."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json
from gal_friday_live.commands.engines import EnginesOption

if TYPE_CHECKING:
    from gal_friday_live.configuration import ConfigurationManager
    from gal_friday_live.dashboard.link import Address


def dashboard(
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Port, in place of dashboard.port; 0 takes a free one.",
            show_default=False,
        ),
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Print a link that logs in to the running dashboard once, and end.")
    ] = False,
    no_link: Annotated[
        bool, typer.Option("--no-link", help="Do not print the link, for whoever keeps a log.")
    ] = False,
    engine: EnginesOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Serve the dashboard: state, trades, models, limits, machine, and the HALT button. Ctrl-C ends it, the engine goes on.

    It prints a link that logs in one browser, once: [bold]gal-friday dashboard --link[/] prints the next one. It
    listens on this machine only, unless the configuration names a certificate. The roles of a split engine:
    [bold]gal-friday dashboard --engine desk/trader --engine desk/decision --engine desk/alpha[/].
    """
    from gal_friday_live.dashboard.link import read_link

    manager = load_config(config)
    if link:
        found = read_link(manager.config)
        if json:
            print_json({"url": found.url, "link": found.link})
        else:
            typer.echo(found.link)
        return
    if port is not None:
        manager = _at_port(manager, port)

    def announce(address: "Address") -> None:
        shown = address.url if no_link else address.link
        if json:
            print_json({"event": "ready", "url": address.url, "link": None if no_link else address.link})
        else:
            console.print(f"Dashboard: {shown}\nCtrl-C ends it; the engine goes on.", soft_wrap=True)

    asyncio.run(_serve(manager, engine or [], announce))


def _at_port(manager: "ConfigurationManager", port: int) -> "ConfigurationManager":
    from gal_friday_live.configuration import ConfigurationManager

    settings = manager.config.dashboard.model_copy(update={"port": port})
    return ConfigurationManager.from_config(manager.config.model_copy(update={"dashboard": settings}))


async def _serve(
    manager: "ConfigurationManager", engines: "Sequence[Path]", announce: "Callable[[Address], object]"
) -> None:
    from gal_friday_live.dashboard.server import serve

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(manager, engines=engines, announce=announce, stop=stop)
