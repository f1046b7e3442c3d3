import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from psycopg import sql

from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.postgres.connect import connect, url_parts
from gal_friday_adapters.postgres.migrate import ensure_database, upgrade
from gal_friday_adapters.postgres.roles import create_login
from gal_friday_adapters.postgres.server import EmbeddedPostgres
from gal_friday_core.strands.tags import MODULES

if TYPE_CHECKING:
    from tests.bucket_server import BucketServer

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "migrated_template"
LONGEST = (
    "tests/live/test_kill_random.py",
    "tests/live/test_up.py",
    "tests/live/test_outages.py",
    "tests/live/test_kill.py",
)
"""Files that take minutes, or mostly wait: begun first, so that no worker of `.ci/run` waits for another at the end."""
_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of `LONGEST`, then as collected."""
    places = {ROOT / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real market data: GAL_FRIDAY_TEST_DATA, else the folder beside the checkout."""
    chosen = os.environ.get("GAL_FRIDAY_TEST_DATA")
    folder = Path(chosen) if chosen else ROOT.parent / "shared" / "data"
    if not (folder / "ohlcv").is_dir():
        pytest.skip("no shared market data; set GAL_FRIDAY_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running server of its own, gone after the session: nothing in it need survive a power cut."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the present schema and no rows; nobody stays connected to it."""
    upgrade(ensure_database(postgres.url("postgres"), TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def new_database(
    postgres: EmbeddedPostgres, migrated_template: str
) -> Callable[[], AbstractContextManager[str]]:
    """Each call gives a fresh, migrated database: its address, inside `with`; it is dropped behind."""

    @contextmanager
    def made() -> Iterator[str]:
        name = f"test_{next(_numbers)}"
        names = {"name": sql.Identifier(name), "template": sql.Identifier(migrated_template)}
        with connect(postgres.url("postgres")) as connection:
            connection.execute(
                sql.SQL("create database {name} template {template} strategy file_copy").format(**names)
            )
            yield postgres.url(name)
            connection.execute(sql.SQL("drop database {name} with (force)").format(**names))

    return made


@pytest.fixture
def database_url(new_database: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """The address of a fresh, migrated database, dropped after the test."""
    with new_database() as url:
        yield url


@pytest.fixture
def logins(database_url: str, postgres: EmbeddedPostgres) -> Iterator[dict[str, str]]:
    """The address of the database for a login of each module of the strands; they are dropped afterwards."""
    names = {module: f"{module} no. {next(_numbers)} of a desk" for module in MODULES}
    parts, password = url_parts(database_url), "a long enough password"
    for module, name in names.items():
        create_login(database_url, name, password, module)
    yield {
        module: f"postgresql://{quote(name)}:{quote(password)}@/{parts['dbname']}?host={quote(parts['host'])}&port={parts['port']}"
        for module, name in names.items()
    }
    with connect(postgres.url("postgres")) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename = any (%s)",
            (list(names.values()),),
        )
        for name in names.values():
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture
def no_pipeline(postgres: EmbeddedPostgres) -> None:
    """The server without the pipeline's own database: tests of the pipeline leave it behind."""
    with connect(postgres.url("postgres")) as connection:
        connection.execute("drop database if exists dagster with (force)")


@pytest.fixture(scope="session")
def running_bucket_server() -> Iterator["BucketServer"]:
    from tests.bucket_server import BucketServer  # a second of imports, for those who need it

    server = BucketServer()
    yield server
    server.close()


@pytest.fixture
def bucket_server(
    running_bucket_server: "BucketServer", monkeypatch: pytest.MonkeyPatch
) -> Iterator["BucketServer"]:
    """A server of objects with the keys to it in the environment, and no fault left over."""
    from tests.bucket_server import KEYS

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    running_bucket_server.faults.clear()
    running_bucket_server.patience = None
    yield running_bucket_server
    running_bucket_server.faults.clear()
    running_bucket_server.patience = None


@pytest.fixture
def bucket(bucket_server: "BucketServer") -> ObjectUrl:
    """A prefix of a new bucket."""
    return bucket_server.bucket()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
