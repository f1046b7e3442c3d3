"""What stands in a desk's tables, journals and books when all is over: the drill's comparison, asked of a simulated world."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from gal_friday_adapters.simulated_kraken.demo import KEY
from gal_friday_adapters.simulated_kraken.exchange import Exchange
from gal_friday_adapters.strands.records import original_of
from gal_friday_core.money import ZERO
from gal_friday_core.strands.strands import DECISION, EXECUTION, EXECUTION_PLAN, SIGNAL
from gal_friday_core.strands.tags import EVALUATE_PLAN, EXECUTE_PLAN
from gal_friday_live.roles.role import Role
from gal_friday_live.simulation.desk.tables import Delivered, Tables, Work
from gal_friday_live.simulation.life import SESSION
from gal_friday_live.strand_drill.truth import Decision, Evidence, Intent
from gal_friday_live.strand_drill.witness import command_of, plan_of

Row = dict[str, Any]
OWN_ORDERS = ("ENTRY", "EXIT")


def evidence(tables: Tables, exchange: Exchange, roles: dict[str, Role], others: set[str]) -> Evidence:
    """All sides now. `others` are the exchange's names of orders that somebody placed by hand."""
    view = Work(tables)
    account = exchange.account(KEY)
    names = {order.order_id: order.asked.cl_ord_id or "" for order in account.orders.values()}
    return Evidence(
        plans=[plan_of(_asked(view, row, "dm_inbox", EVALUATE_PLAN, "trading_plan")) for row in _of(view, "ad_strands", SIGNAL)],
        decisions=[
            Decision(
                strand_id=row["id"], plan_id=original_of(row["tags"]) or "",
                approved=row["dm_decision"]["verdict"] == "approved",
            )
            for row in _of(view, "dm_strands", DECISION)
        ],
        commands=[
            command_of(_asked(view, row, "trader_inbox", EXECUTE_PLAN, "dm_decision"))
            for row in _of(view, "dm_strands", EXECUTION_PLAN)
        ],
        answered=frozenset(
            signal for row in _of(view, "tr_strands", EXECUTION) if (signal := row["tr_execution"].get("signal_id"))
        ),
        intents=list(_intents(tables)),
        ordered=[name for key, name in names.items() if key not in others],
        filled=[fill.exec_id for fill in account.executions if fill.order_id not in others],
        booked=_booked(tables, {fill.exec_id for fill in account.executions if fill.order_id in others}),
        held=_held(exchange, roles),
    )  # fmt: skip


def _of(view: Work, table: Any, kind: str) -> Iterator[Row]:
    return (dict(row) for row in view.strands(table) if row["kind"] == kind)


def _asked(view: Work, row: Row, inbox: str, tag: str, told: str) -> Row:
    where: Delivered | None = view.delivered(inbox, row["id"], tag)
    signal = (row[told] or {}).get("signal_id")
    return {**row, "signal_id": signal, "state": None if where is None else where.state}


def _intents(tables: Tables) -> Iterator[Intent]:
    for line in tables.lines.get(SESSION, ()):
        if line.kind == "ORDER_INTENT":
            said = msgspec.json.decode(line.record)
            yield Intent(
                client_order_id=line.key,
                signal_id=said.get("signal_id") or "",
                protects=said["purpose"] not in OWN_ORDERS or said["parent"] is not None,
            )


def _booked(tables: Tables, others: set[str]) -> dict[str, list[str]]:
    """By role. What alphas were told counts as often as one of them was told."""
    booked = {
        "trader": [
            line.key
            for line in tables.lines.get(SESSION, ())
            if line.kind == "FILL" and line.key not in others
        ]
    }
    for role, inbox in (("alpha", "alpha_inbox"), ("decision", "dm_inbox")):
        told: Counter[tuple[str, str]] = Counter()
        for row in tables.rows[inbox].values():
            strand = tables.strands[row.source].get(row.strand_id)
            if row.state != "done" or strand is None or strand["kind"] != EXECUTION:
                continue
            execution_id = strand["tr_execution"].get("execution_id")
            if execution_id is not None and execution_id not in others:
                told[row.recipient, execution_id] += 1
        most: dict[str, int] = {}
        for (_, execution_id), times in told.items():
            most[execution_id] = max(most.get(execution_id, 0), times)
        booked[role] = list(Counter(most).elements())
    return booked


def _held(exchange: Exchange, roles: dict[str, Role]) -> dict[str, dict[str, Any]]:
    """What each side says is held; an alpha that has some of the pairs only is left out."""
    pairs = tuple(exchange.markets)
    balances = exchange.balances(KEY)
    held = {"exchange": {pair: balances.get(exchange.listing(pair).base.name, ZERO) for pair in pairs}}
    for name, role in roles.items():
        if set(role.base.pairs) == set(pairs):
            held[name] = {pair: role.portfolio.position(pair).quantity for pair in pairs}
    return held
