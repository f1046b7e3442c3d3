"""Log files: whole lines, turned over at a size, readable by their owner only."""

import os
import stat

import pytest

from gal_friday_adapters.log_files import RotatingFile
from gal_friday_core.errors import StorageError


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_files_are_turned_over_at_their_size_and_the_oldest_goes(tmp_path):
    file = RotatingFile(tmp_path / "logs", "engine", max_bytes=10, keep=2)
    for number in range(5):
        file.write([b"line-%d" % number])
    assert contents(tmp_path / "logs") == {
        "engine.jsonl": b"line-4\n",
        "engine.1.jsonl": b"line-3\n",
        "engine.2.jsonl": b"line-2\n",
    }
    file.close()


def test_with_no_older_files_kept_the_one_file_begins_anew(tmp_path):
    file = RotatingFile(tmp_path, "engine", max_bytes=10, keep=0)
    file.write([b"12345678"])
    file.write([b"abc"])
    assert contents(tmp_path) == {"engine.jsonl": b"abc\n"}
    file.close()


def test_only_the_owner_may_read(tmp_path):
    file = RotatingFile(tmp_path / "logs", "engine", max_bytes=100, keep=1)
    file.write([b"x"])
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    file.close()


def test_a_file_that_somebody_moved_away_is_begun_anew(tmp_path):
    file = RotatingFile(tmp_path, "engine", max_bytes=100, keep=1)
    file.write([b"before"])
    file.path.rename(tmp_path / "taken")
    file.write([b"after"])
    assert contents(tmp_path) == {"engine.jsonl": b"after\n", "taken": b"before\n"}
    file.close()


def test_a_disk_that_fills_up_leaves_no_part_of_a_batch(tmp_path, monkeypatch):
    file = RotatingFile(tmp_path, "engine", max_bytes=10_000, keep=1)
    file.write([b"before"])
    really = os.write

    def half(descriptor, data):
        if len(data) > 4:
            return really(descriptor, bytes(data[:4]))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(StorageError, match="No space left on device"):
            file.write([b"1234567"])
    assert contents(tmp_path) == {"engine.jsonl": b"before\n"}
    file.write([b"after"])
    assert contents(tmp_path) == {"engine.jsonl": b"before\nafter\n"}
    file.close()
