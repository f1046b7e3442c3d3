"""Stops asking an exchange that does not answer, and asks again after a while."""

from collections.abc import Callable


class Circuit:
    """Opens after so many failures in a row, for a pause that doubles with each further one; any answer closes it.

    What `open_for` opened stays open: that is not for an answer to end. `timer` is monotonic, in seconds. Whether an open circuit holds a request back is the caller's decision: one
    that cancels an order is never held back.

    >>> clock = [0.0]
    >>> circuit = Circuit(lambda: clock[0], failures=2, pause_s=1.0, longest_s=8.0)
    >>> circuit.failed(); circuit.open_s()
    0.0
    >>> circuit.failed(); circuit.open_s()
    1.0
    >>> clock[0] = 1.0; circuit.failed(); circuit.open_s()
    2.0
    >>> circuit.open_for(0.5); circuit.worked(); circuit.open_s()
    0.5
    """

    def __init__(
        self, timer: Callable[[], float], *, failures: int = 5, pause_s: float = 2.0, longest_s: float = 60.0
    ) -> None:
        self._timer = timer
        self._most = failures
        self._pause_s = pause_s
        self._longest_s = longest_s
        self._failures = 0
        self._until = 0.0  # by failures
        self._shut_until = 0.0  # for reasons of its own

    def open_s(self) -> float:
        """For how long it stays open; 0 when requests may be made."""
        return max(self._until - self._timer(), self.shut_s())

    def shut_s(self) -> float:
        """For how long, failures aside: what the exchange itself asked for, such as the time of a lockout."""
        return max(self._shut_until - self._timer(), 0.0)

    def worked(self) -> None:
        self._failures = 0
        self._until = 0.0

    def failed(self) -> None:
        self._failures += 1
        beyond = self._failures - self._most
        if beyond >= 0:
            pause_s = min(self._pause_s * 2.0 ** min(beyond, 30), self._longest_s)
            self._until = max(self._until, self._timer() + pause_s)

    def open_for(self, pause_s: float) -> None:
        """Open at once, for reasons of its own, such as a lockout; never for less than it already is."""
        self._shut_until = max(self._shut_until, self._timer() + pause_s)
