"""What became of models' signals: approved, refused and why, filled. Entry point: `answers_of`, over journal lines."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from gal_friday_core.errors import DataError
from gal_friday_core.live_orders import FILL, INTENT, SIGNAL
from gal_friday_core.live_records import Line

APPROVED, ENTRY = "APPROVED", "ENTRY"


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one model's signals. `refused` by code, most frequent first; `filled`: entries with a fill at least."""

    approved: int = 0
    refused: Mapping[str, int] = {}
    filled: int = 0

    @property
    def signals(self) -> int:
        return self.approved + sum(self.refused.values())

    @property
    def refused_share(self) -> float | None:
        """Of all signals that were judged; None where none was."""
        return 1 - self.approved / self.signals if self.signals else None

    @property
    def filled_share(self) -> float | None:
        """The same of those that were filled."""
        return self.filled / self.signals if self.signals else None

    def told(self) -> dict[str, object]:
        """JSON-able."""
        shares = {"refused_share": self.refused_share, "filled_share": self.filled_share}
        return {"signals": self.signals, **msgspec.to_builtins(self), **shares}


class _Signal(msgspec.Struct):
    verdict: str
    model_id: str | None = None


class _Intent(msgspec.Struct):
    client_order_id: str
    purpose: str
    model_id: str | None = None


class _Fill(msgspec.Struct):
    client_order_id: str


_READERS: Mapping[str, type[msgspec.Struct]] = {SIGNAL: _Signal, INTENT: _Intent, FILL: _Fill}


def answers_of(lines: Iterable[Line], models: Iterable[str]) -> dict[str, Answers]:
    """By model, each of `models`. Raises DataError for a line that cannot be read.

    Signals of other models, exits, and fills of orders that are not among the lines count for nobody.
    """
    verdicts: dict[str, Counter[str]] = {model_id: Counter() for model_id in models}
    entries: dict[str, str] = {}
    filled: dict[str, set[str]] = {model_id: set() for model_id in verdicts}
    for line in lines:
        told = _read(line)
        if isinstance(told, _Signal) and told.model_id in verdicts:
            verdicts[told.model_id][told.verdict] += 1
        elif isinstance(told, _Intent) and told.purpose == ENTRY and told.model_id in verdicts:
            entries[told.client_order_id] = told.model_id
        elif isinstance(told, _Fill) and told.client_order_id in entries:
            filled[entries[told.client_order_id]].add(told.client_order_id)
    return {model_id: _answers(verdicts[model_id], len(filled[model_id])) for model_id in verdicts}


def _read(line: Line) -> msgspec.Struct | None:
    kind = _READERS.get(line.kind)
    if kind is None:
        return None
    try:
        return msgspec.json.decode(line.record, type=kind)
    except msgspec.MsgspecError as error:
        raise DataError(f"journal {line.kind} {line.key} of session {line.session}: {error}") from None


def _answers(verdicts: Counter[str], filled: int) -> Answers:
    refused = {code: number for code, number in verdicts.most_common() if code != APPROVED}
    return Answers(approved=verdicts[APPROVED], refused=refused, filled=filled)
