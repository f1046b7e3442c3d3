"""The outside market: everybody on the venue who is not a client."""

from typing import Protocol

from gal_friday_core.venue.floor import Floor


class OutsideMarket(Protocol):
    """One pair's outside orders; it acts at times that it names itself."""

    def open(self, floor: Floor, now_ns: int) -> None:
        """Fill the book before the first client comes."""
        ...

    def due_ns(self) -> int | None:
        """When it acts next; None where it never will again."""
        ...

    def act(self, floor: Floor, now_ns: int) -> None:
        """Do what is due, and name the next time."""
        ...

    def skip(self) -> None:
        """Let what is due go by: the pair does not match."""
        ...
