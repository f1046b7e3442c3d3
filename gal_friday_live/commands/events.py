"""`gal-friday events`: what travels on the bus and to whoever listens outside."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_core.errors import ContractError
from gal_friday_live.commands.common import JsonOption, print_json

app = typer.Typer(help="The events of the platform and their fields.", no_args_is_help=True)


@app.callback()
def _events() -> None:
    """Keeps `schema` a command of its own while it is the only one."""


@app.command("schema")
def schema(
    event_type: Annotated[
        str | None,
        typer.Argument(
            metavar="[EVENT_TYPE]", help="Only this one, e.g. MARKET_DATA_L2.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the fields of every event as spelled in JSON; with --json the JSON Schema of each, by event type."""
    from gal_friday_core.event_schemas import event_schemas

    schemas = event_schemas()
    if event_type is not None:
        if event_type not in schemas:
            raise ContractError(f"unknown event type {event_type!r}: use one of {', '.join(schemas)}")
        schemas = {event_type: schemas[event_type]}
    if as_json:
        print_json(schemas)
        return
    console = Console()
    for name, described in schemas.items():
        console.print(_table(name, described["properties"]["payload"]))


def _table(name: str, payload: dict[str, Any]) -> Table:
    table = Table(
        Column("field", no_wrap=True),
        Column("in JSON", overflow="fold"),
        "required",
        title=name,
        title_justify="left",
    )
    for field, described in payload["properties"].items():
        table.add_row(field, escape(_spelling(described)), "yes" if field in payload["required"] else "")
    return table


def _spelling(described: dict[str, Any]) -> str:
    """One line for a person; the whole is in --json."""
    if "anyOf" in described:
        return " or ".join(_spelling(option) for option in described["anyOf"])
    if "enum" in described:
        return ", ".join(map(str, described["enum"]))
    kind = described.get("type", "any")
    if "prefixItems" in described:
        return f"[{', '.join(map(_spelling, described['prefixItems']))}]"
    if kind == "array":
        return f"list of {_spelling(described['items'])}" if described.get("items") else "list"
    return f"{kind} ({described['format']})" if "format" in described else str(kind)
