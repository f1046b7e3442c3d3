"""One line of the journal, wherever it is kept."""

from typing import Any

import msgspec


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`seq` orders what was written; a buffered note may stand behind younger entries, so `ts_ns` is its time.

    `record` is in its JSON form: Decimal as string, NaN as None.
    """

    seq: int
    session: str
    ts_ns: int
    kind: str
    key: str
    record: dict[str, Any]


class JournalLine(msgspec.Struct, frozen=True):
    """One entry as it is read in bulk: `record` is the JSON itself, for who knows its type to decode at once."""

    seq: int
    ts_ns: int
    kind: str
    key: str
    record: str
