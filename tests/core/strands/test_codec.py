"""What goes through a strand comes back as it was."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import ContractError
from gal_friday_core.payloads import (
    ExecutionReport,
    PredictionGenerated,
    TradeSignalApproved,
    TradeSignalProposed,
    TradeSignalRejected,
)
from gal_friday_core.strands.codec import (
    approved_of,
    decision_strand,
    execution_plan_strand,
    execution_strand,
    plan_strand,
    proposed_of,
    report_of,
    verdict_of,
)
from gal_friday_core.strands.strands import AdStrand, TrStrand

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
times = st.integers(0, 2**62)
money = st.decimals(-(10**9), 10**9, allow_nan=False, places=10)
sides = st.sampled_from(["BUY", "SELL"])
kinds = st.sampled_from(["MARKET", "LIMIT"])
maybe_money = st.none() | money
shares = st.floats(0, 1)

predictions = st.builds(
    PredictionGenerated, trading_pair=texts, exchange=texts, timestamp_prediction_for=times, model_id=texts,
    prediction_target=texts, prediction_value=shares, confidence=st.none() | shares, associated_features=st.none(),
    reference_price=maybe_money,
)  # fmt: skip
proposals = st.builds(
    TradeSignalProposed, trading_pair=texts, exchange=texts, signal_id=texts, side=sides, entry_type=kinds,
    strategy_id=texts, reference_price=money, data_timestamp=times, expires_at=times, proposed_entry_price=maybe_money,
    proposed_sl_price=maybe_money, proposed_tp_price=maybe_money, triggering_prediction=st.none() | predictions,
)  # fmt: skip
approvals = st.builds(
    TradeSignalApproved, signal_id=texts, trading_pair=texts, exchange=texts, side=sides, order_type=kinds,
    quantity=money, risk_parameters=st.dictionaries(texts, texts | st.booleans() | st.integers(-(2**40), 2**40), max_size=3),
    reference_price=money, data_timestamp=times, expires_at=times, limit_price=maybe_money, sl_price=maybe_money,
    tp_price=maybe_money,
)  # fmt: skip
refusals = st.builds(
    TradeSignalRejected, signal_id=texts, trading_pair=texts, exchange=texts, side=sides, reason=texts,
    details=st.dictionaries(texts, texts, max_size=3),
)  # fmt: skip
reports = st.builds(
    ExecutionReport, signal_id=texts, client_order_id=texts, trading_pair=texts, exchange=texts,
    order_status=st.sampled_from(["NEW", "FILLED", "UNKNOWN", "REJECTED"]), order_type=st.just("MARKET"), side=sides,
    quantity_ordered=money, quantity_filled=money, timestamp_exchange=times, exchange_order_id=st.none() | texts,
    average_fill_price=maybe_money, limit_price=maybe_money, stop_price=maybe_money, commission=maybe_money,
    commission_asset=st.none() | texts, error_message=st.none() | texts, execution_id=st.none() | texts,
    last_quantity=maybe_money, last_price=maybe_money, last_cost=maybe_money,
)  # fmt: skip
PLAN = AdStrand(kind="signal", id="a", timeframe="1m", module_intelligence={"model": "m@v1"})


def stored(strand):
    """As it comes back from columns of JSON."""
    return msgspec.convert(json.loads(msgspec.json.encode(strand)), type(strand), strict=False)


def same(one, other):
    """Equal, and equal to the digit: Decimals that only compare equal would not do."""
    return one == other and repr(one) == repr(other)


@given(proposals)
def test_a_proposal_comes_back_from_its_plan(proposed):
    strand = stored(plan_strand(proposed, ("dm:evaluate_plan",), timeframe="1m", provenance={"code": "c"}))
    assert same(proposed_of(strand), proposed)
    assert (strand.symbol, strand.sig_direction) == (proposed.trading_pair, proposed.side)


@given(approvals | refusals)
def test_a_verdict_comes_back_from_its_decision(verdict):
    strand = stored(decision_strand(verdict, (), PLAN))
    assert same(verdict_of(strand), verdict)
    assert strand.dm_alpha == {"model": "m@v1"}


@given(approvals)
def test_an_approval_comes_back_from_what_the_trader_is_told(approved):
    strand = stored(execution_plan_strand(approved, (), PLAN))
    assert same(approved_of(strand), approved)
    assert Decimal(strand.dm_budget["quantity"]) == approved.quantity


@given(reports)
def test_a_report_comes_back_from_its_execution(report):
    strand = stored(execution_strand(report, (), latency={"send_ms": 1.5}))
    assert same(report_of(strand), report)
    assert (strand.tr_fills is None) == (report.execution_id is None)


def test_a_strand_of_another_kind_is_refused_by_its_name():
    with pytest.raises(ContractError, match="strand a is alpha 'signal', not 'execution'"):
        report_of(PLAN)
    with pytest.raises(ContractError, match="the strand's trading_plan is empty"):
        proposed_of(PLAN)
    with pytest.raises(ContractError, match=r"EXECUTION_REPORT: .*side"):
        report_of(TrStrand(kind="execution", tr_execution={"side": "HOLD"}))
