"""One audit from beginning to end: whose journal, with which key, at which exchange."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from gal_friday_adapters.files import locked
from gal_friday_adapters.kraken.connect import account_rest
from gal_friday_adapters.kraken.key_check import require_query_key
from gal_friday_adapters.kraken.rest import KrakenRest
from gal_friday_adapters.kraken.rest_calls import Credentials
from gal_friday_adapters.paths import data_dir
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.session_records import Row, SessionRecords
from gal_friday_adapters.simulated_kraken import demo
from gal_friday_adapters.simulated_kraken.about import ask_about, scaled_time
from gal_friday_core.account_audit import Audit
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, ExchangeError
from gal_friday_core.ports import Clock
from gal_friday_live.account_audit import AccountAudit, JournalledAccount
from gal_friday_live.clock import SystemClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.statements import REAL, owner

FOLDER, NONCE_FILE = "audit", "kraken-nonce"

Pause = Callable[[float], Awaitable[None]]


class Audited(NamedTuple):
    """What an audit found, of which session, and whose that is."""

    found: Audit
    session: str
    owner: dict[str, Any]


async def audit_real(
    manager: ConfigurationManager, database: Database, *, pause: Pause = asyncio.sleep
) -> Audited | None:
    """The real account that is configured, None where the journal knows of none. A key that is missing or refused, and an
    exchange that cannot be reached, leave everything unknown. Raises StorageError.
    """
    market, account = manager.config.market, manager.config.exchange.account
    rows = [
        row
        for row in await _accounts(database)
        if _is_of(row, market.exchange, account) and row["mode"] == REAL
    ]
    if not rows:
        return None
    clock = SystemClock()
    try:
        async with _asking(manager.config, audit_keys(manager)) as rest:
            await require_query_key(rest)
            found = await _of(database, rows[0], manager.config, clock, pause)(rest)
    except (ConfigError, ExchangeError) as error:
        found = _unknown(clock, " ".join(str(error).split()))
    return Audited(found, str(rows[0]["session"]), owner(rows[0]))


async def audit_simulated(
    manager: ConfigurationManager, database: Database, venue: str, *, pause: Pause = asyncio.sleep
) -> Audited:
    """The account of an engine at a simulated exchange of this machine. Raises ConfigError, ExchangeError, StorageError."""
    about = await ask_about(venue)
    rows = [row for row in await _accounts(database) if (row["run"] or {}).get("venue") == about.venue_id]
    if not rows:
        raise ConfigError(f"--venue {venue}: no engine of this journal ever traded there")
    exchange = manager.config.exchange.model_copy(update={"rest_url": venue.rstrip("/"), "tier": "pro"})
    config, clock = (
        manager.config.model_copy(update={"exchange": exchange}),
        scaled_time(about) or SystemClock(),
    )
    async with _asking(
        config, Credentials(demo.AUDIT_KEY, demo.SECRET), folder=f"{FOLDER}-{about.venue_id}"
    ) as rest:
        found = await _of(database, rows[0], config, clock, pause)(rest)
    return Audited(found, str(rows[0]["session"]), owner(rows[0]))


def audit_keys(manager: ConfigurationManager) -> Credentials:
    """The audit's own key. Raises ConfigError where there is none, or where it is the engine's."""
    keys, trading = manager.get_audit_keys(), manager.get_api_keys()
    if not keys:
        raise ConfigError(
            "an audit needs an exchange key of its own that may only query: set KRAKEN_AUDIT_API_KEY and "
            "KRAKEN_AUDIT_API_SECRET, or their _FILE variants"
        )
    if trading and trading["key"].get_secret_value() == keys["key"].get_secret_value():
        raise ConfigError(
            "KRAKEN_AUDIT_API_KEY is the engine's key, and their nonces would overtake each other: make a second key "
            "that may only query"
        )
    return Credentials(keys["key"].get_secret_value(), keys["secret"].get_secret_value())


async def _accounts(database: Database) -> Sequence[Row]:
    return [row for row in await SessionRecords(database).written() if row["quote"]]


def _is_of(row: Row, venue: str, account: str) -> bool:
    run = row["run"] or {}
    return (run.get("venue"), run.get("account")) == (venue, account)


def _of(
    database: Database, row: Row, config: Config, clock: Clock, pause: Pause
) -> Callable[[KrakenRest], Awaitable[Audit]]:
    """An audit of a session, still to be told where to ask."""
    ours, settings = JournalledAccount(database, row), config.reconciliation
    return lambda rest: AccountAudit(rest, ours.books, settings, clock, pause=pause).run()


def _unknown(clock: Clock, why: str) -> Audit:
    """Nothing could be asked."""
    now_ns = clock.now_ns()
    return Audit(read_ns=now_ns, since_ns=now_ns, unknown={"exchange": why})


@asynccontextmanager
async def _asking(config: Config, keys: Credentials, *, folder: str = FOLDER) -> AsyncIterator[KrakenRest]:
    """Kraken's REST for one audit at a time: nonces and limits of this key are kept in a folder of their own."""
    kept = data_dir(config) / folder
    kept.mkdir(parents=True, exist_ok=True)
    with locked(kept / f"{NONCE_FILE}.lock"):
        rest = account_rest(config.exchange, keys, nonce_file=kept / NONCE_FILE)
        try:
            yield rest
        finally:
            await rest.close()
