"""The roles of a split engine on a page: which there are, how each is, and whose business is missing."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from gal_friday_live.dashboard.figures import at, instant, text
from gal_friday_live.dashboard.markup import Html, join, tag
from gal_friday_live.dashboard.one_account import ALPHA, DECISION, TRADER, lacking
from gal_friday_live.dashboard.widgets import Tone, badge, card, live, note, table

Values = Mapping[str, Any]
BUSINESS: Final = {
    TRADER: "Orders and protection are told by the trader",
    DECISION: "Limits and verdicts are told by the decision maker",
    ALPHA: "Models and predictions are told by alphas",
}
SHOWN: Final = (
    ("Waiting", "strands.waiting"), ("Oldest", "strands.oldest_s"), ("Handled", "strands.handled_p99_s"),
    ("Failed", "strands.failed"), ("Loop late", "measured.loop.lag_p99_seconds"), ("Memory", "health.memory_mb"),
    ("Database silent", "health.database_silent_s"), ("Up", "measured.engine.uptime_seconds"),
)  # fmt: skip
ABOUT: Final = (
    "Strands that wait in its inbox, and for how long the oldest does; how long strands take from writing to handled, and how late its "
    "event loop is, for 99 of 100. Each role is halted and resumed by itself; HALT stops all of them."
)
WORDS: Final[Mapping[str, tuple[str, Tone]]] = {
    "ACTIVE": ("TRADING", "good"), "REDUCING": ("NO ENTRIES", "warn"), "HALTED": ("HALTED", "bad"),
}  # fmt: skip


def missing(metrics: Values, role: str) -> str | None:
    """Whose business something is, and why that one is not heard; None where it is."""
    why = lacking(metrics, role)
    return None if why is None else f"{BUSINESS[role]}, and {why}."


def missing_notes(metrics: Values) -> Iterator[Html]:
    """For every role that nobody speaks for."""
    found = (missing(metrics, role) for role in BUSINESS)
    return (note(said, tone="warn") for said in found if said is not None)


def roles_card(metrics: Values) -> Html | None:
    """Each role in a row; nothing of a whole engine."""
    told: Mapping[str, Values] = metrics.get("roles", {})
    if not told:
        return None
    rows = [
        (
            tag("a", one["title"], href=f"/system?{urlencode({'engine': name})}"),
            join(_state(one), tag("span", " ", _more(one), class_="soft")),
            *(live(f"roles.{name}.{path}", text(one, path)) for _, path in SHOWN),
        )
        for name, one in told.items()
    ]
    return card(
        "Roles",
        table(
            ("Role", "State", *(title for title, _ in SHOWN)), rows, caption="Roles of the split engine",
            empty="No role has answered yet.", numeric=range(2, 2 + len(SHOWN)),
        ),
        wide=True, id_="roles", note=ABOUT,
    )  # fmt: skip


def _state(one: Values) -> Html:
    if one["state"] != "live":
        if not one["heard"]:
            return badge("NOT CONNECTED", "warn")
        return badge("STOPPED" if one["state"] == "gone" else "SILENT", "bad")
    if one["foreign"]:
        return badge("OTHER ACCOUNT", "bad")
    word, tone = WORDS[str(at(one, "engine.state"))]
    return badge(word, tone)


def _more(one: Values) -> str:
    """Why it does not trade, or since when nobody answers."""
    if one["state"] != "live":
        return f"since {instant(one['since'])} UTC" if one["heard"] else "nobody answers there"
    return str(at(one, "engine.halt_reason") or at(one, "engine.blocked_by") or "")
