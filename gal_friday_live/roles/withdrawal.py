"""What an alpha takes back when it stops or is halted: entries that wait in its pairs.

It asks the decision maker, who tells the trader: an alpha never commands the trader. Since no pair is two alphas', nobody
else's entries are meant.
"""

import msgspec

from gal_friday_core.errors import ContractError
from gal_friday_core.strands.strands import WITHDRAWAL, AdStrand, DmStrand, Strand


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """Entries in these pairs are to be cancelled, and why; protection and exits stay."""

    pairs: tuple[str, ...]
    why: str


def asked(withdrawal: Withdrawal, tags: tuple[str, ...]) -> AdStrand:
    """The alpha's word, for the decision maker."""
    return AdStrand(kind=WITHDRAWAL, tags=tags, trading_plan=msgspec.to_builtins(withdrawal))


def passed_on(withdrawal: Withdrawal, tags: tuple[str, ...]) -> DmStrand:
    """The decision maker's, for the trader."""
    return DmStrand(kind=WITHDRAWAL, tags=tags, dm_decision=msgspec.to_builtins(withdrawal))


def withdrawal_of(strand: Strand) -> Withdrawal:
    """Raises ContractError for a strand that withdraws nothing."""
    said = strand.trading_plan if isinstance(strand, AdStrand) else getattr(strand, "dm_decision", None)
    if strand.kind != WITHDRAWAL or said is None:
        raise ContractError(f"strand {strand.id} is {strand.kind!r} and withdraws nothing")
    try:
        return msgspec.convert(said, Withdrawal)
    except msgspec.ValidationError as error:
        raise ContractError(f"strand {strand.id}: {error}") from None
