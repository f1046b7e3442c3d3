"""What is done to the roles, and in which order: drawn from a seed, every kind of blow on every role."""

import random
from typing import Final, Literal

import msgspec

KILL: Final = "kill"
DISCONNECT: Final = "disconnect"
RESTART: Final = "restart"
Blow = Literal["kill", "disconnect", "restart"]

DATABASE = "database"
LONGEST_PAUSE_S = 2.0
"""A blow may fall so long after there was something to hit."""


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """`kill` is a SIGKILL of a role, `disconnect` ends its connections at the database, `restart` is the database's own.

    `pause_s` is how long to wait before it falls, so that it falls anywhere.
    """

    blow: Blow
    target: str
    pause_s: float


def schedule(
    roles: tuple[str, ...], *, kills: int, disconnects: int, restarts: int, seed: int
) -> list[Strike]:
    """`kills` and `disconnects` for each role and `restarts` of the database. No role is killed twice in a row before each
    of the others was.

    >>> [one.target for one in schedule(("a", "b"), kills=2, disconnects=0, restarts=0, seed=1)]
    ['a', 'b', 'a', 'b']
    """
    dice = random.Random(seed)  # noqa: S311 - a schedule that can be repeated, no secret
    blows: list[tuple[Blow, str]] = []
    for _ in range(kills):
        blows += [(KILL, role) for role in roles]
    extra: list[tuple[Blow, str]] = [(DISCONNECT, role) for role in roles for _ in range(disconnects)]
    extra += [(RESTART, DATABASE)] * restarts
    for blow in extra:
        blows.insert(dice.randrange(len(blows) + 1), blow)
    return [
        Strike(blow=blow, target=target, pause_s=round(dice.uniform(0, LONGEST_PAUSE_S), 3))
        for blow, target in blows
    ]
