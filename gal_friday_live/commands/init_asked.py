"""What `gal-friday init` asks, each answer checked at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gal_friday_core.errors import ConfigError
from gal_friday_live.config_writing import checked

Ask = Callable[[str, str, bool], str]
"""Gives the answer to a question: its text, its default, and whether nobody may see what is typed."""


@dataclass(frozen=True, slots=True)
class Question:
    """`key` is the setting; `default` is taken for no answer, and where nobody is asked. An empty answer to one that may
    be `empty` leaves the setting as it is by default.
    """

    key: str
    text: str
    default: str
    read: Callable[[str], Any] = str
    hidden: bool = False

    def taken(self, answer: str) -> Any:
        """The value; None where it stays at its default. Raises ConfigError where the setting does not take it."""
        answer = answer.strip()
        return checked(self.key, self.read(answer)) if answer else None


def pairs_of(text: str) -> list[str]:
    """Pairs as BASE/QUOTE, commas between them.

    >>> pairs_of("btc/usd, ETH-EUR")
    ['BTC/USD', 'ETH/EUR']
    """
    found = [one.strip().upper().replace("-", "/") for one in text.split(",") if one.strip()]
    for pair in found:
        base, _, quote = pair.partition("/")
        if not (base.isalnum() and quote.isalnum()):
            raise ConfigError(f"{pair} is not a pair: write BASE/QUOTE, such as BTC/USD")
    return list(dict.fromkeys(found))


def number_of(text: str) -> float | int:
    """A number; 0.26% is 0.0026.

    >>> number_of("0.26%"), number_of("10_000"), number_of("500")
    (0.0026, 10000, 500)
    """
    try:
        found = Decimal(text.rstrip("%").replace(",", "")) / (100 if text.endswith("%") else 1)
    except InvalidOperation:
        raise ConfigError(f"{text} is not a number") from None
    return int(found) if found == int(found) else float(found)


def listed(text: str) -> list[str]:
    """Addresses, commas or spaces between them."""
    return [one for one in text.replace(",", " ").split() if one]


QUESTIONS: Final = (
    Question("market.pairs", "Which pairs to trade, commas between them", "BTC/USD", pairs_of),
    Question("market.interval", "Bar length: 1m, 5m, 15m, 30m, 1h, 4h or 1d", "1m"),
    Question("strategy.id", "Strategy: threshold asks the model, ema_cross needs none", "threshold"),
    Question("paper.initial_cash", "Paper money to begin with, in quote currency", "10000", number_of),
    Question("costs.taker_fee", "Your exchange's fee for taking, as a fraction or in %", "0.0026", number_of),
    Question("risk.risk_per_trade", "Of equity, lost when a stop is hit", "0.005", number_of),
)
PLACES: Final = (
    Question("storage.data_dir", "Folder for data (empty: the platform's own)", ""),
    Question(
        "storage.database_url", "PostgreSQL of your own, as postgresql://… (empty: the embedded one)", "",
        hidden=True,
    ),
    Question(
        "alerts.page_urls", "Whom to wake on a halt, as apprise takes it: ntfys://…, tgram://… (empty: nobody)", "",
        listed, hidden=True,
    ),
)  # fmt: skip


def answered(
    questions: tuple[Question, ...], given: dict[str, str], ask: Ask | None, say: Callable[[str], object]
) -> Iterator[tuple[str, Any]]:
    """Each setting that is not left at its default. What was `given` is not asked for; without `ask` nobody is.

    Raises ConfigError for what was given and is not taken; an answer that is not taken is asked for again.
    """
    for question in questions:
        if question.key in given or ask is None:
            value = question.taken(given.get(question.key, question.default))
        else:
            value = _asked(question, ask, say)
        if value is not None:
            yield question.key, value


def _asked(question: Question, ask: Ask, say: Callable[[str], object]) -> Any:
    while True:
        try:
            return question.taken(ask(question.text, question.default, question.hidden))
        except ConfigError as error:
            say(f"  {error}")
