"""`gal-friday backup` and `gal-friday restore`: everything that cannot be made again, in one file, and back."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.backup import Contents
    from gal_friday_adapters.locations import Location
    from gal_friday_core.config import Config


def backup(
    file: Annotated[
        str | None,
        typer.Argument(
            help="Where to, a file or s3://BUCKET/NAME; must not exist. By default a file named by the time, in the data "
            "directory's backups.",
            show_default=False,
        ),
    ] = None,
    lake: Annotated[
        bool, typer.Option(help="Candles and feature tables: they could be fetched again.")
    ] = True,
    runs: Annotated[bool, typer.Option(help="Dagster's runs and events.")] = True,
    sessions: Annotated[bool, typer.Option(help="Recorded sessions: these are large.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write registry, journal, artifacts, signing key and configuration into one file; engines may go on trading.

    The file holds the key that signs models: keep it as you keep the key. Example: gal-friday backup /mnt/safe/friday.tar
    """
    from gal_friday_adapters.backup import Source, write
    from gal_friday_adapters.backup.remote import written_to
    from gal_friday_adapters.paths import data_dir
    from gal_friday_live.code_version import code_version
    from gal_friday_live.commands.ingest import progress_bars
    from gal_friday_live.commands.storage import untouched

    settings = load_config(config).config
    now_ns = time.time_ns()
    target = _target(settings, file, now_ns)
    with (
        untouched(settings) as url,
        progress_bars() as progress,
        written_to(target, data_dir(settings) / "backups") as path,
    ):
        source = Source(
            database_url=url,
            folders=_folders(settings, lake=lake, sessions=sessions),
            config=config,
            runs=runs,
        )
        found = write(path, source, code_version=code_version(), now_ns=now_ns, progress=progress)
    _tell(target, found, as_json, "written")


def restore(
    file: Annotated[
        str,
        typer.Argument(help="What gal-friday backup wrote: a file, or s3://BUCKET/NAME.", show_default=False),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Only look: is it whole, and what does it hold?")
    ] = False,
    config_to: Annotated[
        Path | None,
        typer.Option(help="Write the configuration that was backed up to this file.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup where nothing is yet: an empty database and an empty data directory. Nothing is overwritten.

    All of it is checked against its hashes first. An engine that starts on it compares itself with the exchange before it
    trades. Example: GAL_FRIDAY_DATA_DIR=/srv/friday gal-friday restore /mnt/safe/friday.tar
    """
    from gal_friday_adapters.backup import Target, contents
    from gal_friday_adapters.backup import restore as put_back
    from gal_friday_adapters.backup.remote import read_from
    from gal_friday_adapters.backup.restoring import examined
    from gal_friday_adapters.locations import location
    from gal_friday_live.commands.ingest import progress_bars
    from gal_friday_live.commands.storage import untouched

    place = location(file, load_config(config).config.object_store) if "://" in file else Path(file)
    with read_from(place, Path(tempfile.gettempdir())) as path:
        if check:
            with progress_bars() as progress:
                found = examined(path, progress=progress)
            _tell(place, found, as_json, "whole")
            return
        contents(path)  # what is no backup is told before a server is started
        settings = load_config(config).config
        with untouched(settings) as url, progress_bars() as progress:
            target = Target(
                database_url=url, folders=_folders(settings, lake=True, sessions=True), config=config_to
            )
            found = put_back(path, target, progress=progress)
    _tell(place, found, as_json, "restored")


def _target(settings: "Config", file: str | None, now_ns: int) -> "Location":
    from gal_friday_adapters.locations import location
    from gal_friday_adapters.paths import data_dir
    from gal_friday_core.times import to_iso

    if file is not None:
        return location(file, settings.object_store) if "://" in file else Path(file)
    stamp = to_iso(now_ns)[:19].replace(":", "").replace("-", "")
    return data_dir(settings) / "backups" / f"gal-friday-{stamp}Z.tar"


def _folders(settings: "Config", *, lake: bool, sessions: bool) -> Mapping[str, Path]:
    from gal_friday_adapters import paths

    artifacts = paths.artifacts_dir(settings)
    found: dict[str, Location] = {
        "artifacts": artifacts,
        "keys": paths.keys_dir(artifacts, settings),
        "halts": paths.halt_page("any", settings).parent,
        "statements": paths.statements_dir(settings),
        "reports": paths.reports_dir(settings),
    }
    if lake:
        found["lake"] = paths.lake_dir(settings)
    if sessions:
        found |= {"sessions": paths.sessions_dir(settings), "flights": paths.flights_dir(settings)}
    return {name: place for name, place in found.items() if isinstance(place, Path)}


def _tell(file: "Location", found: "Contents", as_json: bool, what: str) -> None:
    told: dict[str, Any] = {
        "file": str(file),
        "state": what,
        "made": found.made,
        "code_version": found.code_version,
        "schema": found.schema,
        "files": len(found.files),
        "bytes": found.size,
    }
    if as_json:
        print_json(told)
        return
    console.print(
        f"{what}: {file}, {len(found.files)} files, {found.size / 1e6:.1f} MB, made {found.made} by {found.code_version}",
        soft_wrap=True,
    )
