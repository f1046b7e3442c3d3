"""`gal-friday audit`: an account's journal against the exchange, by a key that only asks."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json
from gal_friday_live.commands.shown import table

if TYPE_CHECKING:
    from gal_friday_live.configuration import ConfigurationManager

VenueOption = Annotated[
    str | None,
    typer.Option(
        help="A simulated Kraken of this machine, instead of the real account.",
        metavar="http://127.0.0.1:PORT",
        show_default=False,
    ),
]


def audit(venue: VenueOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare an account's journal with what the exchange says, and change nothing. Exit code 1 unless they agree."""
    found = asyncio.run(_audited(load_config(config), venue))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found["verdict"] not in ("AGREES", "NOTHING"):
        raise typer.Exit(1)


async def _audited(manager: "ConfigurationManager", venue: str | None) -> dict[str, Any]:
    from gal_friday_core.account_audit import told
    from gal_friday_live.audit_run import audit_real, audit_simulated
    from gal_friday_live.commands.storage import open_database

    async with open_database(manager.config) as database:
        if venue is not None:
            done = await audit_simulated(manager, database, venue)
        elif (real := await audit_real(manager, database)) is not None:
            done = real
        else:
            return {"verdict": "NOTHING", "session": None, "findings": [], "unknown": {}, "balances": []}
    return {**told(done.found), "session": done.session, **done.owner}


def _print(found: dict[str, Any]) -> None:
    out = Console(highlight=False, soft_wrap=True)
    if found["verdict"] == "NOTHING":
        out.print("The journal knows of no real account: there is nothing to compare.")
        return
    said = {
        "AGREES": "Journal and exchange agree.",
        "DIFFERS": "[bold red]Journal and exchange differ.[/]",
        "UNKNOWN": "[bold red]Not everything is known.[/]",
    }
    out.print(f"{said[found['verdict']]} ({found['session']})")
    for one in found["findings"]:
        out.print(f"[bold]{one['code']}[/] {escape(one['text'])}")
    for question, why in found["unknown"].items():
        out.print(f"[bold]unknown: {question}[/] {escape(why)}")
    table(found["balances"], "No asset is counted.")
