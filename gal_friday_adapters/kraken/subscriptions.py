"""What one line has asked for, and what was granted: Kraken acknowledges each symbol by itself."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gal_friday_core.kraken.wire import Acknowledgement

TOO_FAST = ("rate", "thrott")
"""Words of a refusal that time heals."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One channel for one symbol ("" for channels that have none), with the channel's own parameters."""

    channel: str
    symbol: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()


@dataclass(slots=True)
class _Asked:
    due: float
    granted: bool = False
    renewed: float = float("-inf")


@dataclass(slots=True)
class Subscriptions:
    """`send` takes one request. Requests that nobody answers within `answer_s` are made again."""

    send: Callable[[bytes], None]
    timer: Callable[[], float]
    answer_s: float
    _asked: dict[Subscription, _Asked] = field(default_factory=dict)
    _number: int = 0

    @property
    def all_granted(self) -> bool:
        return all(asked.granted for asked in self._asked.values())

    def ask(self, wanted: Iterable[Subscription]) -> None:
        """Subscribe: one request for all symbols of a channel that have the same parameters."""
        due = self.timer() + self.answer_s
        groups: dict[tuple[str, tuple[tuple[str, Any], ...]], list[Subscription]] = {}
        for item in wanted:
            groups.setdefault((item.channel, item.parameters), []).append(item)
            self._asked[item] = _Asked(due)
        for items in groups.values():
            self._request("subscribe", items)

    def renew(self, channel: str, symbol: str, *, pause_s: float = 0.0) -> None:
        """Unsubscribe and subscribe, for a snapshot.

        Nothing where one is on its way already, or where the last renewal is not `pause_s` ago.
        """
        now = self.timer()
        for item, asked in self._asked.items():
            if (item.channel, item.symbol) != (channel, symbol):
                continue
            if asked.granted and now - asked.renewed >= pause_s:
                asked.granted = False
                asked.due = now + self.answer_s
                asked.renewed = now
                self._request("unsubscribe", [item])
                self._request("subscribe", [item])

    def answered(self, answer: Acknowledgement) -> str | None:
        """Take in an acknowledgement; the reason where it is a refusal that will not go away by itself."""
        if answer.success:
            self._grant(answer)
            return None
        reason = answer.error or "no reason given"
        if answer.method == "unsubscribe" or any(word in reason.lower() for word in TOO_FAST):
            return None  # what is overdue is asked for again
        return f"{answer.symbol}: {reason}" if answer.symbol else reason

    def check(self) -> None:
        """Ask again for what nobody answered."""
        now = self.timer()
        self.ask([item for item, asked in self._asked.items() if not asked.granted and now >= asked.due])

    def _grant(self, answer: Acknowledgement) -> None:
        result = answer.result
        if answer.method != "subscribe" or result is None:
            return
        for item, asked in self._asked.items():
            if item.channel == result.channel and item.symbol in ("", result.symbol):
                asked.granted = True

    def _request(self, method: str, items: Sequence[Subscription]) -> None:
        """`req_id` counts from 1: Kraken takes integers only."""
        self._number += 1
        first = items[0]
        params: dict[str, Any] = {"channel": first.channel, **dict(first.parameters)}
        if symbols := [item.symbol for item in items if item.symbol]:
            params["symbol"] = symbols
        if method == "subscribe":
            params["snapshot"] = True
        self.send(msgspec.json.encode({"method": method, "params": params, "req_id": self._number}))
