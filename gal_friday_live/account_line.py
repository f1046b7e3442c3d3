"""The line to our account: whether it stands, and who must know when that changes."""

from gal_friday_core.ports import LineHandler


class AccountLine:
    """Hears the exchange, remembers the fault, and passes the news on in the order that listeners were added."""

    def __init__(self) -> None:
        self._fault = ""
        self._listeners: list[LineHandler] = []
        self.losses = 0

    def add(self, listener: LineHandler) -> None:
        self._listeners.append(listener)

    def fault(self) -> str:
        """Why it is down; empty while it stands."""
        return self._fault

    def on_line(self, up: bool, reason: str) -> None:
        self.losses += not up
        self._fault = "" if up else reason or "the line to the account is down"
        for listener in self._listeners:
            listener(up, reason)
