"""Which engines are asked: one by its data directory, or the roles of a split one, each by its own."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gal_friday_adapters import paths
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_live.control_socket import control_path


class Door(NamedTuple):
    """An engine's control socket, and a short name for it: that of its data directory."""

    name: str
    path: Path


def doors_of(config: Config, engines: Sequence[Path] = ()) -> tuple[Door, ...]:
    """Those of the data directories given, else of the configured one. An engine makes its own when it starts first.

    Raises ConfigError for one in a folder that is not there.
    """
    if not engines:
        own = paths.data_dir(config)
        return (Door(own.name, control_path(own)),)
    folders = list(dict.fromkeys(folder.expanduser().absolute() for folder in engines))
    for folder in folders:
        if not folder.parent.is_dir():
            raise ConfigError(
                f"--engine {folder}: no such directory: name the data directory of an engine or role"
            )
    alike = Counter(folder.name for folder in folders)
    return tuple(
        Door(folder.name if alike[folder.name] == 1 else str(folder), control_path(folder))
        for folder in folders
    )
