"""`gal-friday statement`: an account's day, from the journal alone."""

import asyncio
import time
from typing import Annotated, Any

import typer
from rich.console import Console

from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json
from gal_friday_live.commands.shown import show, table

DayOption = Annotated[
    str | None,
    typer.Option(
        help="UTC day, such as 2024-02-29; today, as far as it is known, if left out.", show_default=False
    ),
]
SessionOption = Annotated[
    str | None,
    typer.Option(
        help="The account's session, or how its id begins; by default the last that was written to.",
        show_default=False,
    ),
]


def statement(
    day: DayOption = None,
    session: SessionOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """State an account's day: balances, trades, fees, profit, money that came or went. Exit code 1 where it does not add up."""
    found = asyncio.run(_found(load_config(config).config, day, session))
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found["problems"]:
        raise typer.Exit(1)


async def _found(config: Any, day: str | None, session: str | None) -> dict[str, Any]:
    from gal_friday_core.times import to_iso
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.statements import Statements

    now_ns = time.time_ns()
    async with open_database(config) as database:
        stated, owner = await Statements(database).of_account(
            day or to_iso(now_ns)[:10], session, now_ns=now_ns
        )
    return {**owner, **stated.as_dict()}


def _print(found: dict[str, Any]) -> None:
    out = Console(highlight=False, soft_wrap=True)
    whose = " ".join(str(found[name]) for name in ("mode", "venue", "account") if found[name])
    out.print(f"{whose} ({found['session']}), {found['day']}{'' if found['complete'] else ', so far'}")
    ends = {f"{end}_equity": found[end]["equity"] for end in ("opening", "closing")}
    sums = {name: found[name] for name in ("profit", "realized", "unrealized", "fees", "moved")}
    show({**ends, **sums}, as_json=False)
    table(found["assets"], "Nothing is held.")
    names = (
        "pair",
        "fills",
        "bought",
        "sold",
        "turnover",
        "fees",
        "realized",
        "closing",
        "closing_unrealized",
    )
    table([{name: line[name] for name in names} for line in found["pairs"]], "No pair was ever traded.")
    columns = ("time", "pair", "side", "quantity", "price", "value", "fee", "fee_asset", "realized")
    table([{name: line[name] for name in columns} for line in found["trades"]], "Nothing was traded.")
    if found["flows"]:
        table(found["flows"], "")
    for problem in found["problems"]:
        out.print(f"[bold red]This does not add up:[/] {problem}")
