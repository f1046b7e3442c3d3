"""How experiments look on a terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape

from gal_friday_live.commands.shown import show, table

Found = dict[str, Any]


def print_start(found: Found) -> None:
    """What may be expected of an experiment that has just begun."""
    out = Console(highlight=False)
    out.print(f"{escape(found['name'])} runs, in blocks of {found['block']:,} units.")
    plan = found["plan"]
    if plan is None:
        out.print(
            "How long it takes is not known yet: no earlier predictions of all its models were recorded."
        )
        return
    show({name: value for name, value in plan.items() if value is not None}, as_json=False)


def print_analysis(found: Found) -> None:
    """Figures, comparisons, alarms, what to do, and what was decided so far."""
    out = Console(highlight=False)
    mode = {"shadow": "in the shadow", "split": "by split traffic"}[found["mode"]]
    out.print(
        f"[bold]{escape(found['name'])}[/] {found['state']}, {mode}, {found['units']:,} units of {found['series']}"
    )
    _columns(found["figures"], "name model_id units mean total wins losses")
    _columns(found["comparisons"], "variant difference low high p_value verdict decided_after")
    _columns(list(map(_answered, found["answers"])), "variant signals approved refused filled")
    for alarm in found["alarms"]:
        out.print(f"[bold red]{alarm['code']}[/] {escape(alarm['text'])}")
    out.print(escape(found["recommendation"]))
    plan = found["plan"]
    if plan is not None and plan["smallest_effect"] is not None:
        days = "" if plan["days"] is None else f", {plan['days']:,.1f} days"
        out.print(
            f"Of at most {plan['units']:,} units{days}: a difference of {plan['smallest_effect']:.3g} a unit is seen."
        )
    if history := found.get("history"):
        _columns(history, "at action variant actor reason")


def _columns(rows: list[Found], names: str) -> None:
    table([{name: _short(row[name]) for name in names.split()} for row in rows], "")


def _answered(found: Found) -> Found:
    """Refusals with their codes, in words."""
    codes = ", ".join(f"{code} {number}" for code, number in found["refused"].items())
    return {**found, "refused": codes or 0}


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
