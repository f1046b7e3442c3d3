"""Whose trades a page is about: the running engine's account, else the last that wrote, or the one asked for.

Where no engine runs, or another account is looked at, its state is made again from the journal, once for each line that is
new in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.session_records import Row, SessionRecords
from gal_friday_adapters.postgres.trading_history import TradingHistory
from gal_friday_core.candles import Series
from gal_friday_live.dashboard.figures import at
from gal_friday_live.dashboard.one_account import ALPHA, CALLED, DECISION
from gal_friday_live.dashboard.view import View
from gal_friday_live.recorded_account import RecordedAccount

UUID_DIGITS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One session of the journal. `running`: the engine that answers now is this one's."""

    session: str
    mode: str
    venue: str
    name: str
    series: tuple[str, ...]
    quote: str
    last_ns: int
    running: bool
    override: str = ""
    """The model that it was told to trade although nobody promoted it, and why."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Of a split engine, the sessions of its decision maker and alphas, each with what it is called."""

    @property
    def sessions(self) -> list[str]:
        """All that tell of the account: its own, which is the trader's or a whole engine's, and those of the other roles."""
        return [self.session, *self.roles]

    def called(self, session: str) -> str:
        """Which role of a split engine a session is; empty where there is but one engine."""
        return self.roles.get(session, "trader") if self.roles else ""

    @property
    def title(self) -> str:
        """As people call it; a simulated exchange names itself by a number that says nothing."""
        venue = "simulated exchange" if len(self.venue) == UUID_DIGITS else self.venue
        return " · ".join(word for word in (self.mode, venue, self.name) if word)


async def accounts(view: View, database: Database) -> list[Account]:
    """Every session that has money, the last to write first."""
    live = running_session(view)
    records = SessionRecords(database)
    rows, roles = await records.written(), await records.roles()
    return [_account(row, live, roles) for row in rows if row["quote"] or row["session"] == live]


def chosen(view: View, found: Sequence[Account]) -> Account | None:
    """The one that the address names, else the running one, else the last to write; None where there is none."""
    wanted = view.query.get("session", "")
    named = next((one for one in found if wanted and one.session.startswith(wanted)), None)
    running = next((one for one in found if one.running), None)
    return named or running or (found[0] if found else None)


async def series_of(history: TradingHistory, account: Account) -> list[Series]:
    """What the account trades, as its run told, else as its bars do: not every way to start an engine tells."""
    return [Series.parse(key) for key in account.series] or await history.series(account.sessions)


def running_session(view: View) -> str | None:
    """The session of the engine that answers now."""
    return str(at(view.reading.metrics, "engine.session") or "") or None if view.reading.live else None


def _account(row: Row, live: str | None, roles: Sequence[Row]) -> Account:
    run: Mapping[str, Any] = row["run"] or {}
    override: Mapping[str, Any] = row["model_override"] or run.get("override") or {}
    return Account(
        session=row["session"], mode=row["mode"], venue=run.get("venue") or "", name=run.get("account") or "",
        series=tuple(run.get("series") or ()), quote=row["quote"] or "", last_ns=row["last_ns"],
        running=row["session"] == live,
        override=f"{override['model_id']}: {override['reason']}" if override else "",
        roles={one["session"]: _called(one) for one in roles if one["account"] == row["session"]},
    )  # fmt: skip


def _called(role: Row) -> str:
    if role["mode"].endswith("-dm"):
        return CALLED[DECISION]
    return CALLED[ALPHA] if role["name"] in (None, ALPHA) else f"{CALLED[ALPHA]} {role['name']}"


class RecordedAccounts:
    """Accounts as their journals tell them, the last few kept until something new is written."""

    KEPT = 4

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], RecordedAccount] = {}

    async def of(self, view: View, database: Database, account: Account) -> RecordedAccount | None:
        """Raises StorageError where the journal cannot be read."""
        key = (account.session, account.last_ns)
        found = self._kept.get(key)
        if found is None:
            found = await RecordedAccount.found(database, view.manager, account.session)
            if found is not None:
                self._kept = dict([*self._kept.items(), (key, found)][-self.KEPT :])
        return found


RECORDED = RecordedAccounts()
"""Of this process."""
