"""A backup in a bucket: there as a whole or not at all, never over another, and read back part by part."""

import os

import pytest

from gal_friday_adapters import object_store
from gal_friday_adapters.backup.remote import read_from, written_to
from gal_friday_adapters.object_store import ObjectStore
from gal_friday_core.errors import StorageError
from tests.bucket_server import cut_answer, forbidden

CONTENT = os.urandom(6 << 20)  # more than one part of a put


def test_a_backup_goes_to_its_bucket_and_comes_back_in_parts(bucket, bucket_server, tmp_path, monkeypatch):
    place = bucket / "friday.tar"
    with written_to(place, tmp_path / "backups") as file:
        file.write_bytes(CONTENT)
        assert file.parent.stat().st_mode & 0o077 == 0
        assert ObjectStore(bucket).names("") == []
    monkeypatch.setattr(object_store, "PART", 1 << 20)
    bucket_server.faults += [("GET", cut_answer)]
    with read_from(place, tmp_path) as file:
        assert file.name == "friday.tar"
        assert file.read_bytes() == CONTENT
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    with pytest.raises(StorageError, match=r"friday\.tar is there already"), written_to(place, tmp_path):
        pass


def test_a_backup_that_fails_or_is_refused_is_not_there(bucket, bucket_server, tmp_path):
    with pytest.raises(FileNotFoundError), written_to(bucket / "friday.tar", tmp_path) as file:
        (file.parent / "nothing" / "here").write_bytes(b"half")
    bucket_server.faults += [("PUT", forbidden)]
    with (
        pytest.raises(StorageError, match="refuses the credentials"),
        written_to(bucket / "friday.tar", tmp_path) as file,
    ):
        file.write_bytes(b"whole")
    assert ObjectStore(bucket).names("") == []
    with pytest.raises(StorageError, match="not there"), read_from(bucket / "friday.tar", tmp_path):
        pass


def test_one_that_is_replaced_while_it_is_read_is_an_error(bucket, tmp_path, monkeypatch):
    store = ObjectStore(bucket)
    store.put("friday.tar", CONTENT)
    seen = store.head("friday.tar")
    store.put("friday.tar", CONTENT[::-1])
    monkeypatch.setattr(ObjectStore, "head", lambda *_: seen)
    with pytest.raises(StorageError, match="replaced while it was read"):
        store.download("friday.tar", tmp_path / "friday.tar")


def test_on_a_disk_the_file_itself_is_used(tmp_path):
    with written_to(tmp_path / "here.tar", tmp_path) as file:
        assert file == tmp_path / "here.tar"
    with read_from(tmp_path / "here.tar", tmp_path) as file:
        assert file == tmp_path / "here.tar"
