"""The words of the protocol: which module a strand is for, how urgent it is, how long it holds, what it answers.

A strand's tags are a list of texts. `Tags.parse` reads them and refuses what the protocol does not know, and what a
module may not say; the database holds the same list once more. `account:NAME` and `from:NAME` are ours: several
accounts share one database, and several alphas one decision maker.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import msgspec

from gal_friday_core.errors import ContractError
from gal_friday_core.payloads import Nanoseconds
from gal_friday_core.times import SECOND_NS

Module = Literal["alpha", "dm", "trader"]
MODULES: Final[tuple[Module, ...]] = get_args(Module)

EVALUATE_PLAN: Final = "dm:evaluate_plan"
DECISION_FEEDBACK: Final = "alpha:decision_feedback"
EXECUTE_PLAN: Final = "trader:execute_plan"
EXECUTION_FEEDBACK: Final = "alpha:execution_feedback"
DM_EXECUTION_FEEDBACK: Final = "dm:execution_feedback"
PRIORITY_HIGH: Final = "priority:high"
PROCESSING_FAILED: Final = "error:processing_failed"
EXPIRED: Final = "error:expired"

SAYS: Final[Mapping[Module, tuple[str, ...]]] = {
    "alpha": (EVALUATE_PLAN,),
    "dm": (DECISION_FEEDBACK, EXECUTE_PLAN),
    "trader": (EXECUTION_FEEDBACK, DM_EXECUTION_FEEDBACK),
}
"""Whom a module may address. An alpha never commands the trader."""
ADDRESSES: Final[tuple[str, ...]] = tuple(tag for tags in SAYS.values() for tag in tags)
ERRORS: Final[tuple[str, ...]] = (PROCESSING_FAILED, EXPIRED)

DEFAULT_ACCOUNT: Final = "main"
DEFAULT_ALPHA: Final = "alpha"
NAME: Final = r"\S(?:.{0,98}\S)?"
"""Names of accounts, alphas and strands: up to a hundred characters, none of them blank at an end."""
LONGEST_TIMEOUT_S: Final = 31_536_000

_NAMED: Final = re.compile(NAME)
_VALUED: Final[Mapping[str, re.Pattern[str]]] = {
    "timeout": re.compile(r"\d{1,8}"),
    "original_strand": _NAMED,
    "account": _NAMED,
    "from": _NAMED,
}
_FIXED: Final = (*ADDRESSES, PRIORITY_HIGH, *ERRORS)
_REMEMBERED: Final = 1_024
"""Strands say the same again and again: so many lists of tags are read once."""


def hears(module: Module) -> tuple[str, ...]:
    """The tags that are for a module.

    >>> hears("dm")
    ('dm:evaluate_plan', 'dm:execution_feedback')
    """
    return tuple(tag for tag in ADDRESSES if tag.partition(":")[0] == module)


def channel_of(tag: str) -> str:
    """The channel whose notification hints at strands with the tag.

    >>> channel_of("dm:evaluate_plan")
    'dm_evaluate_plan'
    """
    return tag.replace(":", "_")


def timeout_until(expires_at: Nanoseconds, now_ns: Nanoseconds) -> int:
    """Whole seconds for `timeout:N`, rounded up, from 0: what has ended already is expired on arrival.

    >>> timeout_until(2_500_000_000, 1_000_000_000), timeout_until(0, 5)
    (2, 0)
    """
    return min(max(0, -((now_ns - expires_at) // SECOND_NS)), LONGEST_TIMEOUT_S)


class Tags(msgspec.Struct, frozen=True, kw_only=True):
    """A strand's tags, read. `addressed` are those that put it into an inbox; `timeout_s` in whole seconds.

    `original` is the strand that this one answers or carries on, `account` whose orders it is about, `sender`
    the name of the alpha that said it.
    """

    addressed: tuple[str, ...] = ()
    high: bool = False
    timeout_s: int | None = None
    original: str | None = None
    errors: tuple[str, ...] = ()
    account: str = DEFAULT_ACCOUNT
    sender: str | None = None

    @classmethod
    def parse(cls, words: Any, *, by: Module | None = None) -> "Tags":
        """Read tags as they stand in the column; `by` is the module that says them.

        Raises ContractError for what is no list of texts, for an unknown or repeated tag, and for one that the
        module may not say.

        >>> Tags.parse(["dm:evaluate_plan", "timeout:30"], by="alpha").timeout_s
        30
        """
        tags = _parsed(tuple(_listed(words)))
        if by is not None:
            _refuse_unsaid(by, tags.addressed)
        return tags

    def words(self) -> list[str]:
        """As they stand in the column; `parse` reads them back."""
        said = [*self.addressed, *([PRIORITY_HIGH] if self.high else [])]
        said += [] if self.timeout_s is None else [f"timeout:{self.timeout_s}"]
        said += [] if self.original is None else [f"original_strand:{self.original}"]
        said += [] if self.account == DEFAULT_ACCOUNT else [f"account:{self.account}"]
        said += [] if self.sender is None else [f"from:{self.sender}"]
        return [*said, *self.errors]


@lru_cache(maxsize=_REMEMBERED)
def _parsed(words: tuple[str, ...]) -> Tags:
    values: dict[str, str] = {}
    for word in words:
        _take(word, values)
    timeout = values.get("timeout")
    return Tags(
        addressed=tuple(tag for tag in ADDRESSES if tag in words),
        high=PRIORITY_HIGH in words,
        timeout_s=None if timeout is None else _seconds(timeout),
        original=values.get("original_strand"),
        errors=tuple(tag for tag in ERRORS if tag in words),
        account=values.get("account", DEFAULT_ACCOUNT),
        sender=values.get("from"),
    )


def check_name(what: str, name: str) -> str:
    """The name itself. Raises ContractError for one that cannot stand in a tag."""
    if _NAMED.fullmatch(name) is None:
        raise ContractError(f"{what} {name!r} cannot be a name: 1 to 100 characters, no blank at either end")
    return name


def _listed(words: Any) -> Sequence[str]:
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ContractError(
            f"tags are a list of texts such as {[EVALUATE_PLAN]}, not {type(words).__name__}: {_short(words)}"
        )
    if len(set(words)) < len(words):
        repeated = next(word for word in words if words.count(word) > 1)
        raise ContractError(f"the tag {repeated!r} stands there twice")
    return words


def _take(word: str, values: dict[str, str]) -> None:
    """Read one tag into `values` where it carries one."""
    key, _, value = word.partition(":")
    if word in _FIXED:
        return
    if key not in _VALUED or _VALUED[key].fullmatch(value) is None:
        raise ContractError(f"unknown tag {_short(word)}{_nearest(word)}")
    if key in values:
        raise ContractError(f"{key}: is said twice, {values[key]!r} and {value!r}")
    values[key] = value


def _refuse_unsaid(by: Module, addressed: Iterable[str]) -> None:
    for tag in addressed:
        if tag not in SAYS[by]:
            raise ContractError(f"{by} may not say {tag!r}: it says {' and '.join(SAYS[by])}")


def _seconds(text: str) -> int:
    seconds = int(text)
    if seconds > LONGEST_TIMEOUT_S:
        raise ContractError(f"timeout:{text} is longer than a year ({LONGEST_TIMEOUT_S})")
    return seconds


def _nearest(word: str) -> str:
    shapes = [*_FIXED, "timeout:N", "original_strand:ID", "account:NAME", "from:NAME"]
    close = difflib.get_close_matches(word, shapes, n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else f": known are {', '.join(shapes)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
