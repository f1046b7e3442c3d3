"""A halt that no database keeps."""

import errno
import os

import pytest

from gal_friday_adapters.halt_page import SIZE, HaltPage
from gal_friday_core.errors import StorageError


@pytest.fixture
def page(tmp_path):
    prepared = HaltPage(tmp_path / "halts" / "account.halt")
    prepared.prepare()
    return prepared


def test_a_page_is_blank_then_says_the_halt_then_is_blank_again(page, tmp_path):
    assert page.read() is None
    page.write({"state": "HALTED", "reason": "TASK_FAILED: a long story"})
    page.write({"state": "HALTED", "reason": "short"})
    assert HaltPage(tmp_path / "halts" / "account.halt").read() == {"state": "HALTED", "reason": "short"}
    page.prepare()  # the next engine's, which must not lose it
    assert page.read() is not None
    page.clear()
    assert page.read() is None


def test_writing_takes_no_room_that_was_not_set_aside(page, tmp_path):
    path = tmp_path / "halts" / "account.halt"
    taken = (path.stat().st_size, path.stat().st_blocks)
    page.write({"state": "HALTED", "reason": "é" * 10_000})
    assert (path.stat().st_size, path.stat().st_blocks) == taken
    assert taken[0] == SIZE
    assert page.read()["reason"] == "é" * (SIZE // 8)


@pytest.mark.parametrize("damage", [b"{", b"[1]", b"\xff\xfe"])
def test_a_page_that_cannot_be_read_is_a_halt(page, tmp_path, damage):
    (tmp_path / "halts" / "account.halt").write_bytes(damage)
    kept = page.read()
    assert kept["state"] == "HALTED"
    assert kept["reason"].startswith("HALT_PAGE_UNREADABLE")


def test_without_a_page_there_is_no_halt_on_it(tmp_path):
    assert HaltPage(tmp_path / "absent").read() is None


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match=r"cannot set aside .*account\.halt for a halt"):
        HaltPage(tmp_path / "file" / "account.halt").prepare()


def test_a_disk_that_refuses_is_an_error(page, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        page.write({"state": "HALTED", "reason": "x"})
