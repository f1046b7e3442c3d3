"""How models look to people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gal_friday_core.times import to_iso
from gal_friday_live.commands.shown import WIDE

SIGNS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<=", "equal": "="}
ORIGIN = ("stage", "created_at", "artifact", "schema_hash", "data_version", "code_version", "config_hash")


def wide() -> Console:
    """Ids must stay whole where the output is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def model_list(models: Sequence[Mapping[str, Any]]) -> Table:
    """One line a version."""
    columns = (
        Column("model", no_wrap=True),
        "stage",
        "certified",
        "verdict",
        "drift",
        Column("created", no_wrap=True),
    )
    table = Table(*columns)
    for model in models:
        certified = "[green]yes[/]" if model["certified"] else "[red]no[/]"
        created = model["created_at"][:16]
        table.add_row(
            escape(model["model_id"]), model["stage"], certified, verdict(model["verdict"]),
            restricted(model["restriction"]), created,
        )  # fmt: skip
    return table


def verdict(said: Mapping[str, Any]) -> str:
    """Of the walk-forward, with the reasons of a refusal."""
    if said["passed"]:
        return "[green]passed[/]"
    return f"[red]refused[/]: {escape('; '.join(said['reasons']))}"


def restricted(held: Mapping[str, Any] | None) -> str:
    """What drift restricts it to; nothing where it does not."""
    if held is None:
        return ""
    share = f" to {held['size_factor']} of its size" if held["step"] == "shrink" else ""
    return f"[yellow]{held['step'].replace('_', ' ')}[/]{share}"


def origin(model: Mapping[str, Any]) -> Table:
    """Where a version comes from, and what was said of it."""
    table = pairs(model["model_id"], {name.replace("_", " "): model[name] for name in ORIGIN})
    table.add_row("verdict", verdict(model["verdict"]))
    table.add_row("certificate", _certificate(model["certificate"]))
    held = model["restriction"]
    if held is not None:
        table.add_row("drift", f"{restricted(held)} since {held['at'][:19]}: {escape(held['reason'])}")
    return table


def _certificate(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return "[red]none[/]"
    if not said["verified"]:
        return f"[red]{escape(said['problem'])}[/]"
    signed = f"signed by {said['key'][:12]}…, {said['trials']:,} configurations tried"
    return f"[green]passed[/], {signed}" if said["passed"] else f"[red]refused[/], {signed}"


def gates(certificate: Mapping[str, Any] | None) -> Table | None:
    """Every gate with its number and its limit."""
    if certificate is None or not certificate["gates"]:
        return None
    table = Table("gate", "value", "limit", "", Column("", overflow="fold"), title="Certificate")
    for gate in certificate["gates"]:
        limit = "" if gate["limit"] is None else f"{SIGNS[gate['comparison']]} {_number(gate['limit'])}"
        passed = "[green]passed[/]" if gate["passed"] else "[red]failed[/]"
        table.add_row(gate["name"], _number(gate["value"]), limit, passed, escape(gate["about"]))
    return table


def pairs(title: str, values: Mapping[str, str]) -> Table:
    """Values by name."""
    table = Table("", Column("", overflow="fold"), title=escape(title), show_header=False)
    for name, value in values.items():
        table.add_row(escape(name), escape(value))
    return table


def history(events: Sequence[Mapping[str, Any]]) -> Table:
    """Every change of stage, with who decided it."""
    table = Table(Column("when", no_wrap=True), "from", "to", "by", "reason", title="History")
    for event in events:
        reason = escape(event["reason"])
        table.add_row(
            event["ts"][:19],
            event["previous_stage"] or "",
            event["stage"],
            escape(event["actor"]),
            f"[yellow]override[/]: {reason}" if event["override"] else reason,
        )
    return table


def steps(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """Every step that drift took, and every release."""
    if not rows:
        return None
    table = Table(Column("when", no_wrap=True), "step", "by", "reason", title="Drift")
    for row in rows:
        table.add_row(
            to_iso(row["at_ns"])[:19],
            row["step"].replace("_", " "),
            escape(row["actor"]),
            escape(row["reason"]),
        )
    return table


def difference(sides: Sequence[Mapping[str, Any]]) -> list[Table]:
    """A table for each kind of thing that differs."""
    one, other = sides
    found = []
    for kind in ("facts", "metrics", "gates"):
        table = Table("", *(Column(escape(side["model_id"]), overflow="fold") for side in sides), title=kind)
        for name in one[kind]:
            table.add_row(escape(name), *(escape(_text(side[kind][name])) for side in (one, other)))
        if table.row_count:
            found.append(table)
    return found


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and "passed" in value:
        limit = "" if value["limit"] is None else f" (limit {_number(value['limit'])})"
        return f"{_number(value['value'])}{limit}, {'passed' if value['passed'] else 'failed'}"
    if isinstance(value, float):
        return _number(value)
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"
