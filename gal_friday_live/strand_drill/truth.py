"""What must hold after any number of kills, as one comparison: `findings` of what was lost, doubled, or differs.

Pure: whoever read the tables, the journals and the exchange hands over what was there. A plan is one row of `ad_strands` that asks
for a decision, a command one row of `dm_strands` that asks the trader to carry it out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Final, Literal

import msgspec

from gal_friday_core.money import ZERO

Kind = Literal["LOST", "DOUBLED", "DIFFERS"]
LOST: Final = "LOST"
DOUBLED: Final = "DOUBLED"
DIFFERS: Final = "DIFFERS"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`given_up` says why nobody answers it: it expired, or it is marked. `waits` is one that nobody has handled yet."""

    strand_id: str
    signal_id: str
    waits: bool = False
    given_up: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to a plan."""

    strand_id: str
    plan_id: str
    approved: bool


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An approved plan on its way to the trader; `waits` and `given_up` as of a plan."""

    strand_id: str
    plan_id: str
    signal_id: str
    waits: bool = False
    given_up: str = ""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the trader made durable before it was sent; `signal_id` is empty where no plan asked for it. What protects a
    position, or sells it at its target, carries the signal of its entry.
    """

    client_order_id: str
    signal_id: str
    protects: bool = False


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All sides at one time. `ordered` has the client order id of each order that the exchange ever took (empty for one that
    it made itself), `filled` its executions; `booked` the executions in the books of each role, and `held` what each side
    says is held, by asset, the exchange among them. `answered` are signals of which the trader told that no order came of them.
    """

    plans: Sequence[Plan] = ()
    decisions: Sequence[Decision] = ()
    commands: Sequence[Command] = ()
    intents: Sequence[Intent] = ()
    answered: frozenset[str] = frozenset()
    ordered: Sequence[str] = ()
    filled: Sequence[str] = ()
    booked: Mapping[str, Sequence[str]] = {}
    held: Mapping[str, Mapping[str, Decimal]] = {}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must not be, and where."""

    kind: Kind
    what: str
    subject: str


def findings(seen: Evidence) -> list[Finding]:
    """Everything that does not hold; empty where all does."""
    return [
        *_plans(seen),
        *_commands(seen),
        *_orders(seen),
        *_fills(seen),
        *_held(seen.held),
    ]


def count(found: Iterable[Finding], kind: Kind) -> int:
    """How many of a kind."""
    return sum(one.kind == kind for one in found)


def _plans(seen: Evidence) -> Iterator[Finding]:
    """Each plan has one decision, or a reason why there is none."""
    answers = Counter(decision.plan_id for decision in seen.decisions)
    for plan in seen.plans:
        if plan.waits:
            yield Finding(kind=LOST, what="a plan that nobody handled", subject=plan.strand_id)
        elif not answers[plan.strand_id] and not plan.given_up:
            yield Finding(kind=LOST, what="a plan without a decision", subject=plan.strand_id)
    known = {plan.strand_id for plan in seen.plans}
    for plan_id, times in answers.items():
        if times > 1:
            yield Finding(kind=DOUBLED, what=f"{times} decisions about a plan", subject=plan_id)
        if plan_id not in known:
            yield Finding(kind=DIFFERS, what="a decision about no plan", subject=plan_id)


def _commands(seen: Evidence) -> Iterator[Finding]:
    """Each approved plan has one command, no other has any, and each was carried out or answered."""
    commands = Counter(command.plan_id for command in seen.commands)
    approved = {decision.plan_id for decision in seen.decisions if decision.approved}
    for plan_id in approved - commands.keys():
        yield Finding(kind=LOST, what="an approved plan that never went to the trader", subject=plan_id)
    for plan_id in commands.keys() - approved:
        yield Finding(kind=DIFFERS, what="a command without an approval", subject=plan_id)
    for plan_id, times in commands.items():
        if times > 1:
            yield Finding(kind=DOUBLED, what=f"{times} commands of a plan", subject=plan_id)
    yield from _carried_out(seen, {intent.signal_id for intent in seen.intents})


def _carried_out(seen: Evidence, intended: AbstractSet[str]) -> Iterator[Finding]:
    """Each command became an order, or the trader said why not."""
    for command in seen.commands:
        if command.waits:
            yield Finding(kind=LOST, what="a command that nobody handled", subject=command.strand_id)
        elif not command.given_up and command.signal_id not in intended | seen.answered:
            yield Finding(
                kind=LOST, what="a command without an order or a word why", subject=command.strand_id
            )
        elif command.given_up and command.signal_id in intended:
            yield Finding(kind=DIFFERS, what="a command given up and carried out", subject=command.strand_id)


def _orders(seen: Evidence) -> Iterator[Finding]:
    """At most one order of a signal, and none that no durable intent stands behind."""
    asked = Counter(intent.signal_id for intent in seen.intents if intent.signal_id and not intent.protects)
    for signal_id, times in asked.items():
        if times > 1:
            yield Finding(kind=DOUBLED, what=f"{times} orders of a signal", subject=signal_id)
    ordered = Counter(name for name in seen.ordered if name)
    for name, times in ordered.items():
        if times > 1:
            yield Finding(kind=DOUBLED, what=f"{times} orders of one name at the exchange", subject=name)
    for name in ordered.keys() - {intent.client_order_id for intent in seen.intents}:
        yield Finding(kind=DIFFERS, what="an order at the exchange that nobody intended", subject=name)


def _fills(seen: Evidence) -> Iterator[Finding]:
    """Every execution of the exchange stands in the books of each role once, and nothing else does."""
    there = set(seen.filled)
    for role, executions in seen.booked.items():
        booked = Counter(executions)
        for name in sorted(there - booked.keys()):
            yield Finding(kind=LOST, what=f"a fill that {role} did not book", subject=name)
        for name in sorted(booked.keys() - there):
            yield Finding(
                kind=DIFFERS, what=f"a fill that {role} booked and the exchange lacks", subject=name
            )
        for name, times in booked.items():
            if times > 1:
                yield Finding(kind=DOUBLED, what=f"a fill that {role} booked {times} times", subject=name)


def _held(held: Mapping[str, Mapping[str, Decimal]]) -> Iterator[Finding]:
    """All sides hold the same; an asset that is not named is not held."""
    assets = sorted({asset for holding in held.values() for asset in holding})
    for asset in assets:
        amounts = {holder: holding.get(asset, ZERO) for holder, holding in held.items()}
        if len(set(amounts.values())) > 1:
            told = ", ".join(f"{holder} {amount}" for holder, amount in amounts.items())
            yield Finding(kind=DIFFERS, what=f"what is held of {asset}: {told}", subject=asset)
