import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gal_friday_live.cli import app
from tests.core.kraken.test_verification import stream


def written(folder: Path, lines: list[bytes]) -> str:
    capture = folder / "capture.jsonl"
    capture.write_bytes(b"\n".join(lines) + b"\n")
    return str(capture)


def test_a_clean_capture_ends_with_code_0_and_says_so(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["feed", "verify", written(tmp_path, stream())])
    assert ran.exit_code == 0, ran.output
    assert "Everything verified." in ran.output
    assert "BTC/USD" in ran.output


def test_json_holds_what_was_counted(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["feed", "verify", written(tmp_path, stream()), "--json"])
    report = json.loads(ran.stdout)
    counted = {
        name: report[name] for name in ("messages", "book_updates", "checksum_failures", "resyncs", "gaps")
    }
    assert counted == {"messages": 8, "book_updates": 6, "checksum_failures": 0, "resyncs": 0, "gaps": 0}


def test_a_flipped_digit_ends_with_code_1_and_names_message_and_pair(tmp_path: Path) -> None:
    lines = stream()
    lines[4] = lines[4].replace(b'"qty":0.0000005', b'"qty":0.0000006')
    ran = CliRunner().invoke(app, ["feed", "verify", written(tmp_path, lines)])
    assert ran.exit_code == 1
    assert "message 5, BTC/USD: the book's checksum does not match" in ran.output


@pytest.mark.parametrize("content", [[b""], [b"<html>"]])
def test_what_is_no_capture_is_one_clear_error(tmp_path: Path, content: list[bytes]) -> None:
    ran = CliRunner().invoke(app, ["feed", "verify", written(tmp_path, content)])
    assert ran.exit_code != 0
    assert "holds no message" in str(ran.exception)
