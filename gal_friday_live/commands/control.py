"""Commands to a running engine: status, positions, orders, halt, resume, reload, stop; and `explain`, which needs none."""

import asyncio
import getpass
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json

Shown = Mapping[str, Any]

WIDE = 240
"""Columns, where the output is no terminal: ids must stay whole."""

_QUOTIENT = re.compile(r"-?\d+\.\d{13,}")

WhoOption = Annotated[
    str | None,
    typer.Option(help="Who asks; kept in the journal. Your login name if left out.", show_default=False),
]


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the running engine does: state, model, counts, equity, and what keeps entries back."""
    _show(_ask(config, "status"), as_json=as_json)


def positions(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show cash and positions, each with what protects it."""
    state = _ask(config, "positions")
    if as_json:
        print_json(state)
        return
    held = state.pop("positions")
    _show(state, as_json=False)
    _table([{"pair": pair, **position} for pair, position in held.items()], "No open positions.")


def orders(
    everything: Annotated[bool, typer.Option("--all", help="Ended orders too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List open orders by client order id; `explain` takes that id."""
    found = _ask(config, "orders", all=everything)
    if as_json:
        print_json(found)
        return
    columns = (
        "client_order_id",
        "pair",
        "purpose",
        "side",
        "type",
        "status",
        "quantity",
        "filled",
        "average_price",
    )
    shown = [{name: order[name] for name in columns} for order in found["orders"]]
    _table(shown, "No orders." if everything else "No open orders; --all shows those that ended.")


def halt(
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")] = "asked for by the operator",
    who: WhoOption = None,
    liquidate: Annotated[
        bool,
        typer.Option(
            "--liquidate", help="Also sell every position at market; by default they are kept, protected."
        ),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop all entries at once, cancel those that wait, keep protective stops. It holds across restarts."""
    action = "LIQUIDATE_POSITIONS" if liquidate else "CANCEL_ENTRIES"
    _show(_ask(config, "halt", reason=reason, who=who or getpass.getuser(), action=action), as_json=as_json)


def resume(
    reason: Annotated[
        str, typer.Option(help="Why trading may go on; kept in the journal.", show_default=False)
    ],
    who: WhoOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Trade again after a halt; refused until the recovery checklist holds, reconciliation first of all."""
    _show(_ask(config, "resume", reason=reason, who=who or getpass.getuser()), as_json=as_json)


def reload(who: WhoOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read the configuration again: limits that are tighter hold at once. One that is looser refuses all of it."""
    told = _ask(config, "reload", who=who or getpass.getuser())
    if as_json:
        print_json(told)
        return
    _table(told["taken"], "No limit is tighter than before.")
    if told["next_start"]:
        Console(highlight=False).print(
            f"Changed, and waiting for the next start: {', '.join(told['next_start'])}"
        )


def stop(who: WhoOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """End the running engine in order. Protective stops stay at the exchange."""
    _show(_ask(config, "stop", who=who or getpass.getuser()), as_json=as_json)


def explain(
    order: Annotated[
        str, typer.Argument(metavar="ORDER", help="Client order id, or the exchange's.", show_default=False)
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell why an order was placed: signal, prediction, model, features, training data, code."""
    story = asyncio.run(_explained(config, order))
    if as_json:
        print_json(story)
        return
    features = story.pop("features", None) or {}
    for name in ("order", "signal", "prediction", "model"):
        _show({"": name, **(story.pop(name, None) or {"": "unknown"})}, as_json=False)
    reports = story.pop("reports", [])
    story.pop("fills", None)
    _show(story, as_json=False)
    _table(
        [
            {"at": told["at"], "status": told["order_status"], "filled": told["quantity_filled"]}
            for told in reports
        ],
        "No reports.",
    )
    _table([{"feature": name, "value": value} for name, value in features.items()], "No feature vector.")


async def _explained(config: Path | None, order: str) -> dict[str, Any]:
    from gal_friday_live.commands.storage import open_database
    from gal_friday_live.explanation import explain as told

    async with open_database(load_config(config).config) as database:
        return await told(database, order)


def _ask(config: Path | None, command: str, **details: Any) -> Any:
    from gal_friday_adapters.paths import data_dir
    from gal_friday_live.control_socket import ask, control_path

    path = control_path(data_dir(load_config(config).config))
    return asyncio.run(ask(path, command, **details))


def _show(values: Shown, *, as_json: bool) -> None:
    if as_json:
        print_json(values)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        table.add_row(f"[bold]{escape(name.replace('_', ' '))}[/]", escape(_text(value)))
    Console(highlight=False).print(table)


def _table(rows: list[dict[str, Any]], otherwise: str) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDE)
    if not rows:
        console.print(otherwise)
        return
    first, *others = rows[0]
    table = Table(Column(first, no_wrap=True), *others)
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inner}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(_text, value)) or "none"
    return "" if value is None else _short(str(value))


def _short(text: str) -> str:
    """A quotient with all its digits says less than a dozen of them; --json has them all."""
    return f"{Decimal(text):.12g}" if _QUOTIENT.fullmatch(text) else text
