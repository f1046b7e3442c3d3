"""docs/risk.md names every code with its meaning, and every code that it names exists."""

import ast
import re
from pathlib import Path

from gal_friday_core.risk.codes import CODES

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "risk.md").read_text(encoding="utf-8")


def test_the_page_gives_each_code_its_meaning():
    missing = [code for code, meaning in CODES.items() if f"| `{code}` | {meaning} |" not in PAGE]
    assert missing == []


def test_the_page_names_no_code_that_is_not_there():
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", PAGE)) - {"TRADE_SIGNAL_REJECTED"}
    assert named <= set(CODES)


def test_every_refusal_in_the_package_has_a_code_that_is_listed():
    used = set()
    for path in sorted((ROOT / "gal_friday_core" / "risk").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                "Rejected",
                "refuse",
                "refuse_measured",
                "Room",
                "_room",
            }:
                used |= {
                    value.value
                    for value in ast.walk(node.args[0])
                    if isinstance(value, ast.Constant) and isinstance(value.value, str)
                }
    assert len(used) > 30
    assert used <= set(CODES)


def test_the_gates_codes_are_listed():
    text = (ROOT / "gal_friday_live" / "trading_gate.py").read_text(encoding="utf-8")
    listed = text.partition("Codes:")[2].partition("\n\n")[0]
    assert set(re.findall(r"[A-Z]+(?:_[A-Z]+)*", listed)) <= set(CODES)
