"""`gal-friday database`: the embedded PostgreSQL for several processes of this machine."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from gal_friday_live.commands.common import ConfigOption, JsonOption, console, load_config, print_json

if TYPE_CHECKING:
    from gal_friday_adapters.postgres.server import EmbeddedPostgres

app = typer.Typer(help="Serve the embedded PostgreSQL.", no_args_is_help=True)

LOOK_EVERY_S = 0.2


@app.callback()
def _group() -> None:
    """Keeps `serve` a subcommand while it is the only one."""


@app.command("serve")
def serve(
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End by itself after so long; without it, on Ctrl-C.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the data directory's PostgreSQL running, migrated, for roles and engines that share one database.

    It listens on a socket in this machine that only you can open, never on the network.
    """
    from gal_friday_adapters.paths import postgres_dir
    from gal_friday_adapters.postgres.migrate import upgrade
    from gal_friday_adapters.postgres.server import EmbeddedPostgres
    from gal_friday_core.errors import ConfigError, StorageError
    from gal_friday_live.interruption import Interruption

    settings = load_config(config).config
    if settings.storage.database_url is not None:
        raise ConfigError("storage.database_url names a server already: there is none of our own to serve")
    with Interruption() as interruption, EmbeddedPostgres(postgres_dir(settings)) as server:
        if not server.owns:
            raise StorageError(f"another process serves {server.data_dir} already, at {server.url()}")
        upgrade(server.url())
        _announce(server, as_json=as_json)
        until = None if seconds is None else time.monotonic() + seconds
        while not interruption.asked and (until is None or time.monotonic() < until):
            time.sleep(LOOK_EVERY_S)
            if not server.runs():
                raise StorageError(f"PostgreSQL in {server.data_dir} has ended by itself; its log says why")


def _announce(server: "EmbeddedPostgres", *, as_json: bool) -> None:
    if as_json:
        print_json({"url": server.url()})
        return
    console.print("PostgreSQL runs (Ctrl-C ends it). For each process that is to share it:")
    typer.echo(f"export GAL_FRIDAY__STORAGE__DATABASE_URL='{server.url()}'")
