"""How retrainings look on a terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.markup import escape

from gal_friday_live.commands.models_shown import gates, wide
from gal_friday_live.commands.shown import table

COLOURS = {"PROMOTED": "green", "READY": "green", "REFUSED": "red", "FAILED": "red", "HELD_BACK": "yellow"}


def listed(runs: Sequence[Mapping[str, Any]]) -> None:
    """One line each. Ids are as long as tells them apart."""
    rows = [
        {
            "retraining": one["run_id"][:8],
            "requested": _second(one["requested"]),
            "model": one["model_id"],
            "cause": one["cause"],
            "state": one["state"],
            "successor": one["successor"],
            "said": one["said"],
        }
        for one in runs
    ]
    table(rows, "No retraining was ever asked for: `drift_report` in Dagster asks where a model drifts.")


def story(found: Mapping[str, Any]) -> None:
    """Cause, verdict, and the timeline with how long each step came after the first."""
    out = wide()
    colour = COLOURS.get(found["state"], "bold")
    out.print(
        f"[bold]{escape(found['model_id'])}[/] trained again, [{colour}]{found['state']}[/]  {found['run_id']}"
    )
    out.print(f"asked for by {found['cause']}: {escape(found['reason'])}")
    if found["dagster_run"]:
        out.print(f"Dagster run {found['dagster_run']}, {found['cpu_s']:.1f} s of processor time")
    _findings(found["findings"])
    _answers(found["answers"])
    if found["successor"]:
        out.print(f"successor [bold]{escape(found['successor'])}[/], in {found['successor_stage']}")
        verdict = gates(found["certificate"])
        if verdict is not None:
            out.print(verdict)
    _timeline(found["timeline"])


def _answers(answers: Mapping[str, Any] | None) -> None:
    """What became of the model's signals in the month before the request."""
    if not answers or not answers["signals"]:
        return
    codes = ", ".join(f"{code} {number}" for code, number in answers["refused"].items())
    refused = f"{answers['refused_share']:.0%} refused ({codes})" if codes else "none refused"
    wide().print(f"Signals before: {answers['signals']:,}, {refused}, {answers['filled_share']:.0%} filled.")


def _findings(findings: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        {
            "finding": one["drift_type"],
            "severity": one["severity"],
            "confidence": f"{one['confidence']:.3f}",
            "recommended": one["recommendation"],
            "in words": one["metrics"].get("reason", ""),
        }
        for one in findings
    ]
    if rows:
        table(rows, "")


def _timeline(moments: Sequence[Mapping[str, Any]]) -> None:
    if not moments:
        return
    begin = datetime.fromisoformat(moments[0]["at"])
    table(
        [
            {
                "when": _second(one["at"]),
                "after": _spell(datetime.fromisoformat(one["at"]) - begin),
                "what": one["what"],
                "whom": one["whom"],
                "by": one["by"],
                "said": one["said"],
            }
            for one in moments
        ],
        "",
    )


def _second(moment: str) -> str:
    return moment[:19].replace("T", " ")


def _spell(spell: timedelta) -> str:
    """To the second.

    >>> _spell(timedelta(days=2, hours=3, minutes=4, seconds=5.6))
    '2 d 03:04:05'
    """
    seconds = int(spell.total_seconds())
    clock = f"{seconds // 3_600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{spell.days} d {clock}" if spell.days else clock
