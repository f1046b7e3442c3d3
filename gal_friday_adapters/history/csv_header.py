"""The line of names that many CSV files begin with: it says where Kraken's columns stand. Entry point: `in_order`."""

import re

from gal_friday_adapters.history.raw import NOTHING_STORED
from gal_friday_core.candles import UNKNOWN_TRADES
from gal_friday_core.errors import DataError

NAMES = {
    "time": ("time", "timestamp", "ts", "unix", "open_time", "opentime"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v"),
    "trades": ("trades", "count", "tradecount", "n"),
}
"""What columns are called, in Kraken's order. Others, such as an average price, are not read."""

_NUMBER = re.compile(r"[+-]?\d*\.?\d+([eE][+-]?\d+)?")


def in_order(text: bytes, source: str) -> tuple[bytes, int]:
    """The lines below a header with Kraken's columns in Kraken's order, and 1 for the line that was taken off.

    Text that begins with a number anywhere in its first line has no header, and is returned as it is, with 0. Raises
    DataError where a column is missing, and where a line has not as many as the header.
    """
    first, _, rest = text.partition(b"\n")
    names = [name.strip(" \t\r\"'").lower() for name in first.decode("utf-8", errors="replace").split(",")]
    if len(names) < 2 or any(_NUMBER.fullmatch(name) for name in names):
        return text, 0
    places = _places(names, source)
    if not rest.strip():
        raise DataError(f"{source}: a header and no line below it; {NOTHING_STORED}. Fetch it again")
    _check_time(rest.partition(b"\n")[0], places[0], source)
    return (rest if places == list(range(len(names))) else _reordered(rest, places, len(names), source)), 1


def _places(names: list[str], source: str) -> list[int]:
    """Where each of Kraken's columns stands; -1 for trades that nobody counted."""
    found = [
        next((names.index(name) for name in known if name in names), -1) for known in NAMES.values()
    ]  # fmt: skip
    missing = [name for name, place in zip(NAMES, found, strict=True) if place < 0 and name != "trades"]
    if missing:
        raise DataError(
            f"{source}: line 1: a header without {', '.join(missing)}: {', '.join(names)[:80]!r}; {NOTHING_STORED}. "
            "Name the columns time (unix seconds), open, high, low, close, volume[, trades]"
        )
    return found


def _check_time(line: bytes, place: int, source: str) -> None:
    """Times are written in many ways, and the first one tells."""
    fields = line.decode("utf-8", errors="replace").split(",")
    time = fields[place].strip() if place < len(fields) else ""
    if not _NUMBER.fullmatch(time):
        raise DataError(
            f"{source}: line 2: the time {time!r} is not in unix seconds; {NOTHING_STORED}. Convert the column"
        )


def _reordered(rest: bytes, places: list[int], count: int, source: str) -> bytes:
    unknown = str(UNKNOWN_TRADES).encode()
    lines = []
    for number, line in enumerate(rest.splitlines(), start=2):
        fields = line.split(b",")
        if len(fields) != count:
            raise DataError(
                f"{source}: line {number}: {len(fields)} columns where the header names {count}; {NOTHING_STORED}. "
                "Correct the file, or fetch it again"
            )
        lines.append(b",".join(unknown if place < 0 else fields[place] for place in places))
    return b"\n".join(lines)
