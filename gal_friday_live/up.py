"""The main job: everything that one machine needs, started in order, shown, and stopped without remainder."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gal_friday_adapters import paths
from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.postgres.migrate import upgrade
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.config import Config
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.dagster_processes import start_dagster
from gal_friday_live.dashboard_process import Dashboard, start_dashboard
from gal_friday_live.interruption import Interruption
from gal_friday_live.pipeline_process import require_pipeline, run_pipeline
from gal_friday_live.processes import Children
from gal_friday_live.up_market import Market, bring_history_in
from gal_friday_live.up_screen import SYNTHETIC_WARNING, Screen
from gal_friday_live.up_trade import Replay, trade

SOURCE_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked of `up`."""

    history: tuple[Path, ...] = ()
    series: str | None = None
    once: bool = False
    bars_per_second: float = 20.0
    config_path: Path | None = None


def run(manager: ConfigurationManager, request: Request, screen: Screen) -> dict[str, Any]:
    """From nothing to a trading paper engine; the summary of a bounded run.

    Raises whatever GalFridayError a step meets; everything that was started is stopped then, and on Ctrl-C.
    """
    require_pipeline()
    started = time.monotonic()
    with ExitStack() as stack:
        check = stack.enter_context(Interruption()).check
        with screen.preparing():
            running = _prepare(manager.config, request, screen, check, stack)
        _say_what_was_found(screen, running)
        trading = trade(
            manager,
            running.market,
            database_url=running.database_url,
            lake=running.lake,
            outcome=running.outcome,
            replay=Replay(None if request.once else request.bars_per_second, ends=request.once),
            screen=screen,
            footer=_footer(running),
            check=check,
        )
        traded = asyncio.run(trading)
        return summary(running, traded, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class Running:
    """What stands when trading begins; `outcome` is the pipeline's result."""

    database_url: str
    dagster: str
    lake: CandleLake
    market: Market
    outcome: dict[str, Any]
    dashboard: Dashboard | None


def _prepare(
    config: Config, request: Request, screen: Screen, check: Callable[[], None], stack: ExitStack
) -> Running:
    """Start what serves, bring history in, train; what was started is stopped when `stack` is left."""

    def step(name: str, done: int, of: int) -> None:
        check()
        screen.step(name, done, of)

    step("PostgreSQL", 0, 1)
    url = stack.enter_context(running_database(config))
    step("PostgreSQL", 1, 1)
    children = stack.enter_context(Children(paths.logs_dir(config)))
    env = child_environment(config, url, request.config_path)
    dagster = start_dagster(children, config.dagster.port, env)
    dashboard = None if request.once else start_dashboard(children, config, env)
    lake = CandleLake(paths.lake_dir(config))
    market = bring_history_in(config, lake, request.history, request.series, step)
    if market.synthetic:
        screen.say(SYNTHETIC_WARNING, style="bold yellow")
    outcome = run_pipeline(children, market.series, env, step, check)
    return Running(url, dagster.address, lake, market, outcome, dashboard)


@contextmanager
def running_database(config: Config) -> Iterator[str]:
    """The address of a migrated database: the configured server, or the embedded one, stopped on leaving."""
    with ExitStack() as stack:
        if config.storage.database_url is not None:
            url = config.storage.database_url.get_secret_value()
        else:
            server = stack.enter_context(EmbeddedPostgres(paths.postgres_dir(config)))
            url = server.url()
        upgrade(url)
        yield url


def child_environment(config: Config, url: str, config_path: Path | None) -> dict[str, str]:
    """What pipeline, web server and daemon need to see the same configuration, lake and database as we do."""
    env = {
        "GAL_FRIDAY_DATABASE_URL": url,
        "GAL_FRIDAY_DATA_DIR": str(paths.data_dir(config)),
        "PYTHONPATH": str(SOURCE_ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    return env if config_path is None else {**env, "GAL_FRIDAY_CONFIG": str(config_path.absolute())}


def summary(running: Running, traded: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The figures of a bounded run, the same for people and for `--json`."""
    market, outcome = running.market, running.outcome
    return {
        "series": market.series.key,
        "synthetic": market.synthetic,
        "rows": market.rows,
        "features": outcome["features"],
        "folds": outcome["folds"],
        "model_id": outcome["model_id"],
        "promoted": outcome["promoted"],
        "reasons": outcome["reasons"],
        "certificate": {
            name: outcome[name] for name in ("certified", "gates_passed", "gates", "validation_page")
        },
        "override": traded["override"],
        **{
            name: traded[name]
            for name in ("predictions", "signals", "orders", "fills", "fees", "final_equity")
        },
        "backtest_final_equity": f"{outcome['backtest']['final_equity']:.8f}",
        "halted": traded["halted"],
        "halt_reasons": traded["halt_reasons"],
        "dagster": running.dagster,
        "seconds": round(seconds, 1),
    }


def _say_what_was_found(screen: Screen, running: Running) -> None:
    outcome = running.outcome
    model, gates = outcome["model_id"], f"{outcome['gates_passed']} of {outcome['gates']} gates passed"
    if outcome["promoted"]:
        screen.say(f"Certificate of {model}: {gates}; it is in production.", style="green")
    elif outcome["shadow"]:
        screen.say(f"Certificate of {model}: {gates}; it goes into the shadow of {outcome['production']}.")
    else:
        _say_why_not(screen, outcome, f"Certificate of {model}: {gates}; it is registered but refused")
    screen.say(f"Validation page: {outcome['validation_page']}")
    screen.say(f"Dagster (lineage, runs, reports): {running.dagster}")
    if running.dashboard is not None:
        _say_where(screen, running.dashboard)


def _say_where(screen: Screen, dashboard: Dashboard) -> None:
    """A link that logs in is for a terminal, not for whatever keeps what we print."""
    told = dashboard.link if screen.console.is_terminal else dashboard.address
    screen.say(f"Dashboard: {told}", style="bold")
    screen.say("Each link logs in one browser, once; gal-friday dashboard --link prints the next.")


def _footer(running: Running) -> str:
    shown = "" if running.dashboard is None else f"Dashboard {running.dashboard.address}   "
    return f"{shown}Dagster {running.dagster}   Ctrl-C stops everything"


def _say_why_not(screen: Screen, outcome: Mapping[str, Any], said: str) -> None:
    screen.say(f"{said} for production:", style="yellow")
    for reason in outcome["reasons"]:
        screen.say(f"  - {reason}")
    if outcome["production"]:
        screen.say(f"{outcome['production']} trades on.", style="yellow")
    else:
        screen.say("It trades paper money under an override, so that the whole path is seen.", style="yellow")
