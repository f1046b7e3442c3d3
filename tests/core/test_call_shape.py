"""On an order's way no call passes so many arguments by name that CPython hands them over in a dict."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STACK_USE_GUIDELINE = 30
"""CPython 3.11 to 3.13, compile.c: a call with more values, a name counting as one, is made by CALL_FUNCTION_EX."""
ON_THE_WAY = (
    "gal_friday_core/backtest", "gal_friday_core/risk", "gal_friday_core/order_reports.py",
    "gal_friday_core/portfolio.py", "gal_friday_core/positions.py", "gal_friday_core/protection.py",
    "gal_friday_core/reservations.py", "gal_friday_core/simulated_exchange.py", "gal_friday_core/strategies",
    "gal_friday_core/working_order.py", "gal_friday_adapters/kraken", "gal_friday_live/execution_handler.py",
    "gal_friday_live/portfolio_manager.py", "gal_friday_live/risk_manager.py", "gal_friday_live/strategy_arbitrator.py",
)  # fmt: skip


def many(text):
    """The lines of the calls that cost five times as much as they need to."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and len(node.args) + 2 * len(node.keywords) > STACK_USE_GUIDELINE
    ]


@pytest.mark.parametrize("place", ON_THE_WAY)
def test_no_call_on_an_orders_way_passes_too_many_names(place):
    path = ROOT / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files
    assert {str(file): many(file.read_text()) for file in files if many(file.read_text())} == {}


def test_fifteen_names_pass_and_sixteen_do_not():
    names = [f"name{number}=0" for number in range(16)]
    assert many(f"call({', '.join(names[:15])})") == []
    assert many(f"call({', '.join(names)})") == [1]
