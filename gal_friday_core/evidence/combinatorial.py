"""Combinatorial purged cross-validation: many paths through the same history instead of one.

Time is cut into N groups; every choice of k of them is tested by what the others taught. Each group is tested
C(N-1, k-1) times, and the k-th tests of all groups make one path through the whole history. Reference:
López de Prado, Advances in Financial Machine Learning, 2018, chapter 12.
"""

from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb

import numpy as np
from numpy.typing import NDArray

from gal_friday_core.errors import DataError
from gal_friday_core.splits import Rows, purged


@dataclass(frozen=True, eq=False, slots=True)
class CombinatorialSplit:
    """`train` rows, and the rows of each tested group; `paths[group]`: to which path its test belongs."""

    train: Rows
    tests: dict[int, Rows]
    paths: dict[int, int]


def combinatorial(
    t0_ns: NDArray[np.int64], t1_ns: NDArray[np.int64], *, groups: int, tested: int, embargo_ns: int
) -> list[CombinatorialSplit]:
    """Every split of time-ordered labels into `groups`, of which `tested` are tested.

    Training rows stay clear of every tested group by [t0, t1] and the embargo, on both sides. Raises DataError when
    a group or a training set would be empty.
    """
    if not 1 <= tested < groups:
        raise DataError(f"{tested} tested of {groups} groups: at least one, and not all")
    edges = [len(t0_ns) * part // groups for part in range(groups + 1)]
    members = [np.arange(start, end, dtype=np.int64) for start, end in pairwise(edges)]
    if not all(len(rows) for rows in members):
        raise DataError(f"{len(t0_ns):,} labelled events are too few for {groups} groups: use more history")
    seen = dict.fromkeys(range(groups), 0)
    found = []
    for chosen in combinations(range(groups), tested):
        train = np.concatenate([members[group] for group in range(groups) if group not in chosen])
        for group in chosen:
            rows = members[group]
            train = purged(
                t0_ns, t1_ns, train, start_ns=int(t0_ns[rows[0]]), end_ns=int(t1_ns[rows].max()),
                embargo_ns=embargo_ns,
            )  # fmt: skip
        if not len(train):
            raise DataError(
                f"testing groups {chosen} of {groups}: purging and an embargo of {embargo_ns / 60e9:,.0f} minutes "
                "leave nothing to train on; use more history, fewer groups, or a shorter horizon"
            )
        paths = {group: seen[group] for group in chosen}
        for group in chosen:
            seen[group] += 1
        found.append(CombinatorialSplit(train, {group: members[group] for group in chosen}, paths))
    return found


def path_count(groups: int, tested: int) -> int:
    """How many whole paths the splits make.

    >>> path_count(6, 2)
    5
    """
    return comb(groups - 1, tested - 1)
