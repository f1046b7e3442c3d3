"""How each command presents itself: the panel that it stands in, and lines to try. `attach` adds them to its help.

Every command has a line here, which a test holds: a command that nobody shows how to use is not finished.
"""

import inspect
from collections.abc import Callable
from typing import Final

import typer

from gal_friday_live.commands import completing

BEGIN: Final = "Begin"
WATCH: Final = "Watch and command a running engine"
RESEARCH: Final = "Bring data in, try ideas"
MODELS: Final = "Models"
KEEP: Final = "Look after it"
BUILD: Final = "Simulate and extend"

PANELS: Final = {
    BEGIN: ("init", "up", "live", "doctor", "dashboard"),
    WATCH: ("status", "top", "positions", "orders", "halt", "resume", "reload", "stop", "explain"),
    RESEARCH: ("ingest", "backtest", "sweep", "costs", "feed"),
    MODELS: ("models", "retraining", "experiments"),
    KEEP: (
        "alerts",
        "audit",
        "statement",
        "replay",
        "backup",
        "restore",
        "performance",
        "strands",
        "database",
    ),
    BUILD: ("simulate", "exchange", "events", "extensions", "new"),
}
"""Commands and groups by what a user wants; one that stands nowhere goes with the last."""

EXAMPLES: Final = {
    "init": ("init", "init --yes --pairs BTC/USD,ETH/USD --interval 5m --path my.yaml"),
    "up": ("up", "up --once --history XBTUSD_1.csv --json", "up --config my.yaml"),
    "live": (
        "live",
        "live --candles XBTUSD_1.csv --speed 60",
        "live --venue http://127.0.0.1:8642",
        "live --role trader --venue http://127.0.0.1:8642 --standby",
        "live --mode live --i-understand-real-money --config my.yaml",
    ),
    "doctor": ("doctor", "doctor --config my.yaml --json", "doctor --offline"),
    "dashboard": ("dashboard", "dashboard --port 9000"),
    "status": ("status", "status --json"),
    "top": ("top", "top --every 0.5", "top --once"),
    "positions": ("positions", "positions --json"),
    "orders": ("orders", "orders --all --json"),
    "halt": ('halt --reason "a strange fill"', "halt --liquidate"),
    "resume": ('resume --reason "the feed is back"',),
    "reload": ("reload",),
    "stop": ("stop",),
    "explain": ("explain 7f3c0a52-9d5e-5a0b-8f5e-0d0c6a1f2b3c", "explain OABCDE-12345-FGHIJK --json"),
    "ingest": (
        "ingest --history XBTUSD_1.csv",
        "ingest --exchange kraken --pair ETH/USD --interval 5m --since 2024-01-01",
    ),
    "backtest": (
        "backtest --history XBTUSD_1.csv --strategy ema_cross",
        "backtest --pair BTC/USD --from 2024-01-01 --to 2024-06-30 --json",
        "backtest --pair BTC/USD --model trees@v3 --output report",
    ),
    "sweep": (
        "sweep --history XBTUSD_1.csv --strategy ema_cross -g ema_cross.fast=8,12,16 -g ema_cross.slow=26,40",
        "sweep --series kraken:BTC-USD:1m --train-days 60 --test-days 20 -g ema_cross.fast=8,12",
    ),
    "costs": ("costs --history XBTUSD_1.csv", "costs --pair BTC/USD --json"),
    "feed record": ("feed record --pair BTC/USD --seconds 3600 --out monday",),
    "feed rebuild": ("feed rebuild monday --interval 1m",),
    "feed features": ("feed features --pair BTC/USD",),
    "feed verify": ("feed verify monday --json",),
    "models list": ("models list", "models list --stage production --json"),
    "models show": ("models show kraken:BTC-USD:1m@v3",),
    "models diff": ("models diff kraken:BTC-USD:1m@v2 kraken:BTC-USD:1m@v3",),
    "models certify": ("models certify kraken:BTC-USD:1m@v3",),
    "models promote": (
        "models promote kraken:BTC-USD:1m@v3",
        'models promote kraken:BTC-USD:1m@v3 --override-reason "paper only, to see it trade"',
    ),
    "models demote": ('models demote kraken:BTC-USD:1m@v3 --reason "it loses"',),
    "models rollback": ('models rollback kraken:BTC-USD:1m --reason "v3 loses"',),
    "models release": ('models release kraken:BTC-USD:1m@v3 --reason "the exchange had a bad hour"',),
    "models export": ("models export --mlflow ./mlruns",),
    "models key": ("models key",),
    "retraining list": ("retraining list", "retraining list --state FAILED"),
    "retraining show": ("retraining show 12",),
    "retraining ask": ('retraining ask kraken:BTC-USD:1m@v3 --reason "a new fee tier"',),
    "experiments create": (
        "experiments create --name trees-or-line --control kraken:BTC-USD:1m@v3 --challenger kraken:BTC-USD:1m@v4",
    ),
    "experiments list": ("experiments list", "experiments list --state RUNNING --json"),
    "experiments start": ('experiments start trees-or-line --reason "as planned"',),
    "experiments show": ("experiments show trees-or-line",),
    "experiments review": ("experiments review trees-or-line",),
    "experiments stop": ('experiments stop trees-or-line --reason "decided"',),
    "experiments simulate": ("experiments simulate --runs 200 --effect 0.5",),
    "alerts test": ("alerts test", "alerts test --severity info --json"),
    "audit": ("audit", "audit --venue http://127.0.0.1:8642 --json"),
    "statement": ("statement --day 2024-06-30", "statement --json"),
    "replay": ("replay flights/2024-06-30T08-00-00",),
    "backup": ("backup monday.tar", "backup monday.tar --lake"),
    "restore": ("restore monday.tar --check", "restore monday.tar"),
    "database serve": ("database serve", "database serve --json"),
    "simulate": ("simulate --seeds 100", "simulate --seed 4711 --trace", "simulate --planted"),
    "exchange serve": ("exchange serve", "exchange serve --candles XBTUSD_1.csv --speed 60 --seconds 600"),
    "events schema": ("events schema", "events schema TRADE_SIGNAL_APPROVED --json"),
    "extensions list": ("extensions list",),
    "extensions add": ("extensions add ./breakout", "extensions add ./breakout --edit"),
    "extensions remove": ("extensions remove breakout",),
    "new strategy": ("new strategy my-breakout",),
    "new feature-set": ("new feature-set my-features",),
    "new risk-rule": ("new risk-rule my-hours",),
    "new exchange": ("new exchange my-exchange",),
    "performance tune": ("performance tune",),
    "performance undo": ("performance undo gc_seldom",),
    "strands status": ("strands status", "strands status --json"),
    "strands show": ("strands show 019a7b1e-64c0-7c52-8d0e-3f2a9b1c4d5e",),
    "strands clean": ("strands clean", "strands clean --days 30"),
    "strands drill": ("strands drill --json", "strands drill --kills 1 --standby --keep drill"),
    "strands retry": ("strands retry 019a7b1e-64c0-7c52-8d0e-3f2a9b1c4d5e",),
}
"""By command: what follows `gal-friday` on the command line."""


def attach(app: typer.Typer) -> None:
    """Give every command its examples and completions, and those of the first level their panels."""
    panel_of = {name: panel for panel, names in PANELS.items() for name in names}
    place = {name: number for number, name in enumerate(panel_of)}
    app.registered_commands.sort(key=lambda command: place.get(str(command.name), len(place)))
    for command in app.registered_commands:
        command.rich_help_panel = panel_of.get(str(command.name), BUILD)
        command.epilog = shown(str(command.name), command.callback)
        completing.attach(command.callback)
    for group in app.registered_groups:
        group.rich_help_panel = panel_of.get(str(group.name), BUILD)
        if group.typer_instance is not None:
            for command in group.typer_instance.registered_commands:
                command.epilog = shown(f"{group.name} {command.name}", command.callback)
                completing.attach(command.callback)


def shown(name: str, callback: Callable[..., object] | None = None) -> str | None:
    r"""The examples of a command as the end of its help; None where there are none, or its own words have some.

    >>> shown("reload")
    'Example:\n\n$ gal-friday reload'
    """
    lines = EXAMPLES.get(name, ())
    if not lines or f"gal-friday {name} " in (inspect.getdoc(callback) or ""):
        return None
    return "\n\n".join(
        [f"Example{'s' if len(lines) > 1 else ''}:", *(f"$ gal-friday {line}" for line in lines)]
    )
