"""`gal-friday alerts`: who is told, and whether it reaches them."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.common import ConfigOption, JsonOption, load_config, print_json

NOT_DELIVERED = 1
"""Exit code where a destination did not take the alert."""

app = typer.Typer(help="Look at who is told of halts and failures, and try it.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """So that `test` is a command of its own, and not all there is."""


@app.command("test")
def try_out(
    severity: Annotated[
        str, typer.Option(help="info, warning or page: whom to try. A page goes to everybody.")
    ] = "page",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one alert to every configured destination now, and say how each fared. Exit code 1 where one did not take it."""
    from gal_friday_adapters.alerts import deliver

    alert = _alert(severity)
    told = deliver(load_config(config).config.alerts, alert)
    delivered = sum(bool(one["ok"]) for one in told)
    if as_json:
        print_json({"severity": alert.severity, "delivered": delivered, "destinations": told})
    else:
        Console().print(_table(told))
    if delivered < len(told):
        raise typer.Exit(NOT_DELIVERED)


def _alert(severity: str) -> Any:
    from gal_friday_core.alerts import SEVERITIES, Alert

    for known in SEVERITIES:
        if severity == known:
            return Alert(
                code="TEST",
                severity=known,
                title="A test",
                text="Sent by gal-friday alerts test.",
                key="test",
            )
    raise ConfigError(f"unknown severity {severity!r}: use {', '.join(SEVERITIES)}")


def _table(told: list[dict[str, Any]]) -> Table:
    table = Table("Destination", "Kind", "Delivered", "Seconds", "Problem")
    for one in told:
        delivered = "[green]yes[/]" if one["ok"] else "[red]no[/]"
        seconds = f"{one['seconds']:.2f}"
        table.add_row(one["destination"], escape(one["kind"]), delivered, seconds, escape(one["problem"]))
    return table
