"""What became of plans, told for learning: one row a plan with its verdict, one row a report of its orders.

Entry points: `decision_of`, `execution_of`, `Feedback.of`. Rows are read leniently: a plan that nobody could read is
told of as well. Amounts stay the digits that were written.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import numpy as np

from gal_friday_core.live_records import UNNOTED
from gal_friday_core.strands.codec import APPROVED, REFUSED
from gal_friday_core.strands.tags import EXPIRED, PROCESSING_FAILED, Tags

OPEN, UNANSWERED, FAILED = "open", "expired", "failed"
"""Verdicts of plans without one: not answered yet, too late, and impossible to handle."""
MILLISECOND_NS = 1_000_000
BASIS_POINT = 10_000

Row = Mapping[str, Any]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One plan of an alpha and its verdict. `code` says why it was refused, `waited_ms` until the verdict was written.

    Times are the database server's, nanoseconds, `UNNOTED` where there is none yet; `probability` NaN where no model
    predicted.
    """

    plan: str
    account: str
    alpha: str
    signal_id: str
    model_id: str
    side: str
    probability: float
    reference_price: str
    verdict: str
    code: str
    quantity: str
    planned_ns: int
    decided_ns: int
    waited_ms: float


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One report of an order that goes back to a plan. A fill has an `execution_id`, and what it cost.

    `slippage_bps`: basis points that the fill was worse than the price of the plan, or than the order's own limit or
    trigger where it is not the plan's entry; negative where it was better, NaN for what is no fill. `decided_ms` from
    plan to verdict, `reported_ms` from plan to report, NaN where one of them is unknown.
    """

    plan: str
    account: str
    signal_id: str
    model_id: str
    client_order_id: str
    side: str
    order_type: str
    status: str
    execution_id: str
    quantity: str
    price: str
    fee: str
    fee_asset: str
    slippage_bps: float
    planned_ns: int
    reported_ns: int
    exchange_ns: int
    decided_ms: float
    reported_ms: float


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of plans in [0, 1]; `codes` counts refusals; `slippage_bps` the mean of fills. None where nothing counts."""

    plans: int
    refused: int
    filled: int
    codes: dict[str, int]
    refused_share: float | None
    filled_share: float | None
    slippage_bps: float | None

    @classmethod
    def of(cls, decisions: Iterable[Decision], executions: Iterable[Execution]) -> "Feedback":
        """Of plans that have an answer; a plan counts as filled once, however many fills it had."""
        answered = [one for one in decisions if one.verdict != OPEN]
        refused = [one for one in answered if one.verdict != APPROVED]
        known = {one.plan for one in answered}
        fills = [one for one in executions if one.execution_id and one.plan in known]
        slipped = [one.slippage_bps for one in fills if np.isfinite(one.slippage_bps)]
        filled = len({one.plan for one in fills})
        return cls(
            plans=len(answered),
            refused=len(refused),
            filled=filled,
            codes=dict(Counter(one.code or one.verdict for one in refused).most_common()),
            refused_share=len(refused) / len(answered) if answered else None,
            filled_share=filled / len(answered) if answered else None,
            slippage_bps=float(np.mean(slipped)) if slipped else None,
        )


def decision_of(row: Row) -> Decision:
    """`row`: `plan` and `verdict` as the tables' JSON, the second None where there is none, `planned_ns`, `decided_ns`."""
    plan, verdict = row["plan"], row["verdict"] or {}
    asked, said = _part(plan, "trading_plan"), _part(verdict, "dm_decision")
    prediction = _part(plan, "signal_pack")
    tags = Tags.parse(plan["tags"])
    return Decision(
        plan=plan["id"],
        account=tags.account,
        alpha=tags.sender or "",
        signal_id=_text(asked, "signal_id"),
        model_id=_text(prediction, "model_id"),
        side=_text(asked, "side"),
        probability=_number(prediction, "prediction_value"),
        reference_price=_text(asked, "reference_price"),
        verdict=_verdict(said, tags),
        code=_text(said, "reason"),
        quantity=_text(said, "quantity"),
        planned_ns=row["planned_ns"],
        decided_ns=_known(row["decided_ns"]),
        waited_ms=_apart_ms(row["planned_ns"], row["decided_ns"]),
    )


def execution_of(row: Row) -> Execution:
    """`row`: `report` and, where they are known, `plan` and `verdict`, as the tables' JSON, with their times."""
    told, plan = _part(row["report"], "tr_execution"), row["plan"] or {}
    tags = Tags.parse(row["report"]["tags"])
    price, fill = _text(told, "last_price"), _text(told, "execution_id")
    return Execution(
        plan=tags.original or "",
        account=tags.account,
        signal_id=_text(told, "signal_id"),
        model_id=_text(_part(plan, "signal_pack"), "model_id"),
        client_order_id=_text(told, "client_order_id"),
        side=_text(told, "side"),
        order_type=_text(told, "order_type"),
        status=_text(told, "order_status"),
        execution_id=fill,
        quantity=_text(told, "last_quantity" if fill else "quantity_ordered"),
        price=price,
        fee=_text(told, "commission"),
        fee_asset=_text(told, "commission_asset"),
        slippage_bps=slippage_bps(told, _part(plan, "trading_plan")) if fill else float("nan"),
        planned_ns=_known(row["planned_ns"]),
        reported_ns=row["reported_ns"],
        exchange_ns=row["exchange_ns"] if row["exchange_ns"] is not None else UNNOTED,
        decided_ms=_apart_ms(row["planned_ns"], row["decided_ns"]),
        reported_ms=_apart_ms(row["planned_ns"], row["reported_ns"]),
    )


def slippage_bps(report: Row, plan: Row) -> float:
    """How much worse a fill was than what was expected, in basis points of that; NaN where nothing was expected.

    >>> round(slippage_bps({"side": "BUY", "last_price": "101"}, {"side": "BUY", "reference_price": "100"}), 6)
    100.0
    """
    side = _text(report, "side")
    own = _amount(report, "limit_price") or _amount(report, "stop_price")
    of_plan = _amount(plan, "reference_price") if _text(plan, "side") == side else None
    expected, paid = of_plan or own, _amount(report, "last_price")
    if not expected or paid is None:
        return float("nan")
    worse = paid - expected if side == "BUY" else expected - paid
    return float(worse / expected * BASIS_POINT)


def _verdict(said: Row, tags: Tags) -> str:
    verdict = _text(said, "verdict")
    if verdict in (APPROVED, REFUSED):
        return verdict
    if EXPIRED in tags.errors:
        return UNANSWERED
    return FAILED if PROCESSING_FAILED in tags.errors else OPEN


def _part(row: Row, column: str) -> Row:
    found = row.get(column)
    return found if isinstance(found, Mapping) else {}


def _text(row: Row, name: str) -> str:
    found = row.get(name)
    return "" if found is None else str(found)


def _number(row: Row, name: str) -> float:
    found = row.get(name)
    return float(found) if isinstance(found, int | float) else float("nan")


def _amount(row: Row, name: str) -> Decimal | None:
    try:
        return Decimal(_text(row, name))
    except InvalidOperation:
        return None


def _known(at_ns: int | None) -> int:
    return UNNOTED if at_ns is None else at_ns


def _apart_ms(first: int | None, second: int | None) -> float:
    return float("nan") if first is None or second is None else (second - first) / MILLISECOND_NS
