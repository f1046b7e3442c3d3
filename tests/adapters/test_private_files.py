"""Secrets in files: read only where others may not, made so that others never could."""

import stat
import threading

import pytest

from gal_friday_adapters.private_files import LARGEST, create_private, read_private, require_private
from gal_friday_core.errors import ConfigError, StorageError


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "key"
    file.write_text(" the-secret\n")
    file.chmod(0o600)
    return file


def test_a_file_of_its_owner_alone_is_read_without_the_space_around_it(secret):
    require_private(secret, "KEY_FILE")
    assert read_private(secret, "KEY_FILE") == "the-secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666, 0o620, 0o601])
def test_a_file_that_others_may_touch_is_refused_and_its_content_not_shown(secret, mode):
    secret.chmod(mode)
    for read in (read_private, require_private):
        with pytest.raises(
            ConfigError, match=rf"^KEY_FILE: .* others may read: run chmod 600 {secret}$"
        ) as told:
            read(secret, "KEY_FILE")
        assert "the-secret" not in str(told.value)


def test_a_link_to_an_open_file_does_not_hide_its_mode(secret, tmp_path):
    secret.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(secret)
    with pytest.raises(ConfigError, match="others may read"):
        read_private(link, "KEY_FILE")


def test_what_systemd_gives_a_service_may_show_the_mask_of_its_acl_and_nothing_more(secret, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secret.parent))
    secret.chmod(0o440)
    assert read_private(secret, "KEY_FILE") == "the-secret"
    secret.chmod(0o444)
    with pytest.raises(ConfigError, match="others may read"):
        read_private(secret, "KEY_FILE")


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff\xfe", "not text in UTF-8"), (b"x" * (LARGEST + 1), "longer than 65536 bytes")],
)
def test_what_is_no_secret_is_refused(secret, content, told):
    secret.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        read_private(secret, "KEY_FILE")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"KEY_FILE: cannot read .*No such file"):
        read_private(tmp_path / "nowhere", "KEY_FILE")
    with pytest.raises(ConfigError, match=r"KEY_FILE: cannot read .*: No such file"):
        require_private(tmp_path / "nowhere", "KEY_FILE")
    with pytest.raises(ConfigError, match="is not a file"):
        require_private(tmp_path, "KEY_FILE")


def test_a_file_that_is_made_is_private_whatever_the_umask_and_made_once(tmp_path, monkeypatch):
    import os

    before = os.umask(0)
    try:
        file = tmp_path / "keys" / "key"
        assert create_private(file, b"one") is True
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert create_private(file, b"two") is False
    assert file.read_bytes() == b"one"
    assert [entry.name for entry in file.parent.iterdir()] == ["key"]


def test_of_many_makers_one_wins_and_its_file_is_whole(tmp_path):
    file, made = tmp_path / "key", []
    makers = [
        threading.Thread(target=lambda n=n: made.append((create_private(file, bytes([n]) * 4096), n)))
        for n in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(60)
    (winner,) = [n for won, n in made if won]
    assert file.read_bytes() == bytes([winner]) * 4096


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "keys").write_text("a file, where a folder should be")
    with pytest.raises(StorageError, match=r"cannot write .*key"):
        create_private(tmp_path / "keys" / "key", b"x")
