"""`gal-friday strands`: what roles tell each other through tables: looked at, tried again, cleaned."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json
from gal_friday_live.commands.shown import show, table

if TYPE_CHECKING:
    from gal_friday_adapters.strands.records import StrandRecords

app = typer.Typer(
    help="Strands: what alpha, decision maker and trader tell each other.", no_args_is_help=True
)

Answer = TypeVar("Answer")
StrandArgument = Annotated[str, typer.Argument(metavar="STRAND", help="A strand's id.", show_default=False)]


@app.command("status")
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show every inbox, who listens, who holds which lease, and the strands that failed."""
    found = _of(config, _status)
    if as_json:
        print_json(found)
        return
    table(found["inboxes"], "No strand was ever written.")
    table(found["modules"], "Nobody ever listened.")
    table(found["leases"], "No account was ever traded.")
    table(found["failed"], "No strand is marked as failed.")


@app.command("show")
def show_strand(strand: StrandArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Tell the story of one plan: what was proposed, decided, ordered and filled. Any strand of it names it."""
    told = _of(config, lambda records: records.story(strand))
    if as_json:
        print_json(told)
        return
    table([_line(row) for row in told], "")


@app.command("retry")
def retry(strand: StrandArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Have a strand that is marked error:processing_failed handled again. One past its deadline expires instead."""
    inboxes = _of(config, lambda records: records.retry(strand))
    show({"strand": strand, "inboxes": inboxes}, as_json=as_json)


@app.command("clean")
def clean(
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=3650,
            help="module_communication.cleanup.retention_days if left out.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove strands that ended longer ago than so many days. The decision maker does so by the clock."""
    from gal_friday_adapters.strands.communicator import DirectTableCommunicator
    from gal_friday_live.commands.storage import open_database

    settings = load_config(config).config
    kept = days or settings.module_communication.cleanup.retention_days

    async def cleaned() -> int:
        async with open_database(settings) as database:
            return await DirectTableCommunicator(database, "dm").clean(kept)

    show({"removed": asyncio.run(cleaned()), "older_than_days": kept}, as_json=as_json)


async def _status(records: "StrandRecords") -> dict[str, Any]:
    return {
        "inboxes": [_readable(row) for row in await records.depths()],
        "modules": [_readable(row) for row in await records.modules()],
        "leases": [_readable(_with_pairs(row)) for row in await records.leases()],
        "failed": [_readable(row) for row in await records.failed()],
    }


def _of(config: Path | None, question: "Callable[[StrandRecords], Awaitable[Answer]]") -> Answer:
    """Ask the configured database. Raises StorageError where it does not answer."""
    from gal_friday_adapters.strands.records import StrandRecords
    from gal_friday_live.commands.storage import open_database

    async def asked() -> Answer:
        async with open_database(load_config(config).config) as database:
            return await question(StrandRecords(database))

    return asyncio.run(asked())


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to a tenth, times to a millisecond."""
    return {name: _said(value) for name, value in row.items()}


def _said(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 1)
    return _time(value) if isinstance(value, datetime) else value


def _time(moment: datetime) -> str:
    """ISO 8601, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_pairs(row: Mapping[str, Any]) -> dict[str, Any]:
    """Pairs in place of series, which repeat venue and interval."""
    from gal_friday_core.candles import Series

    told = {name: value for name, value in row.items() if name != "series"}
    return {**told, "pairs": [Series.parse(key).pair for key in row["series"] or ()]}


def _line(row: dict[str, Any]) -> dict[str, Any]:
    """One strand on one line: the columns that say what it is about."""
    strand = row["strand"]
    said = strand.get("tr_execution") or strand.get("dm_decision") or strand.get("trading_plan") or {}
    names = (
        "side",
        "quantity",
        "verdict",
        "reason_code",
        "reason",
        "order_status",
        "last_quantity",
        "last_price",
    )
    return {
        "at": _time(row["created_at"]),
        "module": row["module"],
        "kind": row["kind"],
        "strand": row["id"],
        "symbol": row["symbol"],
        "says": {name: said[name] for name in names if said.get(name) not in (None, "")},
        "order": said.get("client_order_id"),
        "handled": [f"{one['tag']} {one['state']}" for one in row["handled"]],
    }
