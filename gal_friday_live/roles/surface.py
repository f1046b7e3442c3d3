"""What a role is given besides its ports: its seat, and stand-ins for what it has not."""

from dataclasses import dataclass

from gal_friday_adapters.postgres.journal_within import JournalWithin
from gal_friday_core.payloads import MarketDataOHLCV
from gal_friday_core.strands.tags import Module
from gal_friday_live.ids import derived
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.roles.journals import MirrorJournal


class Bystander:
    """Sees the market in place of an exchange, and does nothing."""

    async def on_candle(self, candle: MarketDataOHLCV) -> None:
        """Nobody trades here."""


def session_of(account: str, module: Module, name: str) -> str:
    """Of a role's journal and lease: the trader's is the account's own; `name` tells alphas apart."""
    return account if module == "trader" else derived("session", account, module, name)


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Whose a role is: `within` writes into its own session, `account_journal` reads the account's, which is the
    trader's, `decision_journal` the decision maker's. `name` tells alphas apart.
    """

    name: str
    within: JournalWithin
    account_journal: SessionJournal
    decision_journal: SessionJournal

    def mirrored(self, own: SessionJournal) -> SessionJournal:
        """Writes into the role's own session, and reads the account's past."""
        return MirrorJournal(own, self.account_journal)
