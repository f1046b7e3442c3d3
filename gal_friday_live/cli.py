"""The `gal-friday` program: registers the commands and turns errors into one clear line and exit code 2."""

import sys
from typing import Annotated, Any, NoReturn

import typer

from gal_friday_core import __version__
from gal_friday_core.errors import GalFridayError
from gal_friday_live.commands import (
    alerts,
    audit,
    backtest,
    backup,
    control,
    costs,
    dashboard,
    database,
    doctor,
    events,
    exchange,
    experiments,
    extensions,
    feed,
    feed_features,
    feed_rebuild,
    feed_record,
    guide,
    ingest,
    init,
    live,
    models,
    performance,
    replay,
    retraining,
    simulate,
    statement,
    strands,
    strands_drill,
    sweep,
    top,
    up,
)

HELP = """
Gal-Friday: what you trained is what you trade.

Start with [bold]gal-friday up[/]: it ingests history, computes features, trains and validates a model,
promotes it or says why not, and trades it on paper, with the Dagster UI beside it.

Results go to standard output, progress to standard error. Bad input ends with exit code 2 and one line
that says what was wrong, where, and what to do.
"""

app = typer.Typer(
    name="gal-friday",
    help=HELP,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("up")(up.up)
app.command("ingest")(ingest.ingest)
app.command("backtest")(backtest.backtest)
app.command("sweep")(sweep.sweep)
app.command("costs")(costs.costs)
app.command("live")(live.live)
app.command("replay")(replay.replay)
app.command("dashboard")(dashboard.dashboard)
app.command("status")(control.status)
app.command("top")(top.top)
app.command("positions")(control.positions)
app.command("orders")(control.orders)
app.command("halt")(control.halt)
app.command("resume")(control.resume)
app.command("reload")(control.reload)
app.command("stop")(control.stop)
app.command("explain")(control.explain)
app.command("doctor")(doctor.doctor)
app.command("audit")(audit.audit)
app.command("statement")(statement.statement)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("simulate")(simulate.simulate)
app.add_typer(alerts.app, name="alerts")
app.add_typer(database.app, name="database")
app.add_typer(events.app, name="events")
app.add_typer(exchange.app, name="exchange")
app.add_typer(experiments.app, name="experiments")
app.add_typer(extensions.app, name="extensions")
app.add_typer(extensions.new, name="new")
feed.app.command("record")(feed_record.record)
feed.app.command("rebuild")(feed_rebuild.rebuild)
feed.app.command("features")(feed_features.features)
app.add_typer(feed.app, name="feed")
app.add_typer(models.app, name="models")
app.add_typer(performance.app, name="performance")
app.add_typer(retraining.app, name="retraining")
strands.app.command("drill")(strands_drill.drill)
app.add_typer(strands.app, name="strands")
guide.attach(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"gal-friday {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    del version  # handled by its callback


def main() -> None:
    """Entry point of the launcher and of the installed script."""
    try:
        code = app(prog_name="gal-friday", standalone_mode=False)
    except GalFridayError as error:
        _refuse(str(error))
    except live.USAGE_ERROR as error:
        _refuse_usage(error)
    except typer.Abort:
        sys.stderr.write("gal-friday: interrupted\n")
        sys.exit(live.INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(what: str) -> NoReturn:
    """What was wrong in one line."""
    sys.stderr.write(f"gal-friday: {' '.join(what.split())}\n")
    sys.exit(2)


def _refuse_usage(error: Any) -> NoReturn:
    """A line that cannot be read: what of it, and whose help says more. A group alone shows its help."""
    path = error.ctx.command_path if error.ctx is not None else "gal-friday"
    said = error.format_message()
    if not said.strip():  # a group alone: its help is shown already
        sys.exit(2)
    _refuse(f"{said.rstrip('.')}; {path} --help says more")


if __name__ == "__main__":
    main()
