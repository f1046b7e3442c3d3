"""Between the engine's events and strands, with nothing lost: the JSON columns hold the contract's own form.

Plan ↔ TRADE_SIGNAL_PROPOSED, verdict and order to the trader ↔ TRADE_SIGNAL_APPROVED and TRADE_SIGNAL_REJECTED,
execution ↔ EXECUTION_REPORT. Tags are the writer's business. Everything raises ContractError for a strand that is
not of the kind asked for, naming the field.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from gal_friday_core.errors import ContractError
from gal_friday_core.events import decode, payload_dict
from gal_friday_core.money import value_of
from gal_friday_core.payloads import (
    ExecutionReport,
    Payload,
    PredictionGenerated,
    TradeSignalApproved,
    TradeSignalProposed,
    TradeSignalRejected,
)
from gal_friday_core.strands.strands import (
    DECISION,
    EXECUTION,
    EXECUTION_PLAN,
    SIGNAL,
    AdStrand,
    DmStrand,
    Json,
    Strand,
    TrStrand,
)

APPROVED, REFUSED = "approved", "refused"
_PREDICTION = "triggering_prediction"

Verdict = TradeSignalApproved | TradeSignalRejected
S = TypeVar("S", bound=Strand)
P = TypeVar("P", bound=Payload)


def plan_strand(
    proposed: TradeSignalProposed, tags: tuple[str, ...], *, timeframe: str, provenance: Json | None = None
) -> AdStrand:
    """A proposal as a plan. `provenance`: model, data and code that it came from, for the order's lineage."""
    prediction = proposed.triggering_prediction
    plan = payload_dict(proposed)
    pack = plan.pop(_PREDICTION)
    return AdStrand(
        kind=SIGNAL,
        tags=tags,
        symbol=proposed.trading_pair,
        timeframe=timeframe,
        sig_confidence=None if prediction is None else _confidence(prediction),
        sig_direction=proposed.side,
        trading_plan=plan,
        signal_pack=pack,
        module_intelligence=provenance,
    )


def proposed_of(strand: Strand) -> TradeSignalProposed:
    """The proposal in a plan."""
    strand = _wanted(strand, AdStrand, SIGNAL)
    plan = {**_filled(strand.trading_plan, "trading_plan"), _PREDICTION: strand.signal_pack}
    return _decoded("TRADE_SIGNAL_PROPOSED", plan, TradeSignalProposed)


def decision_strand(verdict: Verdict, tags: tuple[str, ...], plan: AdStrand) -> DmStrand:
    """What was decided about a plan: approved with its budget, or refused with a code and the numbers behind it."""
    approved = isinstance(verdict, TradeSignalApproved)
    said = {"verdict": APPROVED if approved else REFUSED, "verdict_of": plan.id, **payload_dict(verdict)}
    return _dm_strand(DECISION, verdict, said, tags, plan)


def execution_plan_strand(approved: TradeSignalApproved, tags: tuple[str, ...], plan: AdStrand) -> DmStrand:
    """What the trader shall do: an approval, on its own row, with the provenance of the plan."""
    return _dm_strand(EXECUTION_PLAN, approved, payload_dict(approved), tags, plan)


def verdict_of(strand: Strand) -> Verdict:
    """What was decided."""
    strand = _wanted(strand, DmStrand, DECISION)
    said = dict(_filled(strand.dm_decision, "dm_decision"))
    said.pop("verdict_of", None)
    verdict = said.pop("verdict", None)
    if verdict == APPROVED:
        return _decoded("TRADE_SIGNAL_APPROVED", said, TradeSignalApproved)
    if verdict == REFUSED:
        return _decoded("TRADE_SIGNAL_REJECTED", said, TradeSignalRejected)
    raise ContractError(
        f"{strand.id or 'dm strand'}: dm_decision.verdict is {verdict!r}, not {APPROVED} or {REFUSED}"
    )


def approved_of(strand: Strand) -> TradeSignalApproved:
    """What the trader shall do."""
    strand = _wanted(strand, DmStrand, EXECUTION_PLAN)
    return _decoded("TRADE_SIGNAL_APPROVED", _filled(strand.dm_decision, "dm_decision"), TradeSignalApproved)


def execution_strand(
    report: ExecutionReport,
    tags: tuple[str, ...],
    *,
    timeframe: str | None = None,
    slippage: Json | None = None,
    latency: Json | None = None,
) -> TrStrand:
    """A report as feedback. `slippage` and `latency` are what the trader measured, for those who learn from it."""
    said = payload_dict(report)
    fill = report.execution_id is not None
    return TrStrand(
        kind=EXECUTION,
        tags=tags,
        symbol=report.trading_pair,
        timeframe=timeframe,
        tr_execution=said,
        tr_outcome={"order_status": report.order_status, "quantity_filled": said["quantity_filled"]},
        tr_slippage=slippage,
        tr_latency=latency,
        tr_fills={name: said[name] for name in _FILL} if fill else None,
    )


_FILL = ("execution_id", "last_quantity", "last_price", "last_cost", "commission", "commission_asset")


def report_of(strand: Strand) -> ExecutionReport:
    """The report in an execution."""
    strand = _wanted(strand, TrStrand, EXECUTION)
    return _decoded("EXECUTION_REPORT", _filled(strand.tr_execution, "tr_execution"), ExecutionReport)


def _dm_strand(
    kind: str, verdict: Verdict, said: dict[str, Any], tags: tuple[str, ...], plan: AdStrand
) -> DmStrand:
    approved = isinstance(verdict, TradeSignalApproved)
    return DmStrand(
        kind=kind,
        tags=tags,
        symbol=verdict.trading_pair,
        timeframe=plan.timeframe,
        session_bucket=plan.session_bucket,
        regime=plan.regime,
        dm_alpha=plan.module_intelligence,
        dm_budget=_budget(verdict) if approved else None,
        dm_decision=said,
        risk_metrics=said["risk_parameters"] if approved else said["details"],
    )


def _budget(approved: Verdict) -> dict[str, str]:
    """What may be spent: base units, and their value at the reference price in quote currency."""
    assert isinstance(approved, TradeSignalApproved)
    value = value_of(approved.quantity, approved.reference_price)
    return {"quantity": str(approved.quantity), "value": str(value)}


def _confidence(prediction: PredictionGenerated) -> float:
    return prediction.prediction_value if prediction.confidence is None else prediction.confidence


def _wanted(strand: Strand, kind: type[S], named: str) -> S:
    if not isinstance(strand, kind) or strand.kind != named:
        raise ContractError(
            f"strand {strand.id or '(not written)'} is {strand.module} {strand.kind!r}, not {named!r}"
        )
    return strand


def _filled(column: Json | None, name: str) -> Mapping[str, Any]:
    if column is None:
        raise ContractError(f"the strand's {name} is empty")
    return column


def _decoded(event_type: str, said: Mapping[str, Any], wanted: type[P]) -> P:
    payload = decode(event_type, said)
    assert isinstance(payload, wanted)
    return payload
