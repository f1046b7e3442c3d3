"""Examinations, all at once, each with a time limit: one that hangs holds up neither the others nor the end."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gal_friday_core.doctor.check import Check, broken, doubtful
from gal_friday_core.errors import GalFridayError


@dataclass(frozen=True, slots=True)
class Examination:
    """One look that gives the checks called `names`. `look` runs in a thread of its own, for at most `within_s`.

    A GalFridayError from `look` makes its first check a failure, and leaves the others unknown.
    """

    names: tuple[str, ...]
    look: Callable[[], Sequence[Check]]
    within_s: float = 10.0


def examined(
    examinations: Iterable[Examination], *, timer: Callable[[], float] = time.monotonic
) -> Iterator[Check]:
    """The checks of all examinations, as they come in; of one that does not end in time, that it did not."""
    done: queue.SimpleQueue[tuple[int, Sequence[Check]]] = queue.SimpleQueue()
    began = timer()
    waiting = dict(enumerate(examinations))
    for number, one in waiting.items():
        # Daemons: a thread that waits for ever must not keep the process.
        threading.Thread(
            target=_look, args=(number, one, done), name=f"doctor {one.names[0]}", daemon=True
        ).start()
    while waiting:
        left_s = min(one.within_s for one in waiting.values()) - (timer() - began)
        try:
            number, found = done.get(timeout=max(0.0, left_s))
        except queue.Empty:
            for number in [n for n, one in waiting.items() if one.within_s <= timer() - began]:
                yield from _late(waiting.pop(number))
        else:
            if waiting.pop(number, None) is not None:  # else it was given up a moment before
                yield from found


def _look(number: int, one: Examination, done: "queue.SimpleQueue[tuple[int, Sequence[Check]]]") -> None:
    # Whatever ends the look, its checks must be told: the loop waits for them.
    found: Sequence[Check] = [
        broken(name, "the look at it ended by an error, shown above", "Report it.") for name in one.names
    ]
    try:
        found = one.look()
    except GalFridayError as error:
        found = _failed(one, " ".join(str(error).split()))
    finally:
        done.put((number, found))


def _failed(one: Examination, why: str) -> list[Check]:
    first, *others = one.names
    told, _, advice = why.partition("; ")
    found = [broken(first, told, advice[:1].upper() + advice[1:] if advice else "")]
    return found + [
        doubtful(name, f"not looked at: {first} failed", f"See to {first} first.") for name in others
    ]


def _late(one: Examination) -> list[Check]:
    said = f"no answer within {one.within_s:g} s"
    first, *others = one.names
    found = [broken(first, said, f"Find out what holds up {first}: something hangs, or is very slow.")]
    return found + [doubtful(name, f"not looked at: {first} did not answer", "") for name in others]
