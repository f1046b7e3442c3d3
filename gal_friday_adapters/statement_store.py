"""Statements as Parquet: one file a day, account and table, money as decimals, so that what is read back adds up."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl

from gal_friday_adapters.files import files_at
from gal_friday_adapters.locations import Location
from gal_friday_adapters.parquet_store import read_frame, write_frame
from gal_friday_core.errors import StorageError
from gal_friday_core.money import EXACT
from gal_friday_core.statement import Statement
from gal_friday_core.statement_lines import AssetLine, FlowLine, PairLine, TradeLine

MONEY = pl.Decimal(38, 18)
TABLES = ("balances", "pairs", "trades", "flows", "summary")
_LINES: dict[str, type[msgspec.Struct]] = {
    "balances": AssetLine,
    "pairs": PairLine,
    "trades": TradeLine,
    "flows": FlowLine,
}
_STEP = Decimal(1).scaleb(-MONEY.scale)
_SUMS = ("profit", "realized", "unrealized", "fees", "moved")
_TYPES: dict[str, Any] = {"str": pl.String, "int": pl.Int64, "bool": pl.Boolean, "Decimal": MONEY}


class StatementStore:
    """`root/TABLE/SESSION/DAY.parquet`; times are nanoseconds UTC, money and quantities decimals of 18 places."""

    def __init__(self, root: Location) -> None:
        self._files = files_at(root)

    def write(self, stated: Statement) -> bool:
        """Replace the day's files, the summary last; False where all were the same already. Raises StorageError."""
        frames = {table: _frame(stated, table) for table in TABLES}
        with self._files.held(stated.session):
            changed = [
                write_frame(self._files, _name(table, stated.session, stated.day), frame)
                for table, frame in frames.items()
            ]
        return any(changed)

    def read(self, table: str, session: str, day: str) -> pl.DataFrame:
        """One table of one day. Raises StorageError where it is not there, or damaged."""
        name = _name(table, session, day)
        frame = read_frame(self._files, name, "make the statement again")
        if frame is None:
            raise StorageError(f"{self._files.show(name)} is not there: make the statement again")
        return frame


def _name(table: str, session: str, day: str) -> str:
    return f"{table}/{session}/{day}.parquet"


def _frame(stated: Statement, table: str) -> pl.DataFrame:
    """The lines of a table, each with its session and day."""
    if table == "summary":
        return _table(
            stated, [_summary(stated)], {name: _polars(value) for name, value in _summary(stated).items()}
        )
    lines: dict[str, Sequence[msgspec.Struct]] = {
        "balances": stated.assets, "pairs": stated.pairs, "trades": stated.trades, "flows": stated.flows,
    }  # fmt: skip
    rows = [msgspec.structs.asdict(line) for line in lines[table]]
    fields = msgspec.structs.fields(_LINES[table])
    return _table(stated, rows, {field.name: _column(field.type) for field in fields})


def _summary(stated: Statement) -> dict[str, Any]:
    ends = {
        f"{end}_{name}": value
        for end, worth in (("opening", stated.opening), ("closing", stated.closing))
        for name, value in msgspec.structs.asdict(worth).items()
    }
    return {
        "quote": stated.quote, "complete": stated.complete, "trades": len(stated.trades),
        "flows": len(stated.flows), "problems": len(stated.problems),
        **{name: getattr(stated, name) for name in _SUMS}, **ends,
    }  # fmt: skip


def _table(stated: Statement, rows: list[dict[str, Any]], columns: dict[str, Any]) -> pl.DataFrame:
    named = {"session": stated.session, "day": stated.day}
    for row in rows:
        for name, value in row.items():
            _fits(name, value)
    return pl.DataFrame(
        [named | row for row in rows],
        schema={"session": pl.String, "day": pl.String, **columns},
        orient="row",
    )


def _fits(name: str, value: Any) -> None:
    """Raises StorageError for an amount that a column would round."""
    if isinstance(value, Decimal) and value != EXACT.quantize(value, _STEP):
        raise StorageError(
            f"{name} {value} has more than {MONEY.scale} decimal places: it cannot be stored exactly"
        )


def _polars(value: Any) -> Any:
    return _TYPES[type(value).__name__]


def _column(kind: Any) -> Any:
    """The column of a field: of a union or an annotated type, what it is when it is known."""
    text = str(kind)
    return next(column for name, column in _TYPES.items() if name in text)
