"""What goes to a browser about a reading: texts and bars by path, the headline. Only a live engine's numbers are sent."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gal_friday_live.dashboard.figures import at, texts, written
from gal_friday_live.dashboard.state import headline
from gal_friday_live.dashboard.view import Reading
from gal_friday_live.dashboard.widgets import Tone, tone_of


def message(reading: Reading) -> str:
    """One JSON object: `state`, `halted`, `shape`, `texts`, `tones`, and `bars` as [text, share used, tone].

    Another `shape` says that there are other positions, orders, reasons or roles than before: tables are drawn anew then.
    `roles` are those of a split engine that are halted, each as [name, title].
    """
    said = headline(reading)
    shown = texts(reading.metrics) if reading.live else {}
    shown |= {"headline.word": said.word, "headline.detail": said.detail}
    told = {
        "state": reading.state,
        "halted": said.halted,
        "roles": halted_roles(reading),
        "shape": shape(reading),
        "texts": shown,
        "tones": {"headline.word": said.tone},
        "bars": bars(reading.metrics) if reading.live else {},
    }
    return msgspec.json.encode(told).decode()


def shape(reading: Reading) -> str:
    """A digest of what a page has tables of."""
    metrics = reading.metrics
    orders = [(one.get("client_order_id"), one.get("status")) for one in metrics.get("orders", ())]
    parts = (
        reading.state, list(metrics.get("positions", ())), orders, at(metrics, "engine.blocks"),
        at(metrics, "engine.models"), list(at(metrics, "risk.limits") or ()), at(metrics, "counts.fills"),
        [text.partition(":")[0] for text in at(metrics, "engine.findings") or ()],
        [(name, one["state"], at(one, "engine.state")) for name, one in metrics.get("roles", {}).items()],
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:12]


def halted_roles(reading: Reading) -> list[tuple[str, str]]:
    """Name and title of each role that somebody may resume; none of a whole engine, which needs no choice."""
    return [(one["name"], one["title"]) for one in at(reading.metrics, "engine.halted_roles") or ()]


def bars(metrics: Mapping[str, Any]) -> dict[str, tuple[str, float | None, Tone]]:
    """Every limit by its path: `risk.limits.max_total_exposure`."""
    return {
        f"risk.limits.{name}": (limit_text(one), one["used"], tone_of(one["used"]))
        for name, one in (at(metrics, "risk.limits") or {}).items()
    }


def limit_text(one: Mapping[str, Any], which: str = "value") -> str:
    """The `value` or the `limit` of a limit, in its unit."""
    given = one[which]
    if given is None:
        return "no limit"
    return written("_share" if one["unit"] == "fraction" else "count", float(given))
