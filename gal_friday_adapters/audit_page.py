"""An audit as one HTML page: the verdict, every difference, what was not answered, balances. No script.

Entry point: `render`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gal_friday_adapters.report_parts import Marked, document, note, soft, table
from gal_friday_core.account_audit import Audit
from gal_friday_core.times import to_iso

_SAID = {
    "AGREES": ("Journal and exchange agree.", "gain"),
    "DIFFERS": ("Journal and exchange differ.", "lost"),
    "UNKNOWN": ("Not everything is known: what was not answered is not taken for nothing.", "lost"),
}


def render(found: Audit, session: str, owner: Mapping[str, Any]) -> str:
    """The page as text, to be written as UTF-8. `owner`: mode, venue and account of the session."""
    whose = " ".join(str(owner[name]) for name in ("mode", "venue", "account") if owner.get(name))
    text, kind = _SAID[found.verdict]
    body = "".join(
        (
            soft(f"{whose}, session {session}, read at {_moment(found.read_ns)}"),
            note(text, kind),
            *(note(f"Unknown: {question}: {why}", "lost") for question, why in found.unknown.items()),
            _findings(found),
            _balances(found),
            soft(
                f"{'Of what was answered, fills' if found.unknown else 'Fills'} and flows since "
                f"{_moment(found.since_ns)} were compared one by one. What differs was read several times, and "
                "stayed. An audit changes nothing."
            ),
        )
    )
    return document("Journal and exchange", body)


def _findings(found: Audit) -> str:
    rows = [(one.code, one.about, one.ours or "–", one.theirs or "–", one.text) for one in found.findings]
    return table("Differences", ("What", "Of", "Here", "There", "In words"), rows, wide=True) if rows else ""


def _balances(found: Audit) -> str:
    rows = [
        (
            line.asset, _plain(line.booked), "unknown" if line.there is None else _plain(line.there),
            _plain(line.explained), "unknown" if line.there is None else _left(line.there - line.booked - line.explained),
        )
        for line in found.balances
    ]  # fmt: skip
    names = ("Asset", "Booked", "At the exchange", "Explained", "Unexplained")
    return table("Balances", names, rows) if rows else ""


def _left(amount: Decimal) -> Marked:
    return Marked(_plain(amount), "lost" if amount else "")


def _moment(ns: int) -> str:
    return to_iso(ns)[:19].replace("T", " ")


def _plain(amount: Decimal) -> str:
    """Every digit, without zeros at the end."""
    text = f"{amount:,f}" if amount else "0"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
