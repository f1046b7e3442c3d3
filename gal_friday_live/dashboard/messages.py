"""What goes to a browser about a reading: texts and bars by path, the headline. Only a live engine's numbers are sent."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gal_friday_live.dashboard.figures import at, texts, written
from gal_friday_live.dashboard.state import headline
from gal_friday_live.dashboard.view import Reading
from gal_friday_live.dashboard.widgets import Tone, tone_of


def message(reading: Reading, now_ns: int) -> str:
    """One JSON object: `state`, `halted`, `texts`, `tones`, and `bars` as [text, share used, tone]."""
    said = headline(reading, now_ns)
    shown = texts(reading.metrics) if reading.live else {}
    shown |= {"headline.word": said.word, "headline.detail": said.detail}
    told = {
        "state": reading.state,
        "halted": said.halted,
        "texts": shown,
        "tones": {"headline.word": said.tone},
        "bars": bars(reading.metrics) if reading.live else {},
    }
    return msgspec.json.encode(told).decode()


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
