"""Reads the fields of a client's request; whatever does not fit is refused in the exchange's own words."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gal_friday_core.errors import DataError, ExchangeError
from gal_friday_core.times import SECOND_NS, from_iso
from gal_friday_core.venue.error_texts import invalid

_TRUE = frozenset(("true", "1", "yes"))
_FALSE = frozenset(("false", "0", "no", ""))
_MOST_DIGITS = 18
"""No number has its first digit further than this from the point: written out, it could fill the memory."""
INT32 = 1 << 31


class Fields:
    """A request's parameters by name. Every reader raises ExchangeError with the refusal to send."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) not in (None, "")

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, (str, int, Decimal)) or isinstance(value, bool) or value == "":
            raise ExchangeError(invalid(name))
        return str(value)

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self else None

    def number(self, name: str) -> Decimal:
        return number(self.text(name), name)

    def optional_number(self, name: str) -> Decimal | None:
        return self.number(name) if name in self else None

    def integer(self, name: str) -> int:
        value = self.number(name)
        if value != value.to_integral_value():
            raise ExchangeError(invalid(name))
        return int(value)

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self else None

    def userref(self, name: str) -> int | None:
        """A tag of an order: int32."""
        value = self.optional_integer(name)
        if value is not None and not -INT32 <= value < INT32:
            raise ExchangeError(invalid(name))
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        word = str(value).lower()
        if word not in _TRUE | _FALSE:
            raise ExchangeError(invalid(name))
        return word in _TRUE

    def texts(self, name: str) -> tuple[str, ...]:
        """A list, a comma list, or one value."""
        value = self.values.get(name)
        if value is None or value == "":
            return ()
        items = value if isinstance(value, list) else str(value).split(",")
        if not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in items):
            raise ExchangeError(invalid(name))
        return tuple(str(item).strip() for item in items if str(item).strip())

    def section(self, name: str) -> "Fields | None":
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise ExchangeError(invalid(name))
        return Fields(value)

    def sections(self, name: str) -> list["Fields"]:
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise ExchangeError(invalid(name))
        return [Fields(item) for item in value]

    def iso_time(self, name: str) -> int | None:
        if name not in self:
            return None
        try:
            return from_iso(self.text(name))
        except DataError:
            raise ExchangeError(invalid(name)) from None

    def unix_time(self, name: str, now_ns: int) -> int | None:
        """REST times: unix seconds, or `+seconds` from now; 0 and absence mean none."""
        if name not in self:
            return None
        text = self.text(name)
        ns = int(number(text.removeprefix("+"), name) * SECOND_NS)
        if text.startswith("+"):
            return now_ns + ns
        return ns or None


def number(text: str, name: str) -> Decimal:
    """A finite decimal of a sensible size. Raises ExchangeError with the argument's name."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ExchangeError(invalid(name)) from None
    if not value.is_finite() or not -_MOST_DIGITS <= value.adjusted() <= _MOST_DIGITS:
        raise ExchangeError(invalid(name))
    return value
