"""What happened, in one order: from the first restriction of a drifting model to the engine that trades its successor.

Each record is kept by whom it concerns (retraining, registry, drift ladder, journal); `told` reads them together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gal_friday_core.drift.ladder import Restriction
from gal_friday_core.retraining.policy import Retraining
from gal_friday_core.times import from_iso

Record = Mapping[str, Any]

BEFORE = frozenset({"REQUESTED", "HELD_BACK", "STARTED"})
"""States in which there is no successor yet."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """`what` happened to `whom` at `at_ns`, by the database's clock; who decided it, and what was said."""

    at_ns: int
    what: str
    whom: str
    by: str
    said: str


def told(
    run: Retraining,
    *,
    events: Sequence[Record],
    restrictions: Iterable[Restriction],
    stages: Mapping[str, Sequence[Record]],
    swaps: Iterable[Record],
) -> list[Moment]:
    """All of a retraining in the order of time.

    `events` are its states (`state`, `said`, `at_ns`), `restrictions` those of the model that is to be replaced, `stages`
    the history of both models by name as the registry tells it, `swaps` what engines noted of them (`at_ns`, `mode`,
    `model_id`, `stage`, `action`). What was before the first restriction, or the request, is another story.
    """
    held = [
        Moment(at_ns=one.at_ns, what=one.step, whom=one.model_id, by=one.actor, said=one.reason)
        for one in restrictions
    ]
    begin = min([run.requested_ns, *(one.at_ns for one in held)])
    found = [*held, *_states(run, events), *_stages(stages), *map(_swap, swaps)]
    # What an engine is told at once stands behind what told it, should both have the same time.
    return sorted((one for one in found if one.at_ns >= begin), key=lambda one: one.at_ns)


def _states(run: Retraining, events: Sequence[Record]) -> Iterator[Moment]:
    for event in events:
        whom = run.model_id if event["state"] in BEFORE else run.successor or run.model_id
        yield Moment(
            at_ns=event["at_ns"], what=event["state"], whom=whom, by="retraining", said=event["said"]
        )


def _stages(stages: Mapping[str, Sequence[Record]]) -> Iterator[Moment]:
    for model_id, history in stages.items():
        for event in history:
            moved = f"{event['previous_stage'] or 'new'} → {event['stage']}"
            at_ns = from_iso(event["ts"])
            yield Moment(at_ns=at_ns, what=moved, whom=model_id, by=event["actor"], said=event["reason"])


def _swap(one: Record) -> Moment:
    if one["action"] == "RETIRED":
        doing = "uses it no more"
    else:
        doing = "trades with it" if one["stage"] == "production" else "scores it in the shadow"
    return Moment(at_ns=one["at_ns"], what="engine", whom=one["model_id"], by=one["mode"], said=doing)
