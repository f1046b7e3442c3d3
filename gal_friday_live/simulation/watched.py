"""The simulated exchange with somebody who looks on: at what it takes, what it refuses, and which books it shows."""

from collections.abc import Callable
from typing import Any

from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.simulated_kraken.hub import Hub
from gal_friday_core.venue.exchange import Venue
from gal_friday_core.venue.requests import AddOrder, Front, Request, Response
from gal_friday_core.venue.updates import BookUpdate


class WatchedVenue(Venue):
    """The venue, with somebody who looks at what it takes."""

    accepted: Callable[[AddOrder], None] = staticmethod(lambda _request: None)
    refused: Callable[[str, str], None] = staticmethod(lambda _what, _error: None)

    def call(self, account: str, request: Request, now_ns: int, *, front: Front = "rest") -> Response:
        response = super().call(account, request, now_ns, front=front)
        if response.error is not None:
            self.refused(getattr(request, "cl_ord_id", "") or type(request).__name__, response.error)
        elif isinstance(request, AddOrder) and not request.validate:
            self.accepted(request)
        return response

    def admit_rest(self, account: str, method: str, now_ns: int, key: str = "") -> str | None:
        error = super().admit_rest(account, method, now_ns, key)
        if error is not None:
            self.refused(method, error)
        return error


class WatchedHub(Hub):
    """As the exchange's; `shown` is told of each state of a book that goes out: a moment has several."""

    shown: Callable[[], None] = staticmethod(lambda: None)

    def _book(self, update: BookUpdate) -> None:
        super()._book(update)
        self.shown()


class WatchedExchange(Exchange):
    """The exchange, with somebody who remembers its books."""

    advanced: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.hub: WatchedHub = WatchedHub(self.markets, counter=self._counter)

    def advance(self) -> bool:
        present = super().advance()
        self.advanced()
        return present
