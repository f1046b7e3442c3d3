"""The one sentence above every page: does an engine run, does it trade, and since when not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gal_friday_core.times import to_iso
from gal_friday_live.dashboard.figures import at, instant, seconds
from gal_friday_live.dashboard.view import Reading
from gal_friday_live.dashboard.widgets import Tone


@dataclass(frozen=True, slots=True)
class Headline:
    """`halted` decides whether resuming is offered."""

    word: str
    detail: str
    tone: Tone
    halted: bool = False


def headline(reading: Reading) -> Headline:
    """An engine that does not answer is never shown as what it was."""
    since = f"since {instant(to_iso(reading.since_ns))} UTC"
    if reading.state == "gone":
        return Headline("ENGINE STOPPED", f"nobody answers {since}{_numbers(reading)}", "bad")
    if reading.state == "hung":
        return Headline("ENGINE SILENT", f"it does not answer {since}{_numbers(reading)}", "bad")
    return _trading(reading)


def _trading(reading: Reading) -> Headline:
    state = str(at(reading.metrics, "engine.state") or "RUNNING")
    mode = str(at(reading.metrics, "engine.mode") or "")
    if lost := at(reading.metrics, "engine.lost"):
        return _lost(lost, halted=state == "HALTED")
    if unheard := at(reading.metrics, "engine.unheard"):
        whom = " AND NO ".join(title.upper() for title in unheard)
        why = "; ".join(at(reading.metrics, "lacking").values())
        return Headline(f"NO {whom}", why, "warn", halted=state == "HALTED")
    if state == "HALTED":
        return Headline("HALTED", str(at(reading.metrics, "engine.halt_reason") or ""), "bad", halted=True)
    if state == "REDUCING":
        return Headline("NO ENTRIES", str(at(reading.metrics, "engine.blocked_by") or ""), "warn")
    if at(reading.metrics, "engine.market_ended"):
        last = instant(at(reading.metrics, "engine.time"))
        return Headline(
            "HISTORY ENDED", f"{mode}: no bar comes after {last}, so nothing more is traded", "warn"
        )
    up_s = at(reading.metrics, "measured.engine.uptime_seconds")
    return Headline("TRADING", f"{mode}, up {seconds(up_s)}" if up_s is not None else mode, "good")


def _lost(lost: Sequence[Mapping[str, str]], *, halted: bool) -> Headline:
    """A role that is gone comes before whatever the others say: nobody does its part."""
    first = lost[0]
    word = "STOPPED" if first["state"] == "gone" else "SILENT"
    told = "; ".join(f"{one['title']} not heard since {instant(one['since'])} UTC" for one in lost)
    return Headline(f"{first['title'].upper()} {word}", told, "bad", halted=halted)


def _numbers(reading: Reading) -> str:
    return "" if reading.at_ns is None else f"; the numbers below are of {instant(to_iso(reading.at_ns))} UTC"
