import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.errors import ConfigError
from gal_friday_core.kraken.signing import sign

SECRET = "ZGVtby1zZWNyZXQ="


def test_the_signature_equals_the_published_example(shared_data: Path):
    vector = json.loads((shared_data / "kraken_rest" / "auth_test_vectors.json").read_text())["spot_rest"]
    given_signature = sign(vector["path"], vector["nonce"], vector["postdata"].encode(), vector["secret"])
    assert given_signature == vector["api_sign"]


@given(st.text("0123456789", min_size=1), st.binary(), st.binary())
def test_another_body_has_another_signature(nonce: str, body: bytes, other: bytes):
    same = sign("/0/private/Balance", nonce, body, SECRET) == sign("/0/private/Balance", nonce, other, SECRET)
    assert same == (body == other)


def test_a_secret_that_is_not_base64_is_refused_without_being_shown():
    with pytest.raises(ConfigError) as refused:
        sign("/0/private/Balance", "1", b"nonce=1", "my secret, mistyped")
    assert "mistyped" not in str(refused.value)
    assert refused.value.__cause__ is None
