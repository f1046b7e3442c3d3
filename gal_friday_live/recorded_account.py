"""An account as its journal tells it, where no engine runs that could be asked: orders, positions, what was halted.

It is made again as an engine makes it at its start, from a journal that is only read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from gal_friday_adapters import paths
from gal_friday_adapters.halt_page import HaltPage
from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.lease import lock_of
from gal_friday_adapters.postgres.session_records import Row, SessionRecords
from gal_friday_core.blotter import Blotter
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.simulated_exchange import SimulatedExchange
from gal_friday_core.times import to_iso
from gal_friday_live.bus import PubSubManager
from gal_friday_live.clock import SimulatedClock
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.engine_view import figures_of, orders_of, positions_of
from gal_friday_live.halt import HaltCoordinator
from gal_friday_live.ids import random_ids
from gal_friday_live.journal_writer import JournalWriter
from gal_friday_live.memory_journal import MemoryJournal
from gal_friday_live.order_recovery import recover_orders
from gal_friday_live.paper_exchange import PaperExchange
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.risk_view import recorded_risk
from gal_friday_live.tasks import TaskSupervisor

MOST_NAMED = 20


class RecordedAccount:
    """One session as it was when it wrote last. `found` reads it; `about` says whose it is and how old that is."""

    def __init__(
        self,
        about: Mapping[str, Any],
        config: Config,
        portfolio: PortfolioManager,
        blotter: Blotter,
        halt: HaltCoordinator,
    ) -> None:
        self.about = about
        self._config = config
        self._portfolio = portfolio
        self._blotter = blotter
        self._halt = halt

    @classmethod
    async def found(
        cls, database: Database, config: ConfigurationManager, session: str | None
    ) -> Self | None:
        """The session whose id begins so, or the one that wrote last; None in a journal without any.

        Raises ConfigError for an id that no session or more than one has, StorageError where the journal cannot
        be read.
        """
        records = SessionRecords(database)
        rows = await records.written()
        if not rows and session is None:
            return None
        row = _chosen(rows, session)
        about = {
            **_about(row),
            "held_by": await records.holder(row["session"], lock_of(row["session"])),
            "other_sessions": [_about(other) for other in rows if other is not row][:MOST_NAMED],
        }
        return cls(about, config.config, *await _read(database, config, row))

    def status(self) -> dict[str, Any]:
        halt, blotter = self._halt, self._blotter
        return {
            **self.about,
            "trading": halt.state,
            "halted": halt.halted,
            "halt_reason": halt.reason,
            "open_orders": len(blotter.open()),
            "unknown_orders": [record.order.client_order_id for record in blotter.unanswered()],
            **figures_of(self._portfolio.state()),
        }

    def positions(self) -> dict[str, Any]:
        return {**self.about, **positions_of(self._portfolio, self._blotter)}

    def orders(self, *, ended: bool) -> dict[str, Any]:
        return {**self.about, "orders": orders_of(self._blotter, ended=ended)}

    def risk(self, pairs: Sequence[str]) -> dict[str, Any]:
        """How close it was to the limits that the configuration names today; `pairs` are those that it traded."""
        found = recorded_risk(self._portfolio.state(), self._blotter, self._config, pairs)
        return {**self.about, **found}


def _chosen(rows: Sequence[Row], session: str | None) -> Row:
    matching = [row for row in rows if session is None or row["session"].startswith(session.lower())]
    if session is None or len(matching) == 1:
        return matching[0]
    known = ", ".join(f"{row['session']} ({_named(row)})" for row in (matching or rows)[:MOST_NAMED])
    said = "more than one session begins so" if matching else "no such session in the journal"
    raise ConfigError(f"--session {session}: {said}: {known or 'there is none'}")


def _named(row: Row) -> str:
    run = row["run"] or {}
    return " ".join(str(word) for word in (row["mode"], run.get("venue"), run.get("account")) if word)


def _about(row: Row) -> dict[str, Any]:
    run = row["run"] or {}
    return {
        "running": False,
        "as_of": to_iso(row["last_ns"]),
        "session": row["session"],
        "mode": row["mode"],
        "venue": run.get("venue"),
        "account": run.get("account"),
        "series": run.get("series"),
        "code_version": run.get("code_version"),
    }


async def _read(
    database: Database, config: ConfigurationManager, row: Row
) -> tuple[PortfolioManager, Blotter, HaltCoordinator]:
    """Books, orders and halt of a session. What an engine would write while it starts goes nowhere."""
    session, clock, ids, tasks = (
        row["session"],
        SimulatedClock(row["last_ns"]),
        random_ids(),
        TaskSupervisor(),
    )
    journal = PostgresJournal(database, session, clock)
    writer = JournalWriter(MemoryJournal(), tasks)
    quote = row["quote"] or config.config.market.pairs[0].partition("/")[2]
    portfolio = PortfolioManager(
        config, PubSubManager(clock, ids), quote=quote, clock=clock, journal=journal, writer=writer,
        exchange=PaperExchange(SimulatedExchange([], {}, config.config.costs), clock),
    )  # fmt: skip
    blotter = Blotter()
    await portfolio.restore()
    await recover_orders(journal, blotter=blotter)
    halt = HaltCoordinator(clock, ids, writer, page=HaltPage(paths.halt_page(session, config.config)))
    await halt.recall(journal)
    await tasks.settle()
    return portfolio, blotter, halt
