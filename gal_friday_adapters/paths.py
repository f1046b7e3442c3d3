"""Where the product keeps what it writes: one data directory, never the clone.

`GAL_FRIDAY_DATA_DIR` decides; else `storage.data_dir` of the configuration; else the platform's folder for
application data. Lake, artifacts, reports and statements may be elsewhere, in a folder or a bucket that `storage` names.
Nothing here touches the disk: whoever writes makes its own folder.
"""

import os
import sys
from pathlib import Path

from gal_friday_adapters.locations import Location, location
from gal_friday_core.config import Config

DATA_DIR_VARIABLE = "GAL_FRIDAY_DATA_DIR"


def data_dir(config: Config | None = None) -> Path:
    """The root of everything the product writes, absolute; it may not exist yet."""
    chosen = os.environ.get(DATA_DIR_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if config is not None and config.storage.data_dir is not None:
        return config.storage.data_dir.expanduser().absolute()
    return _platform_folder() / "gal-friday"


def lake_dir(config: Config | None = None) -> Location:
    """Candles and feature tables as Parquet."""
    return _place(config, "lake")


def sessions_dir(config: Config | None = None) -> Path:
    """Recorded websocket sessions, a folder each."""
    return data_dir(config) / "sessions"


def artifacts_dir(config: Config | None = None) -> Location:
    """Model artifacts, addressed by content."""
    return _place(config, "artifacts")


def kept_dir(config: Config | None = None) -> Path:
    """Copies of models that are in a bucket, so that a machine which had them once needs it no more."""
    return data_dir(config) / "kept-artifacts"


def keys_dir(artifacts: Location, config: Config | None = None) -> Path:
    """The key that signs what is registered: beside the artifacts; this machine's own where those are shared."""
    shared = config is not None and config.storage.artifacts is not None
    return (
        artifacts.with_name("keys")
        if isinstance(artifacts, Path) and not shared
        else data_dir(config) / "keys"
    )


def postgres_dir(config: Config | None = None) -> Path:
    """The embedded PostgreSQL: cluster, lock, socket."""
    return data_dir(config) / "postgres"


def dagster_home(config: Config | None = None) -> Path:
    """DAGSTER_HOME: the instance's dagster.yaml and compute logs."""
    return data_dir(config) / "dagster"


def reports_dir(config: Config | None = None) -> Path:
    """Pages and tables made for people to read, as they are written on this machine."""
    return data_dir(config) / "reports"


def reports_place(config: Config | None = None) -> Location:
    """Where the pipeline's pages are kept for all machines; `reports_dir` unless `storage.reports` names another."""
    return _place(config, "reports")


def statements_dir(config: Config | None = None) -> Location:
    """Each account's days as Parquet, a folder a table."""
    return _place(config, "statements")


def flights_dir(config: Config | None = None) -> Path:
    """What live engines heard and said, where that was recorded."""
    return data_dir(config) / "flights"


def halt_page(session: str, config: Config | None = None) -> Path:
    """The page that keeps an account's halt when the database does not."""
    return data_dir(config) / "halts" / f"{session}.halt"


def logs_dir(config: Config | None = None) -> Path:
    """Logs of the processes that `up` starts."""
    return data_dir(config) / "logs"


def _place(config: Config | None, name: str) -> Location:
    """What the setting of this name says, else the folder of this name in the data directory."""
    named = None if config is None else getattr(config.storage, name)
    if config is None or named is None:
        return data_dir(config) / name
    return location(named, config.object_store)


def _platform_folder() -> Path:
    """XDG base directory on Linux, Application Support on macOS, the local profile on Windows."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    xdg = os.environ.get("XDG_DATA_HOME", "")
    return Path(xdg) if xdg.startswith("/") else home / ".local" / "share"
