"""What every command shares: where progress and results go, and how configuration is found."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gal_friday_core.errors import ConfigError

if TYPE_CHECKING:
    from gal_friday_live.configuration import ConfigurationManager

console = Console(stderr=True, highlight=False)
"""Progress, tables and warnings: standard error, so that standard output stays clean for `--json`."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="GAL_FRIDAY_CONFIG",
        help="Configuration file (YAML); gal-friday init writes one. Without it, the commented defaults.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")
]


def load_config(path: Path | None) -> "ConfigurationManager":
    """Read and validate the configuration. Raises ConfigError with file, key and the nearest valid key."""
    from gal_friday_live.configuration import ConfigurationManager

    manager = ConfigurationManager(str(path) if path else None)
    manager.load_config()
    return manager


def known_word(word: str | None, option: str, known: Sequence[str]) -> str | None:
    """The word in capitals, None as it is. Raises ConfigError for one that is not known, with those that are.

    >>> known_word("running", "--state", ("RUNNING", "STOPPED"))
    'RUNNING'
    """
    if word is None or word.upper() in known:
        return None if word is None else word.upper()
    raise ConfigError(f"{option} {word}: use {', '.join(known)}")


def print_json(result: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(result, default=str, allow_nan=False) + "\n")
    sys.stdout.flush()
