import base64
import json
from pathlib import Path

from gal_friday_adapters.simulated_kraken import signing
from gal_friday_adapters.simulated_kraken.signing import ApiKey, Keyring
from gal_friday_core.kraken.signing import sign

PATH = "/0/private/Balance"
SECRET = base64.b64encode(b"demo-secret").decode()


def keyring() -> Keyring:
    return Keyring([ApiKey("demo", SECRET, account="demo")])


def call(ring: Keyring, nonce: str, *, key: str = "demo", secret: str = SECRET, now_ns: int = 0):
    body = f"nonce={nonce}".encode()
    return ring.check(PATH, nonce, body, (key, sign(PATH, nonce, body, secret)), now_ns)


def test_signature_equals_the_published_example(shared_data: Path):
    vector = json.loads((shared_data / "kraken_rest" / "auth_test_vectors.json").read_text())["spot_rest"]
    given = sign(vector["path"], vector["nonce"], vector["postdata"].encode(), vector["secret"])
    assert given == vector["api_sign"]


def test_a_signed_call_is_let_in_as_its_account():
    assert call(keyring(), "1") == ("demo", "")


def test_unknown_key_and_wrong_secret_are_told_apart():
    ring = keyring()
    assert call(ring, "1", key="other") == ("", signing.INVALID_KEY)
    assert call(ring, "1", secret=base64.b64encode(b"x").decode()) == ("", signing.INVALID_SIGNATURE)


def test_signature_that_is_not_base64_is_invalid():
    assert keyring().check(PATH, "1", b"nonce=1", ("demo", "not base64 !"), 0)[1] == signing.INVALID_SIGNATURE


def test_body_changed_after_signing_is_refused():
    signature = sign(PATH, "1", b"nonce=1&volume=1", SECRET)
    refused = keyring().check(PATH, "1", b"nonce=1&volume=9", ("demo", signature), 0)
    assert refused == ("", signing.INVALID_SIGNATURE)


def test_nonce_must_grow_and_be_a_64_bit_number():
    ring = keyring()
    assert call(ring, "100") == ("demo", "")
    for nonce in ("100", "99", "-1", "1.5", "abc", "", str(1 << 64)):
        assert call(ring, nonce) == ("", signing.INVALID_NONCE), nonce
    assert call(ring, "101") == ("demo", "")


def test_repeated_failures_lock_the_key_out_for_a_while():
    ring = keyring()
    for _ in range(signing.FAILURES_TO_LOCKOUT):
        assert call(ring, "0", secret="AAAA") == ("", signing.INVALID_SIGNATURE)
    assert call(ring, "1") == ("", signing.LOCKED_OUT)
    assert call(ring, "1", now_ns=signing.LOCKOUT_NS) == ("demo", "")


def test_secret_is_not_shown():
    assert SECRET not in repr(ApiKey("demo", SECRET, account="demo"))
