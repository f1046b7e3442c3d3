"""What became of plans, read from the rows that modules wrote."""

from math import isnan

import pytest

from gal_friday_core.strands.feedback import Feedback, decision_of, execution_of, slippage_bps

SECOND_NS = 10**9
PLAN = {
    "id": "p1", "tags": ["dm:evaluate_plan", "account:desk", "from:btc"],
    "trading_plan": {"signal_id": "s1", "side": "BUY", "reference_price": "100.0"},
    "signal_pack": {"model_id": "m@v1", "prediction_value": 0.7},
}  # fmt: skip
APPROVED = {"dm_decision": {"verdict": "approved", "quantity": "0.5"}}
REFUSED = {"dm_decision": {"verdict": "refused", "reason": "EXCEEDS_MAX_EXPOSURE"}}


def judged(verdict, *, name="p1", tags=()):
    plan = {**PLAN, "id": name, "tags": [*PLAN["tags"], *tags]}
    decided = None if verdict is None else 2 * SECOND_NS
    return decision_of({"plan": plan, "verdict": verdict, "planned_ns": SECOND_NS, "decided_ns": decided})


def reported(plan="p1", **told):
    report = {
        "signal_id": "s1", "client_order_id": "o1", "side": "BUY", "order_type": "MARKET", "order_status": "FILLED",
        "execution_id": "x1", "last_quantity": "0.5", "last_price": "100.2", "quantity_ordered": "0.5", **told,
    }  # fmt: skip
    tags = ["alpha:execution_feedback", "account:desk", f"original_strand:{plan}"]
    return execution_of(
        {
            "report": {"tags": tags, "tr_execution": report}, "plan": PLAN, "planned_ns": SECOND_NS,
            "decided_ns": 2 * SECOND_NS, "reported_ns": 4 * SECOND_NS, "exchange_ns": 3 * SECOND_NS,
        }
    )  # fmt: skip


def test_a_plan_is_told_with_its_verdict_and_how_long_that_took():
    one = judged(APPROVED)
    assert (one.verdict, one.quantity, one.model_id, one.account, one.alpha) == (
        "approved", "0.5", "m@v1", "desk", "btc",
    )  # fmt: skip
    assert one.waited_ms == 1_000.0
    assert judged(REFUSED).code == "EXCEEDS_MAX_EXPOSURE"


@pytest.mark.parametrize(
    ("tags", "verdict"),
    [((), "open"), (("error:expired",), "expired"), (("error:processing_failed",), "failed")],
)
def test_a_plan_without_a_verdict_says_why_there_is_none(tags, verdict):
    one = judged(None, tags=tags)
    assert (one.verdict, one.decided_ns) == (verdict, -1)
    assert isnan(one.waited_ms)


def test_a_plan_that_nobody_could_read_is_told_of_all_the_same():
    row = {
        "plan": {"id": "p9", "tags": [], "trading_plan": None},
        "verdict": None,
        "planned_ns": 1,
        "decided_ns": None,
    }
    assert (decision_of(row).plan, decision_of(row).signal_id) == ("p9", "")


def test_slippage_is_against_the_plan_for_its_entry_and_against_the_order_for_the_rest():
    assert reported().slippage_bps == pytest.approx(20.0)
    assert reported(side="SELL", stop_price="99.0", last_price="98.01").slippage_bps == pytest.approx(100.0)
    assert reported(side="SELL", limit_price="99.0", last_price="99.99").slippage_bps == pytest.approx(-100.0)
    assert isnan(reported(side="SELL").slippage_bps)
    assert isnan(slippage_bps({"side": "BUY", "last_price": ""}, {"side": "BUY", "reference_price": "1"}))


def test_latency_of_a_report_counts_from_its_plan():
    one = reported()
    assert (one.decided_ms, one.reported_ms, one.plan) == (1_000.0, 3_000.0, "p1")


def test_a_report_that_is_no_fill_costs_nothing():
    one = reported(execution_id=None, order_status="CANCELLED")
    assert isnan(one.slippage_bps)
    assert (one.execution_id, one.quantity) == ("", "0.5")


def test_shares_count_answered_plans_and_each_filled_plan_once():
    plans = [
        judged(APPROVED),
        judged(REFUSED, name="p2"),
        judged(None, name="p3"),
        judged(None, name="p4", tags=["error:expired"]),
    ]
    fills = [reported(), reported(execution_id="x2", last_price="100.4"), reported(plan="p3")]
    found = Feedback.of(plans, fills)
    assert (found.plans, found.refused, found.filled) == (3, 2, 1)
    assert found.codes == {"EXCEEDS_MAX_EXPOSURE": 1, "expired": 1}
    assert (found.refused_share, found.filled_share) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert found.slippage_bps == pytest.approx(30.0)


def test_of_no_plans_there_are_no_shares():
    found = Feedback.of([], [reported()])
    assert (found.plans, found.refused_share, found.filled_share, found.slippage_bps) == (0, None, None, None)
