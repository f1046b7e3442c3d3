"""What the roles of a split engine say, as one account: each part from whoever it is the business of, or not at all.

Entry point: `one_account`. Orders, their protection and the books are the trader's, limits and verdicts the decision
maker's, models and predictions the alphas'. The books may be a mirror's where the trader is not heard. What is missing
is named under `lacking`, by role; what each role says of itself stands under `roles`, by the name of its door.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gal_friday_core.times import to_iso
from gal_friday_live.dashboard.figures import at, instant
from gal_friday_live.dashboard.view import EngineState, Reading

Values = Mapping[str, Any]
TRADER, DECISION, ALPHA = "trader", "decision", "alpha"
ROLES: Final = (TRADER, DECISION, ALPHA)
"""Whose word of the account counts first."""
CALLED: Final = {TRADER: "trader", DECISION: "decision maker", ALPHA: "alpha"}
OWN: Final = ("engine", "counts", "market", "bus", "health", "strands", "measured")
"""Of a role's overview, what is about itself."""


class Part(NamedTuple):
    """What is known of one door. `role` is empty of a whole engine, and of who never answered."""

    name: str
    reading: Reading

    @property
    def role(self) -> str:
        return str(at(self.reading.metrics, "engine.role") or "")

    @property
    def seat(self) -> tuple[str, str]:
        """Two processes of one seat stand in for each other."""
        return self.role, str(at(self.reading.metrics, "engine.name") or "")

    @property
    def title(self) -> str:
        """As people call it: an alpha that has a name of its own by that too."""
        role, named = self.seat
        if not role:
            return self.name
        return f"{CALLED[role]} {named}" if role == ALPHA and named != ALPHA else CALLED[role]

    @property
    def session(self) -> str:
        return str(at(self.reading.metrics, "engine.session") or "")


def one_account(readings: Mapping[str, Reading]) -> Reading:
    """The readings of all doors as one; that of a whole engine alone as it is."""
    parts = [Part(name, reading) for name, reading in readings.items()]
    if len(parts) == 1 and not parts[0].role:
        return parts[0].reading
    live = [part for part in parts if part.reading.live]
    told = live or [part for part in parts if part.reading.at_ns is not None]
    shown = _of_one_account(told)
    state: EngineState = (
        "live" if live else "hung" if any(part.reading.state == "hung" for part in parts) else "gone"
    )
    at_ns = max((part.reading.at_ns for part in told if part.reading.at_ns is not None), default=None)
    metrics = _metrics(parts, shown, [part for part in told if part not in shown]) if told else {}
    problem = "; ".join(f"{part.name}: {part.reading.problem}" for part in parts if part.reading.problem)
    return Reading(state, max(part.reading.since_ns for part in parts), metrics, at_ns, problem)


def lacking(metrics: Values, role: str) -> str | None:
    """Why nothing of this role's business is known, in words; None where it is."""
    why = at(metrics, f"lacking.{role}")
    return None if why is None else str(why)


def _of_one_account(told: Sequence[Part]) -> list[Part]:
    """Those of the first one's account, the trader's first."""
    order = {role: number for number, role in enumerate(ROLES)}
    ranked = sorted(told, key=lambda part: order.get(part.role, -1))
    return [part for part in ranked if part.session == ranked[0].session]


def _metrics(parts: Sequence[Part], shown: Sequence[Part], foreign: Sequence[Part]) -> dict[str, Any]:
    first = shown[0].reading.metrics
    by_role = {role: [part.reading.metrics for part in shown if part.role in (role, "")] for role in ROLES}
    unheard = {role: _why(role, parts) for role in ROLES if not by_role[role]}
    told: dict[str, Any] = {
        "engine": {
            **_engine(shown, by_role),
            "lost": _lost(parts, shown),
            "unheard": [CALLED[role] for role in unheard] if len(parts) > 1 else [],
            "findings": _findings(shown, foreign),
        },
        "counts": _counts(shown, by_role),
        "market": {pair: one for part in reversed(shown) for pair, one in part.reading.metrics["market"].items()},
        "roles": {part.name: _role(part, foreign) for part in parts},
        "lacking": unheard,
        **{name: first.get(name, {}) for name in ("bus", "health", "measured", "account", "positions")},
    }  # fmt: skip
    if len(parts) == 1:
        told["engine"]["mode"] = f"{told['engine']['mode']} {parts[0].title}"
    if by_role[TRADER]:
        told["orders"] = by_role[TRADER][0]["orders"]
    if by_role[DECISION]:
        told["risk"] = _risk(by_role[DECISION][0]["risk"], by_role[TRADER])
    return told


def _engine(shown: Sequence[Part], by_role: Mapping[str, Sequence[Values]]) -> dict[str, Any]:
    every = [part.reading.metrics["engine"] for part in shown]
    halted = [part for part in shown if part.reading.metrics["engine"]["halted"]]
    states = {one["state"] for one in every}
    blocks = _blocks(shown)
    told = {
        **{name: every[0].get(name) for name in ("mode", "session", "run", "recorded")},
        "state": next((state for state in ("HALTED", "REDUCING") if state in states), every[0]["state"]),
        "halted": bool(halted),
        "halted_roles": [{"name": part.name, "title": part.title} for part in halted],
        "halt_reason": _reasons(halted) or None,
        "halt_durable": all(one["halt_durable"] for one in every),
        "blocks": blocks,
        "blocked_by": blocks[0]["why"] if blocks else None,
        "time": max(one["time"] for one in every),
        "series": _each(key for one in every for key in one["series"]),
        "connected": all(one["connected"] for one in every),
        "market_ended": all(one["market_ended"] for one in every),
        "code_version": ", ".join(_each(str(one["code_version"]) for one in every)),
    }  # fmt: skip
    if by_role[ALPHA]:
        alphas = [one["engine"] for one in by_role[ALPHA]]
        told["models"] = _each(model for one in alphas for model in one["models"])
        told["override"] = next((one["override"] for one in alphas if one["override"]), None)
    if by_role[TRADER]:
        told["line_losses"] = by_role[TRADER][0]["engine"]["line_losses"]
    return told


def _reasons(halted: Sequence[Part]) -> str:
    """Each once, with whom it halted."""
    found: dict[str, list[str]] = {}
    for part in halted:
        found.setdefault(str(part.reading.metrics["engine"]["halt_reason"]), []).append(part.title)
    return "; ".join(f"{', '.join(titles)}: {reason}" for reason, titles in found.items())


def _blocks(shown: Sequence[Part]) -> list[dict[str, str]]:
    """Each once, with who keeps entries back for it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for part in shown:
        for block in part.reading.metrics["engine"]["blocks"]:
            found.setdefault((block["code"], block["pair"], block["why"]), []).append(part.title)
    return [
        {"code": code, "pair": pair, "why": f"{why} ({', '.join(titles)})"}
        for (code, pair, why), titles in found.items()
    ]


def _findings(shown: Sequence[Part], foreign: Sequence[Part]) -> list[str]:
    found = [
        f"{finding} ({part.title})"
        for part in shown
        for finding in part.reading.metrics["engine"]["findings"]
    ]
    return found + [
        f"OTHER_ACCOUNT: {part.name} is of session {part.session[:8]}, and nothing of it is shown here"
        for part in foreign
    ]


def _lost(parts: Sequence[Part], shown: Sequence[Part]) -> list[dict[str, str]]:
    """Who answered once and does not now, unless somebody has taken the seat."""
    seats = {part.seat for part in shown}
    return [
        {"title": part.title, "state": part.reading.state, "since": to_iso(part.reading.since_ns)}
        for part in parts
        if part.reading.at_ns is not None and not part.reading.live and part.seat not in seats
    ]


def _counts(shown: Sequence[Part], by_role: Mapping[str, Sequence[Values]]) -> dict[str, Any]:
    """What was counted twice counts once: bars and fills of whoever has the books."""
    books = shown[0].reading.metrics["counts"]
    told: dict[str, Any] = {"bars": books["bars"]}
    for name in ("predictions", "proposed"):
        if by_role[ALPHA]:
            told[name] = sum(int(one["counts"][name]) for one in by_role[ALPHA])
    for role, names in (
        (DECISION, ("approved", "rejected", "rejected_by")),
        (TRADER, ("orders", "open_orders", "unknown_orders")),
    ):
        if by_role[role]:
            told |= {name: by_role[role][0]["counts"][name] for name in names}
    return {**told, "fills": books["fills"]}


def _risk(risk: Values, traders: Sequence[Values]) -> Values:
    """The decision maker's limits, and what the trader's stops would lose."""
    stops: Values = traders[0].get("stops", {}) if traders else {}
    if not stops:
        return risk
    sides = {pair: {**side, **stops["sides"].get(pair, UNHELD)} for pair, side in risk["sides"].items()}
    return {**risk, **stops, "sides": sides}


UNHELD: Final = {"stop_loss": "0", "unprotected": "0"}
"""Of a pair that the trader holds nothing of."""


def _role(part: Part, foreign: Sequence[Part]) -> dict[str, Any]:
    """What it says of itself, only while it says it."""
    reading = part.reading
    told: dict[str, Any] = {
        "title": part.title, "role": part.role, "state": reading.state, "problem": reading.problem,
        "since": to_iso(reading.since_ns), "heard": reading.at_ns is not None, "foreign": part in foreign,
    }  # fmt: skip
    return (
        {**told, **{name: reading.metrics[name] for name in OWN if name in reading.metrics}}
        if reading.live
        else told
    )


def _why(role: str, parts: Sequence[Part]) -> str:
    """Why nobody speaks for a role."""
    gone = [part for part in parts if part.role == role and not part.reading.live]
    if gone:
        since = instant(max(to_iso(part.reading.since_ns) for part in gone))
        return f"the {CALLED[role]} does not answer since {since} UTC"
    silent = [part.name for part in parts if part.reading.at_ns is None]
    if silent:
        return f"the {CALLED[role]} is not connected: nobody answers at {', '.join(silent)}"
    return f"the {CALLED[role]} is not connected: --engine names its data directory"


def _each(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
