"""An account's day as one HTML page: what it was worth before and after, and every line between. No script.

Entry point: `render`.
"""

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from gal_friday_adapters.report_parts import Marked, document, figures, note, soft, table
from gal_friday_core.statement import Statement
from gal_friday_core.statement_lines import AssetLine, FlowLine, PairLine, TradeLine, Worth
from gal_friday_core.times import to_iso

MOST_TRADES_SHOWN = 2_000
FIGURES = Context(prec=10)


def render(stated: Statement, owner: Mapping[str, Any]) -> str:
    """The page as text, to be written as UTF-8. `owner`: mode, venue and account of the session."""
    whose = " ".join(str(owner[name]) for name in ("mode", "venue", "account") if owner.get(name))
    body = "".join(
        (
            soft(f"{whose}, session {stated.session}, all in {stated.quote}, days are UTC"),
            "" if stated.complete else note("The day is not over: this is what is known so far."),
            *(note(f"This does not add up: {problem}", "lost") for problem in stated.problems),
            figures(_headline(stated)),
            _balances(stated.assets),
            _bridge(stated),
            _pairs(stated.pairs),
            _flows(stated.flows),
            _trades(stated.trades),
            soft(
                "What moved is computed from what the exchange told of each fill, what is held from the books. Profit is before fees "
                "unless it says otherwise; what is held is valued at the last price known at midnight. A fill that was found late "
                "stands in the day that booked it."
            ),
        )
    )
    return document(f"Statement of {stated.day}", body)


def _headline(stated: Statement) -> list[tuple[str, str, str]]:
    return [
        ("Equity at close", _cash(stated.closing.equity), f"at open {_cash(stated.opening.equity)}"),
        ("Profit after fees", _change(stated.profit), "neither deposits nor withdrawals"),
        ("Realised", _change(stated.realized), "before fees"),
        ("Unrealised", _change(stated.unrealized), f"at close {_cash(stated.closing.unrealized)}"),
        ("Fees", _cash(stated.fees), f"{len(stated.trades):,} fills"),
        ("Came less went", _change(stated.moved), f"{len(stated.flows):,} flows"),
    ]


def _balances(assets: tuple[AssetLine, ...]) -> str:
    rows = [
        (
            line.asset, _plain(line.opening), _plain(line.received), _plain(-line.spent), _plain(-line.fees),
            _plain(line.flows), _plain(line.closing),
            Marked(_plain(line.unexplained), "lost") if line.unexplained else "0",
        )
        for line in assets
    ]  # fmt: skip
    names = ("Asset", "Opening", "Received", "Spent", "Fees", "Flows", "Closing", "Unexplained")
    return table("Balances", names, rows)


def _bridge(stated: Statement) -> str:
    """From the equity of the opening to that of the closing."""
    opening, closing = stated.opening, stated.closing
    rows = [
        ("Opening", *_ends(opening), ""),
        ("Came less went", "", "", "", _change(stated.moved)),
        ("Realised", "", "", "", _change(stated.realized)),
        ("Unrealised", "", "", "", _change(stated.unrealized)),
        ("Fees", "", "", "", _change(-stated.fees)),
        ("Closing", *_ends(closing), ""),
    ]
    return table("From opening to closing", ("", "Cash", "Held", "Equity", "Change"), rows)


def _ends(worth: Worth) -> tuple[str, str, str]:
    return _cash(worth.cash), _cash(worth.held), _cash(worth.equity)


def _pairs(pairs: tuple[PairLine, ...]) -> str:
    if not pairs:
        return ""
    rows = [
        (
            line.pair, f"{line.fills:,}", _plain(line.bought), _plain(line.sold), _cash(line.turnover),
            _cash(line.fees), _change(line.realized), _change(line.closing_unrealized - line.opening_unrealized),
            _plain(line.closing), "–" if line.closing_mark is None else _price(line.closing_mark),
        )
        for line in pairs
    ]  # fmt: skip
    names = (
        "Pair", "Fills", "Bought", "Sold", "Turnover", "Fees", "Realised", "Unrealised", "Held at close", "Valued at",
    )  # fmt: skip
    return table("By pair", names, rows)


def _flows(flows: tuple[FlowLine, ...]) -> str:
    if not flows:
        return ""
    rows = [
        (
            _moment(flow.time),
            flow.kind.lower(),
            flow.asset,
            _plain(flow.amount),
            _cash(flow.value),
            flow.flow_id,
        )
        for flow in flows
    ]
    return table("Money that came or went", ("At", "What", "Asset", "Amount", "Worth", "Id"), rows)


def _trades(trades: tuple[TradeLine, ...]) -> str:
    if not trades:
        return "<h2>Fills</h2><p>Nothing was traded.</p>"
    shown = trades[-MOST_TRADES_SHOWN:]
    heading = "Fills" if len(shown) == len(trades) else f"The last {len(shown):,} of {len(trades):,} fills"
    rows = [
        (
            _moment(trade.time) + (" late" if trade.late else ""), trade.pair, trade.side.lower(),
            trade.order_type.lower().replace("_", " "), _plain(trade.quantity), _price(trade.price),
            _cash(trade.value), f"{_plain(trade.fee)} {trade.fee_asset or ''}".strip(),
            _change(trade.realized) if trade.side == "SELL" else "",
            "ours" if trade.ours else "somebody else's", trade.execution_id,
        )
        for trade in shown
    ]  # fmt: skip
    names = (
        "At", "Pair", "Side", "Order", "Quantity", "Price", "Value", "Fee", "Realised", "Whose", "Id",
    )  # fmt: skip
    return table(heading, names, rows)


def _moment(ns: int) -> str:
    return to_iso(ns)[:19].replace("T", " ")


def _cash(amount: Decimal) -> str:
    """To the cent, for people; the Parquet files have all digits."""
    return f"{amount:,.2f}".replace("-", "−") if round(amount, 2) else "0.00"


def _change(amount: Decimal) -> str:
    """With its sign, which colours it in a table."""
    return f"{amount:+,.2f}".replace("-", "−") if round(amount, 2) else "0.00"


def _price(amount: Decimal) -> str:
    """In ten figures: what slippage makes of a simulated price has twenty."""
    return _plain(FIGURES.plus(amount))


def _plain(amount: Decimal) -> str:
    """Every digit, without zeros at the end."""
    text = f"{amount:,f}" if amount else "0"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
