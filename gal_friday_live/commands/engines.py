"""Which engines a command asks: that of the configured data directory, or those of the directories named."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gal_friday_core.config import Config
    from gal_friday_live.dashboard.doors import Door

EnginesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--engine",
        metavar="DIR",
        help="Data directory of a role of a split engine; repeated for each role, they count as one account.",
        show_default=False,
    ),
]


def doors(config: "Config", engines: list[Path] | None) -> "tuple[Door, ...]":
    """Raises ConfigError for a directory that is not there."""
    from gal_friday_live.dashboard.doors import doors_of

    return doors_of(config, engines or ())
