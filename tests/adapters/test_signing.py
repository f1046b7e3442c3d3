"""Signatures: made by a key nobody else can read, believed only where the key is trusted."""

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_adapters.signing import ARTIFACT, PRIVATE, PUBLIC, Signature, SigningKeys
from gal_friday_core.errors import ArtifactError, ConfigError

CONTENT = b'{"files": {}}\n'


@pytest.fixture
def keys(tmp_path):
    return SigningKeys(tmp_path / "keys")


def test_the_key_is_made_once_and_only_its_owner_may_read_it(keys, tmp_path):
    public = keys.public_key()
    assert SigningKeys(tmp_path / "keys").public_key() == public
    assert stat.S_IMODE((tmp_path / "keys" / PRIVATE).stat().st_mode) == 0o600
    assert (tmp_path / "keys" / PUBLIC).read_text() == f"{public}\n"


def test_what_was_signed_here_is_believed_here_without_the_private_key(keys, tmp_path):
    signature = keys.sign(ARTIFACT, CONTENT)
    (tmp_path / "keys" / PRIVATE).unlink()
    assert SigningKeys(tmp_path / "keys").check(ARTIFACT, CONTENT, [signature]) == signature.key


def test_a_signature_is_the_published_algorithms_over_purpose_and_content(keys):
    signature = keys.sign(ARTIFACT, CONTENT)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.key))
    key.verify(signature.value, b"gal-friday model artifact v1\0" + CONTENT)


def test_a_signature_over_one_kind_of_document_never_stands_for_another(keys):
    signature = keys.sign("certificate v1", CONTENT)
    with pytest.raises(ArtifactError, match="does not verify"):
        keys.check(ARTIFACT, CONTENT, [signature])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_bit_anywhere_is_refused(data):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        keys = SigningKeys(Path(folder))
        signature = keys.sign(ARTIFACT, CONTENT)
        content, value = bytearray(CONTENT), bytearray(signature.value)
        harmed = data.draw(st.sampled_from([content, value]))
        harmed[data.draw(st.integers(0, len(harmed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(ArtifactError, match="does not verify"):
            keys.check(ARTIFACT, bytes(content), [Signature(signature.key, bytes(value))])


def test_a_stranger_signs_in_vain(keys, tmp_path):
    keys.public_key()
    foreign = SigningKeys(tmp_path / "elsewhere").sign(ARTIFACT, CONTENT)
    with pytest.raises(ArtifactError, match="no signature by a key that is trusted here"):
        keys.check(ARTIFACT, CONTENT, [foreign])
    with pytest.raises(ArtifactError, match="does not verify"):
        keys.check(ARTIFACT, CONTENT, [Signature(keys.public_key(), foreign.value)])


def test_nothing_is_believed_before_there_is_any_key(keys, tmp_path):
    foreign = SigningKeys(tmp_path / "elsewhere").sign(ARTIFACT, CONTENT)
    with pytest.raises(ArtifactError, match="no signature"):
        keys.check(ARTIFACT, CONTENT, [foreign])
    assert not (tmp_path / "keys").exists()


def test_pinned_keys_are_believed_and_nothing_else(keys, tmp_path):
    other = SigningKeys(tmp_path / "elsewhere")
    pinned = SigningKeys(tmp_path / "keys", [other.public_key()])
    foreign, own = other.sign(ARTIFACT, CONTENT), keys.sign(ARTIFACT, CONTENT)
    assert pinned.check(ARTIFACT, CONTENT, [own, foreign]) == other.public_key()
    with pytest.raises(ArtifactError, match="no signature"):
        pinned.check(ARTIFACT, CONTENT, [own])
    with pytest.raises(ConfigError, match=rf"its public key {own.key} is not among those trusted"):
        pinned.sign(ARTIFACT, CONTENT)


@pytest.mark.parametrize("key", ["", "ab", "AB" * 32, "g" * 64, "ab" * 33])
def test_a_pinned_key_that_is_none_is_refused_at_once(tmp_path, key):
    with pytest.raises(ConfigError, match=r"storage\.trusted_keys: .* is no public key"):
        SigningKeys(tmp_path, [key])


def test_a_private_key_that_others_may_read_signs_nothing(keys, tmp_path):
    keys.public_key()
    (tmp_path / "keys" / PRIVATE).chmod(0o640)
    with pytest.raises(ConfigError, match=r"the signing key: .* others may read"):
        keys.sign(ARTIFACT, CONTENT)


def test_a_key_file_that_is_no_such_key_is_named_and_not_quoted(keys, tmp_path):
    keys.public_key()
    file = tmp_path / "keys" / PRIVATE
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content, told in ((b"hunter2-hunter2", "not a private key"), (other, "not an Ed25519 key")):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=told) as refused:
            keys.sign(ARTIFACT, CONTENT)
        assert "hunter2" not in str(refused.value)
        assert refused.value.__context__ is None or refused.value.__suppress_context__


def test_a_replaced_public_key_is_noticed(keys, tmp_path):
    keys.public_key()
    (tmp_path / "keys" / PUBLIC).write_text("ab" * 32)
    with pytest.raises(ConfigError, match="one of them was replaced"):
        keys.sign(ARTIFACT, CONTENT)
