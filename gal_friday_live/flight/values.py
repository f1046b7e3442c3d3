"""How values of the outside are written down and read again: JSON that gives back the same value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gal_friday_core import errors
from gal_friday_core.candles import Candles, Series
from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.errors import ExchangeError, GalFridayError
from gal_friday_core.journal import JournalEntry, JournalLine
from gal_friday_core.kraken.error_codes import Refusal

_BUILT_IN: Mapping[str, type[Exception]] = {"OSError": OSError, "TimeoutError": TimeoutError}


@dataclass(frozen=True, slots=True)
class Form:
    """`write` gives what JSON can hold, `read` the value again."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


PLAIN = Form(_same, _same)
NEVER = Form(lambda _: None, lambda _: None)
"""What is done for its own sake."""


def struct(kind: type[Any]) -> Form:
    """A value that msgspec writes."""
    return Form(msgspec.to_builtins, lambda raw: msgspec.convert(raw, kind))


def structs(kind: type[Any]) -> Form:
    """A list of them."""
    return struct(list[kind])  # type: ignore[valid-type]


def _thread_result(value: Any) -> Any:
    """What work in a thread gives: nothing, a mapping, or figures with names."""
    fields = getattr(value, "_fields", None)
    return {"names": dict(zip(fields, value, strict=True))} if fields else {"value": value}


THREAD = Form(
    _thread_result,
    lambda raw: SimpleNamespace(**raw["names"]) if "names" in raw else raw["value"],
)
ENTRIES, LINES, RESTRICTIONS = structs(JournalEntry), structs(JournalLine), structs(Restriction)


def _write_outcome(outcome: msgspec.Raw | Refusal) -> Any:
    if isinstance(outcome, Refusal):
        return {"refusal": msgspec.to_builtins(outcome)}
    return {"result": bytes(outcome).decode()}  # as text: a price keeps the digits that were sent


def _read_outcome(raw: Mapping[str, Any]) -> msgspec.Raw | Refusal:
    if "refusal" in raw:
        return msgspec.convert(raw["refusal"], Refusal)
    return msgspec.Raw(raw["result"].encode())


OUTCOME = Form(_write_outcome, _read_outcome)


def _write_candles(candles: Candles) -> Any:
    return {"series": candles.series.key, "columns": [column.tolist() for column in candles.columns()]}


def _read_candles(raw: Mapping[str, Any]) -> Candles:
    series = Series.parse(raw["series"])
    ts, *prices, trades = raw["columns"]
    opened, high, low, close, volume = (np.array(column, np.float64) for column in prices)
    return Candles(
        series, np.array(ts, np.int64), opened, high, low, close, volume, np.array(trades, np.int64)
    )


CANDLES = Form(_write_candles, _read_candles)


def write_error(error: BaseException) -> Any:
    """An error by its name and words."""
    return {"error": type(error).__name__, "text": str(error), "code": getattr(error, "code", "")}


def read_error(raw: Mapping[str, Any]) -> Exception:
    """The same error; one of a class that is not the product's own is a plain GalFridayError."""
    kind = getattr(errors, raw["error"], _BUILT_IN.get(raw["error"], GalFridayError))
    return ExchangeError(raw["text"], raw["code"]) if kind is ExchangeError else kind(raw["text"])


def text_of(values: NDArray[np.float64]) -> str:
    """The bits of float64 numbers, as hexadecimal digits."""
    return np.ascontiguousarray(values, "<f8").tobytes().hex()
