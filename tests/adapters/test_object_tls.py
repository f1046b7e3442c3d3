"""A bucket whose server has a certificate by an authority of one's own: believed where that is named, refused elsewhere."""

import ssl

import pytest

from gal_friday_adapters.files import files_at
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_core.errors import ConfigError, StorageError
from tests.authority import identity
from tests.bucket_server import KEYS, BucketServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return identity(tmp_path_factory.mktemp("desk") / "tls", "desk")


@pytest.fixture
def place(authority, monkeypatch):
    """A bucket behind TLS."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    ca, certificate, key = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = BucketServer(context)
    yield server.bucket(authority=ca, retries=0)
    server.close()


def with_authority(place, file):
    return ObjectUrl(place.bucket, place.prefix, place.reach.model_copy(update={"authority": file}))


def test_a_server_by_an_authority_that_is_named_is_believed_and_by_any_other_refused(place, tmp_path):
    assert files_at(place).change("a", lambda _: b"one")
    assert files_at(place).read("a") == b"one"
    other = identity(tmp_path / "other", "other")[0]
    for file in (None, other):
        with pytest.raises(
            StorageError, match=r"nobody here vouches for \(object_store\.authority\) at https://"
        ):
            files_at(with_authority(place, file)).read("a")


def test_a_file_that_is_no_authority_is_refused_before_anything_is_asked(place, authority, tmp_path):
    for file in (tmp_path / "none.pem", authority[2]):
        with pytest.raises(ConfigError, match=r"object_store\.authority: .*\.pem is not a certificate"):
            files_at(with_authority(place, file))
