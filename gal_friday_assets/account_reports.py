"""Statements of a day, written and told: Parquet, a page and JSON for each account, numbers that Dagster plots."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from gal_friday_adapters.paths import statements_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.statement_page import render
from gal_friday_adapters.statement_store import StatementStore
from gal_friday_assets.describe import Metadata, numbers
from gal_friday_assets.pages import link
from gal_friday_assets.resources import Settings
from gal_friday_core.statement import Statement
from gal_friday_live.statements import Statements

Found = tuple[Statement, dict[str, Any]]
"""A statement, and whose account it is."""


async def stated(settings: Settings, day: str) -> list[Found]:
    """The day of every account that is to be stated."""
    async with Database(settings.database_url) as database:
        return await Statements(database).of_day(day, now_ns=time.time_ns())


def write(settings: Settings, statement: Statement, owner: dict[str, Any]) -> Path:
    """Tables and page of one account's day; where the page is."""
    StatementStore(statements_dir(settings.config)).write(statement)
    page = settings.report_file("statements", statement.session, f"{statement.day}.html")
    told = msgspec.json.encode({**owner, **statement.as_dict()})
    page.with_suffix(".json").write_bytes(msgspec.json.format(told, indent=1))
    page.write_text(render(statement, owner), encoding="utf-8")
    return page


def described(found: Sequence[Found], pages: Sequence[Path]) -> Metadata:
    """Equity, profit and fees by account, and the same as a table."""
    measured: dict[str, Any] = {}
    lines = []
    for statement, owner in found:
        name = named(owner)
        sums = {
            "equity": statement.closing.equity, "profit": statement.profit, "realized": statement.realized,
            "unrealized": statement.unrealized, "fees": statement.fees, "moved": statement.moved,
        }  # fmt: skip
        measured |= {f"{name}_{what}": float(amount) for what, amount in sums.items()}
        measured[f"{name}_fills"] = len(statement.trades)
        amounts = " | ".join(f"{amount:,.2f}" for amount in sums.values())
        lines.append(f"| {name} | {statement.quote} | {amounts} | {len(statement.trades):,} |")
    head = [
        "| account | quote | equity | profit | realised | unrealised | fees | came less went | fills |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return {
        "accounts": len(found),
        "dagster/row_count": sum(len(statement.trades) for statement, _ in found),
        "by_account": dg.MetadataValue.md("\n".join([*head, *lines])),
        **{f"page_{named(owner)}": link(page) for (_, owner), page in zip(found, pages, strict=True)},
        **numbers(measured),
    }


def named(owner: dict[str, Any]) -> str:
    """An account in a metadata key.

    >>> named({"mode": "live", "venue": "kraken", "account": "main"})
    'live_kraken_main'
    """
    return "_".join(
        str(owner[part]).replace("-", "_") for part in ("mode", "venue", "account") if owner[part]
    )
