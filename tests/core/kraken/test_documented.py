from pathlib import Path
from typing import get_args

from gal_friday_core.kraken.error_codes import MEANINGS, Kind

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "kraken.md").read_text(encoding="utf-8")


def test_every_error_is_documented_with_its_code_and_its_kind():
    rows = {f"| `{text}` | `{code}` | {kind} |" for text, (code, kind) in MEANINGS.items()}
    assert rows == {line for line in PAGE.splitlines() if line.startswith("| `E") or line in rows}


def test_every_kind_is_explained():
    assert all(f"\n| {kind} | " in PAGE for kind in get_args(Kind))
