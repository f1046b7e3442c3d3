"""`gal-friday exchange`: a simulated Kraken on this machine, for paper trading, tests and demonstrations."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gal_friday_live.commands.common import JsonOption, console, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.simulated_kraken.server import SimulatedKraken

app = typer.Typer(help="Run a simulated Kraken.", no_args_is_help=True)

FaultsOption = Annotated[
    str,
    typer.Option(
        help="Faults by seed: disconnect, half_open, checksum (chance per websocket frame), duplicate, "
        "sequence_gap (per private message), lost_response, accept_late, reject, rate_limit (per order "
        "request), delay (mean seconds), such as "
        "checksum=0.01,delay=0.05.",
    ),
]
SessionOption = Annotated[
    Path | None,
    typer.Option("--session", help="Replay this recorded session as the market, instead of a generated one."),
]


@app.callback()
def _group() -> None:
    """Keeps `serve` a subcommand while it is the only one."""


@app.command("serve")
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = 8600,
    seed: Annotated[int, typer.Option(min=0, help="Decides market, ids and faults.")] = 1,
    faults: FaultsOption = "",
    tier: Annotated[
        Literal["starter", "intermediate", "pro"], typer.Option(help="The account's, which sets its limits.")
    ] = "pro",
    session: SessionOption = None,
    candles: Annotated[
        Path | None,
        typer.Option(
            help="Trade around these recorded one-minute candles, at their own time.", show_default=False
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Seconds of the market that pass in one of yours.")
    ] = 1.0,
    cash_only: Annotated[
        bool,
        typer.Option("--cash-only", help="The account holds 10,000 of each quote currency, and no coins."),
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End by itself after so long; without it, on Ctrl-C.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve REST v0 and websocket v2 as Kraken does, with a funded account.

    Key `demo`, secret the base64 of `demo-secret`. Third-party clients need only other URLs.
    """
    from gal_friday_live.simulated_venue import CASH, Simulation, simulated_server

    server = simulated_server(
        Simulation(
            session=session,
            candles=candles,
            speed=speed,
            faults=faults,
            seed=seed,
            tier=tier,
            funds=CASH if cash_only else None,
        ),
        port=port,
    ).server
    asyncio.run(_serve(server, seconds, as_json=as_json))


async def _serve(server: "SimulatedKraken", seconds: float | None, *, as_json: bool) -> None:
    """Until a signal, the time is up, or the market itself fails."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with server:
        _announce(server, as_json=as_json)
        waiting = asyncio.create_task(stop.wait())
        running = asyncio.create_task(server.finished())
        try:
            await asyncio.wait((waiting, running), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            for task in (waiting, running):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def _announce(server: "SimulatedKraken", *, as_json: bool) -> None:
    from gal_friday_adapters.simulated_kraken.demo import KEY, SECRET

    if as_json:
        print_json(
            {
                "url": server.url,
                "websocket": f"{server.socket_url}/v2",
                "pairs": sorted(server.exchange.markets),
                "key": KEY,
                "secret": SECRET,
            }
        )
        return
    console.print(f"[bold]Simulated Kraken[/] at {server.url} and {server.socket_url}/v2 (Ctrl-C ends it)")
    console.print(f"Key {KEY}, secret {SECRET}. Pairs: {', '.join(sorted(server.exchange.markets))}")
