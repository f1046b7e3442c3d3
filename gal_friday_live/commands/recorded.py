"""What the running engine says, and what the journal says where none runs."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gal_friday_live.commands.common import load_config
from gal_friday_live.commands.shown import Shown

if TYPE_CHECKING:
    from gal_friday_live.configuration import ConfigurationManager

NOBODY: Mapping[str, Any] = {"running": False, "as_of": None, "session": None}
"""A journal that knows of no account."""


def explained(config: Path | None, order: str) -> dict[str, Any]:
    """Why an order was placed, from the database."""
    return asyncio.run(_explained(load_config(config), order))


def known(config: Path | None, command: str, session: str | None, **details: Any) -> dict[str, Any]:
    """The answer to status, positions or orders, with `running`: the engine's where one runs and trades that
    session, else the journal's.

    Raises StorageError where neither an engine nor a database is there, or the engine that is does not answer.
    """
    return asyncio.run(_known(load_config(config), command, session, details))


def say_age(found: Shown) -> None:
    """Where no engine spoke, say so before anything else."""
    if found["running"]:
        return
    console = Console(highlight=False, soft_wrap=True)
    if found["session"] is None:
        console.print("No engine is running, and the journal knows of no account.")
        return
    names = (found["mode"], found["venue"], found["account"])
    whose = " ".join(name for name in names if name)
    console.print(
        f"No engine is running. The journal of {whose} ({found['session']}) as of {found['as_of']}:"
    )
    if found["held_by"]:
        console.print(
            f"Another engine trades this account: {found['held_by']}. Ask where its data directory is."
        )
    if others := len(found["other_sessions"]):
        console.print(f"The journal holds {others} more sessions; --session chooses, --json names them.")


def without_sessions(found: Shown) -> dict[str, Any]:
    """What is worth a line on a screen."""
    return {name: value for name, value in found.items() if name not in ("other_sessions", "held_by")}


async def _explained(manager: "ConfigurationManager", order: str) -> dict[str, Any]:
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.explanation import explain

    async with open_database(manager.config) as database:
        return await explain(database, order)


async def _known(
    manager: "ConfigurationManager", command: str, session: str | None, details: Shown
) -> dict[str, Any]:
    from gal_friday_adapters.paths import data_dir
    from gal_friday_live.commands.storage import is_at_hand
    from gal_friday_live.control_socket import ask, control_path, is_served

    path = control_path(data_dir(manager.config))
    served = await asyncio.to_thread(is_served, path)
    if served and session is not None:
        running = await ask(path, "status")
        served = running["session"].startswith(session.lower())
    if served or not is_at_hand(manager.config):
        return {"running": True, **await ask(path, command, **details)}
    found = await _recorded(manager, command, session, ended=details.get("all") is True)
    if found is None and command == "status":
        return {"running": True, **await ask(path, command)}  # says that nobody is there
    empty: Shown = {command: {} if command == "positions" else []}
    return {**NOBODY, **empty} if found is None else found


async def _recorded(
    manager: "ConfigurationManager", command: str, session: str | None, *, ended: bool
) -> dict[str, Any] | None:
    """None where the journal knows of no account."""
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.recorded_account import RecordedAccount

    async with open_database(manager.config) as database:
        account = await RecordedAccount.found(database, manager, session)
    if account is None:
        return None
    if command == "orders":
        return account.orders(ended=ended)
    return account.status() if command == "status" else account.positions()
