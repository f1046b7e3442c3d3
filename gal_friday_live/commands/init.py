"""`gal-friday init`: a commented configuration file, and the exchange's keys where only their owner reads them."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from gal_friday_core.errors import ConfigError
from gal_friday_live.commands.common import JsonOption, console, print_json
from gal_friday_live.commands.init_asked import PLACES, QUESTIONS, Ask, answered

SECRETS = ("KRAKEN_API_KEY", "KRAKEN_API_SECRET")
FOLDER = "secrets"


def init(
    path: Annotated[Path, typer.Option(help="The file to write.")] = Path("gal-friday.yaml"),
    *,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: defaults, and what the options say.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there; it is kept as NAME.before.")
    ] = False,
    mode: Annotated[str, typer.Option(help="paper, or live for real money.")] = "paper",
    pairs: Annotated[
        str | None, typer.Option(help="Pairs to trade, commas between them.", show_default=False)
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Bar length: 1m, 5m, 15m, 30m, 1h, 4h or 1d.", show_default=False)
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="What turns predictions or bars into signals.", show_default=False)
    ] = None,
    cash: Annotated[str | None, typer.Option(help="Paper money to begin with.", show_default=False)] = None,
    taker_fee: Annotated[
        str | None, typer.Option(help="As a fraction, or in %: 0.26%.", show_default=False)
    ] = None,
    risk_per_trade: Annotated[
        str | None, typer.Option(help="Of equity, lost when a stop is hit.", show_default=False)
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder for everything that is written.", show_default=False)
    ] = None,
    database_url_file: Annotated[
        Path | None,
        typer.Option(
            help="A file that holds the URL of your PostgreSQL: it is a secret.", show_default=False
        ),
    ] = None,
    page_url_file: Annotated[
        Path | None,
        typer.Option(help="A file that holds the addresses of whom to wake, one a line.", show_default=False),
    ] = None,
    save_keys: Annotated[
        bool,
        typer.Option(
            "--save-keys",
            help="Keep KRAKEN_API_KEY and KRAKEN_API_SECRET of the environment in files of mode 0600.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a commented configuration file: asks for what it needs, and says what to do next.

    Every key stands in the file with its meaning. Nothing is replaced without asking. Secrets never stand on a command
    line: give them in files, or type them where nobody sees them. The file is for its owner only (0600).
    """
    given = {
        "market.pairs": pairs, "market.interval": interval, "strategy.id": strategy,
        "paper.initial_cash": cash, "costs.taker_fee": taker_fee, "risk.risk_per_trade": risk_per_trade,
        "storage.data_dir": None if data_dir is None else str(data_dir.expanduser().absolute()),
        "storage.database_url": _secret_of(database_url_file, "--database-url-file"),
        "alerts.page_urls": _secret_of(page_url_file, "--page-url-file"),
    }  # fmt: skip
    ask = None if yes else _terminal()
    _may_write(path, force=force, ask=ask)
    answers = {name: value for name, value in given.items() if value is not None}
    told = _written(path, mode, answers, ask, save_keys=save_keys)
    if as_json:
        print_json(told)
    else:
        _say(told)


def _written(
    path: Path, mode: str, given: dict[str, str], ask: Ask | None, *, save_keys: bool
) -> dict[str, Any]:
    """Answers, file, keys: in this order, so that a wrong answer leaves nothing behind."""
    from gal_friday_adapters.paths import data_dir
    from gal_friday_live.config_writing import checked, commented, read_back, write_config

    values = {"mode": checked("mode", mode)}
    values |= dict(answered((*QUESTIONS, *PLACES), given, ask, console.print))
    if mode == "live":
        values["risk.ramp_orders"] = 10
    text = commented(values)
    config = read_back(text)
    secrets = _keys(ask, save=save_keys)
    kept = write_config(path, text)
    folder = data_dir(config) / FOLDER
    saved = _saved(folder, secrets, ask)
    commands = [f"gal-friday doctor --config {path}", f"gal-friday up --config {path}"]
    return {
        "config": str(path.absolute()),
        "before": None if kept is None else str(kept.absolute()),
        "data_dir": str(data_dir(config)),
        "environment": {f"{name}_FILE": str(file) for name, file in saved.items()},
        "next": commands,
    }


def _may_write(path: Path, *, force: bool, ask: Ask | None) -> None:
    """Raises ConfigError where a file is in the way and may not be replaced."""
    if path.is_dir():
        raise ConfigError(f"--path {path} is a folder: name a file in it")
    if not path.exists() or force:
        return
    if ask is None or not typer.confirm(
        f"{path} is there. Replace it? (it is kept as {path.name}.before)", err=True
    ):
        raise ConfigError(f"{path} is there and was left as it is: --force replaces it, --path names another")


def _terminal() -> Ask:
    """Who answers. Raises ConfigError where nobody can."""
    if not sys.stdin.isatty():
        raise ConfigError(
            "there is no terminal to ask at: give --yes, and options for what should differ from the defaults"
        )

    def ask(text: str, default: str, hidden: bool) -> str:
        answer: str = typer.prompt(
            text, default=default, hide_input=hidden, show_default=bool(default), err=True
        )
        return answer

    return ask


def _secret_of(file: Path | None, option: str) -> str | None:
    from gal_friday_adapters.private_files import read_private

    return None if file is None else read_private(file.expanduser(), option)


def _keys(ask: Ask | None, *, save: bool) -> dict[str, str]:
    """The exchange's keys: of the environment with --save-keys, else typed by who wants to; none otherwise."""
    found = {name: os.environ.get(name, "") for name in SECRETS} if save else {}
    if save and not all(found.values()):
        raise ConfigError(f"--save-keys keeps what the environment holds: set {' and '.join(SECRETS)}")
    if ask is None or save:
        return found
    if typer.confirm(
        "Keep an API key of Kraken now? (paper needs none; it must not be able to withdraw)", err=True
    ):
        return {name: ask(name, "", True).strip() for name in SECRETS}
    return {}


def _saved(folder: Path, secrets: dict[str, str], ask: Ask | None) -> dict[str, Path]:
    """Each in a file of its own. Raises ConfigError where one is there already with other content."""
    from gal_friday_adapters.private_files import create_private, read_private

    saved = {name: folder / name.lower().replace("_", "-") for name in secrets}
    for name, file in saved.items():
        if create_private(file, f"{secrets[name]}\n".encode()) or read_private(file, name) == secrets[name]:
            continue
        if ask is None or not typer.confirm(f"{file} holds another key. Replace it?", err=True):
            raise ConfigError(f"{file} holds another key and was left as it is: remove it first")
        file.unlink()
        create_private(file, f"{secrets[name]}\n".encode())
    return saved


def _say(told: dict[str, Any]) -> None:
    out = Console(highlight=False, soft_wrap=True)
    out.print(f"[green]Written:[/] {escape(told['config'])}")
    if told["before"]:
        out.print(f"What was there is kept as {escape(told['before'])}")
    out.print(f"Data goes to {escape(told['data_dir'])}")
    for name, file in told["environment"].items():
        out.print(f"export {name}={escape(file)}")
    out.print("Next:")
    for command in told["next"]:
        out.print(f"  {escape(command)}")
