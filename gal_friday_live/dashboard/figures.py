"""The engine's numbers as an operator reads them: one text for every path of the metrics, the same on page and wire.

A path is the keys of nested metrics joined by dots: `account.equity`, `positions.BTC/USD.unrealized_pnl`. Its last key
decides how it is written (`FORMATS`); a `{"value": …, "limit": …}` is a bar as well (`bars`).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

UNKNOWN = "–"


def money(value: Any) -> str:
    """With two decimals, or with as many as a small amount needs.

    >>> money("12345.678"), money("0.00001234"), money("-3"), money(None)
    ('12,345.68', '0.00001234', '−3.00', '–')
    """
    if value is None:
        return UNKNOWN
    number = float(value)
    text = f"{number:,.2f}" if abs(number) >= 1 or number == 0 else _plain(f"{number:.4g}")
    return text.replace("-", "−")


def price(value: Any) -> str:
    """Eight significant digits.

    >>> price("0.0000123400"), price("64250.10")
    ('0.00001234', '64,250.1')
    """
    return UNKNOWN if value is None else _plain(f"{float(value):,.8g}").replace("-", "−")


def percent(value: Any) -> str:
    """A fraction in per cent.

    >>> percent(0.1234), percent(-0.0)
    ('12.34%', '0.00%')
    """
    return UNKNOWN if value is None else f"{float(value) + 0.0:.2%}".replace("-", "−")


def count(value: Any) -> str:
    """A whole number."""
    return UNKNOWN if value is None else f"{int(value):,}"


def seconds(value: Any) -> str:
    """Two units at most.

    >>> seconds(0.0000123), seconds(0.25), seconds(7.25), seconds(200), seconds(93_784), seconds(21_600)
    ('12.3 µs', '250 ms', '7.2 s', '3 min 20 s', '1 d 2 h', '6 h')
    """
    if value is None:
        return UNKNOWN
    given = float(value)
    if given < 1:
        return f"{given * 1e6:.3g} µs" if 0 < given < 1e-3 else f"{given * 1e3:.3g} ms"
    if given < 60:
        return f"{given:.1f} s"
    minutes, rest = divmod(round(given), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return _both(f"{days:,} d", hours, "h")
    return _both(f"{hours} h", minutes, "min") if hours else _both(f"{minutes} min", rest, "s")


def _both(first: str, number: int, unit: str) -> str:
    return f"{first} {number} {unit}" if number else first


def nanoseconds(value: Any) -> str:
    """As `seconds`.

    >>> nanoseconds(12_345), nanoseconds(3_000_000)
    ('12.3 µs', '3 ms')
    """
    return seconds(None if value is None else value / 1e9)


def megabytes(value: Any) -> str:
    """Of 1,000,000 bytes, or of as many thousand.

    >>> megabytes(312.4), megabytes(81_234)
    ('312 MB', '81.2 GB')
    """
    if value is None:
        return UNKNOWN
    return f"{value / 1e3:.1f} GB" if value >= 10_000 else f"{value:.0f} MB"


def size(value: Any) -> str:
    """Bytes as `megabytes`."""
    return megabytes(None if value is None else value / 1e6)


def instant(value: Any) -> str:
    """ISO 8601 to the second, as people read it.

    >>> instant("2026-03-01T12:00:05.123456789Z")
    '2026-03-01 12:00:05'
    """
    return UNKNOWN if value is None else str(value)[:19].replace("T", " ")


def yes_no(value: Any) -> str:
    """A truth in a word."""
    return UNKNOWN if value is None else "yes" if value else "no"


Format = Callable[[Any], str]
FORMATS: dict[str, Format] = {
    **dict.fromkeys(
        (
            "equity",
            "cash",
            "available",
            "realized_pnl",
            "unrealized_pnl",
            "fees",
            "market_value",
            "cash_free",
            "stop_loss",
            "worth",
            "buying",
            "if_bought",
        ),
        money,
    ),
    **dict.fromkeys(
        (
            "average_entry_price",
            "current_market_value",
            "price",
            "average_price",
            "trigger_price",
            "limit_price",
            "quantity",
            "protected_quantity",
            "held",
            "selling",
            "if_sold",
            "unprotected",
        ),
        price,
    ),
    **dict.fromkeys(("exposure", "daily_drawdown", "weekly_drawdown", "total_drawdown"), percent),
    **dict.fromkeys(("started", "time", "last_bar"), instant),
}
"""By the last key of a path. Keys that end in a unit say it themselves (`_BY_UNIT`)."""
_BY_UNIT: tuple[tuple[str, Format], ...] = (
    ("_seconds_total", seconds), ("_ns", nanoseconds), ("_mb", megabytes), ("_share", percent), ("_at", instant), ("_seconds", seconds),
    ("_bytes", size), ("_total", count), ("_s", seconds),
)  # fmt: skip


def written(path: str, value: Any) -> str:
    """The text of one value. Where its key says no unit, that of what it belongs to holds.

    >>> written("gc.pause_max_seconds.2", 0.25)
    '250 ms'
    >>> written("account.equity", "10000"), written("health.loop_lag_s", 0.002), written("bus.delivered", 12345)
    ('10,000.00', '2 ms', '12,345')
    """
    for name in reversed(path.split(".")):
        known = FORMATS.get(name) or next((form for suffix, form in _BY_UNIT if name.endswith(suffix)), None)
        if known is not None:
            return known(value)
    return _by_kind(value)


def _by_kind(value: Any) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return yes_no(value)
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return count(value)
    if isinstance(value, float):
        return _plain(f"{value:,.4g}").replace("-", "−")
    if isinstance(value, (list, tuple)):
        return ", ".join(str(each) for each in value) or UNKNOWN
    return str(value)


def leaves(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its path; lists of objects are left out: tables are drawn anew, not kept current.

    >>> dict(leaves({"account": {"equity": "1"}, "orders": [{"id": 1}], "pairs": ["BTC/USD"]}))
    {'account.equity': '1', 'pairs': ['BTC/USD']}
    """
    for key, value in metrics.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}.")
        elif not (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            yield path, value


def texts(metrics: Mapping[str, Any]) -> dict[str, str]:
    """All of it as text, by path."""
    return {
        path: written(path, value) if isinstance(value, list) else _remembered(path, value)
        for path, value in leaves(metrics)
    }


@lru_cache(maxsize=4_096, typed=True)
def _remembered(path: str, value: Any) -> str:
    """Most numbers are those of the last look."""
    return written(path, value)


def text(metrics: Mapping[str, Any], path: str) -> str:
    """One of them; a dash where the engine has not told it."""
    return written(path, at(metrics, path))


def at(metrics: Mapping[str, Any], path: str) -> Any:
    """The value at a path; None where there is none."""
    value: Any = metrics
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _plain(text: str) -> str:
    """Without an exponent."""
    return f"{float(text.replace(',', '')):.12f}".rstrip("0").rstrip(".") if "e" in text else text
