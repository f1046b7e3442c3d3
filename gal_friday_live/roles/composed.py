"""A role put together from a stage: which ports each has, and who writes its strands."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gal_friday_adapters.postgres.database import Database
from gal_friday_adapters.postgres.journal import PostgresJournal
from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_adapters.postgres.lease import AccountLease
from gal_friday_adapters.strands.communicator import DirectTableCommunicator
from gal_friday_core.ports import Exchange
from gal_friday_core.strands.strands import EXECUTION_PLAN, DmStrand
from gal_friday_core.strands.tags import EXECUTE_PLAN, Module
from gal_friday_live.engine_ports import Ports
from gal_friday_live.experiment_traffic import ExperimentTraffic
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.live_engine import surroundings, terms_of
from gal_friday_live.live_request import LiveRequest
from gal_friday_live.model_registry import ModelRegistry
from gal_friday_live.prediction_service import ModelOverride
from gal_friday_live.roles.alpha import Alpha
from gal_friday_live.roles.cleaning import clean_by_the_clock
from gal_friday_live.roles.decision import Decision
from gal_friday_live.roles.forwarder import Forwarder
from gal_friday_live.roles.journals import WatchedJournal
from gal_friday_live.roles.role import Role
from gal_friday_live.roles.surface import Seat, session_of
from gal_friday_live.roles.telling import Telling
from gal_friday_live.roles.trader import Trader
from gal_friday_live.stage import Stage

RECENT_COMMANDS = 500
"""Orders to the trader that are looked through at a start: older ones have long begun, or expired."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which role of which account this is, and what it holds there. `account` is the trader's session."""

    module: Module
    name: str
    account: str
    journal: PostgresJournal
    database: Database
    lease: AccountLease
    within: JournalWithin
    code_version: str


class RecentCommands:
    """The newest orders to the account's trader."""

    def __init__(self, strands: DirectTableCommunicator, account: str) -> None:
        self._strands = strands
        self._account = account

    async def unanswered(self) -> Sequence[DmStrand]:
        """Whoever asks leaves out those of which an order is known."""
        tags = (EXECUTE_PLAN, f"account:{self._account}")
        found = await self._strands.read_recent_by_tags("dm_strands", tags, RECENT_COMMANDS)
        return [strand for strand in found if isinstance(strand, DmStrand) and strand.kind == EXECUTION_PLAN]


async def composed(place: Place, request: LiveRequest, stage: Stage) -> Role:
    """The role, not yet started. Raises ConfigError where it would trade real money on terms for paper."""
    models = ModelRegistry(stage.manager, place.database)
    strands = DirectTableCommunicator(place.database, place.module)
    telling = Telling(account=place.account, speed=stage.speed)
    config = stage.manager
    decision_journal = PostgresJournal(place.database, session_of(place.account, "dm", "dm"), stage.clock)
    if place.module == "trader":
        watched = WatchedJournal(place.journal)
        trader = Trader(
            config, _ports(place, stage, models, watched, exchange=stage.exchange), watched, telling,
            decision_journal=decision_journal,
        )  # fmt: skip
        return _telling(place, trader, watched, trader.told, trader)
    seat = Seat(
        name=place.name, within=place.within, decision_journal=decision_journal,
        account_journal=PostgresJournal(place.database, place.account, stage.clock),
    )  # fmt: skip
    if place.module == "dm":
        watched = WatchedJournal(place.journal)
        plans = RecentCommands(strands, place.account)
        decision = Decision(
            config, _ports(place, stage, models, watched), seat, telling, plans=plans, registry=models
        )
        decision.tells(partial(clean_by_the_clock, strands, config.config.module_communication.cleanup))
        return _telling(place, decision, watched, decision.told, decision)
    override = await terms_of(request, models)
    ports = _ports(place, stage, models, place.journal, override=override)
    return Alpha(config, ports, seat, telling, strands)


def _telling(
    place: Place, role: Role, watched: WatchedJournal, kinds: Sequence[str], teller: Trader | Decision
) -> Role:
    """Let the role's journal be told to the others as long as it runs."""
    forwarder = Forwarder(
        place.database,
        place.module,
        journal=place.within,
        kinds=kinds,
        tell=teller.tell,
    )
    watched.on_append(forwarder.hint)
    role.tells(forwarder.run)
    return role


def _ports(
    place: Place,
    stage: Stage,
    models: ModelRegistry,
    journal: SessionJournal,
    *,
    exchange: Exchange | None = None,
    override: ModelOverride | None = None,
) -> Ports:
    traffic = ExperimentTraffic(place.database, models, real_money=not stage.simulated)
    around = surroundings(stage, place.database, place.lease, place.within.session)
    return Ports(
        series=stage.series, instruments=stage.instruments, clock=stage.clock, feed=stage.feed, models=models,
        journal=journal, exchange=exchange, history=stage.history, historical=stage.historical, override=override,
        simulated=stage.simulated, surroundings=around, experiments=traffic if place.module == "alpha" else None,
        health_every_s=stage.manager.config.monitoring.every_s, code_version=place.code_version,
    )  # fmt: skip
