"""What an engine on an island has instead of the world: readings, questions, and what it says."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from gal_friday_core.ports import Listener
from gal_friday_live.flight.values import Form

T = TypeVar("T")


class Outside(Protocol):
    """The same to the engine, whether the world answers or a record does."""

    def reading(self, name: str, read: Callable[[], T], form: Form | None = None) -> T:
        """A number, or whatever `form` writes down, that is known at once: a clock's, a disk's, chance."""
        ...

    async def ask(self, what: str, asked: Any, work: Callable[[], Awaitable[T]], form: Form) -> T:
        """What `work` brings, done outside. `asked` (JSON-able) is what the engine says by asking."""
        ...

    def tell(self, what: str, told: Any) -> None:
        """What the engine says and needs no answer to; JSON-able."""
        ...

    def beside(self, work: Callable[[], object]) -> None:
        """Have `work` done outside, soon and without an answer."""
        ...

    def hide(self, secret: str) -> None:
        """Keep it out of the record from now on."""
        ...

    def line(self, listener: Listener, *, public: bool) -> int:
        """The number of one more line to the exchange, whose messages `listener` hears."""
        ...

    def sent(self, line: int, message: bytes) -> None:
        """What the engine says on a line."""
        ...
