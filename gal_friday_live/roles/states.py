"""What roles tell each other besides plans and executions: a halt and its end, and money that came or went."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from gal_friday_core.account import Flow
from gal_friday_core.errors import ContractError
from gal_friday_core.journal import JournalLine
from gal_friday_core.payloads import SystemStateChange
from gal_friday_core.portfolio_records import CASH_FLOW
from gal_friday_core.strands.strands import STATE, DmStrand, Strand, TrStrand
from gal_friday_live.halt import KIND as SYSTEM_STATE
from gal_friday_live.journal_writer import SessionJournal
from gal_friday_live.portfolio_manager import PortfolioManager
from gal_friday_live.trading_gate import TradingGate

BLOCKS: Final[Mapping[str, str]] = {"dm": "DECISION_HALTED", "trader": "TRADER_HALTED"}
"""The code under which another role's halt stands in the gate."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A journal line of another role: `kind` and `key` as there, `by` the module that wrote it."""

    by: str
    kind: str
    key: str
    ts_ns: int
    record: Mapping[str, Any]


def dm_state(line: JournalLine, tags: tuple[str, ...]) -> DmStrand:
    """What the decision maker's journal says, for the others."""
    return DmStrand(kind=STATE, tags=tags, dm_decision=_told(line, "dm"))


def trader_state(line: JournalLine, tags: tuple[str, ...]) -> TrStrand:
    """What the trader's journal says, for the others."""
    return TrStrand(kind=STATE, tags=tags, tr_outcome=_told(line, "trader"))


def state_of(strand: Strand) -> State:
    """Raises ContractError for a strand that tells of none."""
    said = getattr(strand, "dm_decision", None) or getattr(strand, "tr_outcome", None)
    if strand.kind != STATE or said is None:
        raise ContractError(f"strand {strand.id} is {strand.kind!r} and tells of no state")
    return msgspec.convert(said, State)


def heed(gate: TradingGate, state: State) -> None:
    """Keep entries back while another role is halted: its own halt stays its own, and only it is resumed."""
    if state.kind != SYSTEM_STATE:
        return
    told = state.record["state"]
    if told == "RUNNING":
        gate.clear(BLOCKS[state.by])
    else:
        gate.block(BLOCKS[state.by], f"{told}: {state.record['reason']}")


async def heed_last(gate: TradingGate, by: str, journal: SessionJournal) -> None:
    """Whether the role that writes this journal is halted: who begins anew has heard of nothing yet."""
    last: JournalLine | None = None
    async for line in journal.lines((SYSTEM_STATE,)):
        last = line
    if last is not None:
        record = msgspec.json.decode(last.record)
        heed(gate, State(by=by, kind=last.kind, key=last.key, ts_ns=last.ts_ns, record=record))


def change_of(state: State) -> SystemStateChange | None:
    """Another role's change as the bus tells it, for who sells or cancels on it."""
    if state.kind != SYSTEM_STATE:
        return None
    return SystemStateChange(
        new_state=state.record["state"], reason=f"{state.by}: {state.record['reason']}",
        halt_action=state.record.get("halt_action"),
    )  # fmt: skip


def book_flow(portfolio: PortfolioManager, state: State) -> None:
    """Money that came or went, into the mirror's books; what opened the account opens the mirror's."""
    if state.kind != CASH_FLOW:
        return
    record, funds = state.record, portfolio.funds
    if "opening" in record:
        funds.open({asset: Decimal(amount) for asset, amount in record["opening"].items()}, state.ts_ns)
        return
    funds.book(
        Flow(
            flow_id=state.key, kind=record["kind"], asset=record["asset"], amount=Decimal(record["amount"]),
            timestamp=state.ts_ns,
        )
    )  # fmt: skip


def _told(line: JournalLine, by: str) -> Mapping[str, Any]:
    state = State(
        by=by, kind=line.kind, key=line.key, ts_ns=line.ts_ns, record=msgspec.json.decode(line.record)
    )
    told: Mapping[str, Any] = msgspec.to_builtins(state)
    return told
