import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.kraken.error_codes import MEANINGS, READABLE_AGAIN, Refusal, errors_of, refusal
from gal_friday_core.venue import error_texts

SHEET = {
    "EAPI:Invalid nonce": "NONCE",
    "EAPI:Rate limit exceeded": "RATE_LIMIT",
    "EService: Throttled: 1695828271": "RATE_LIMIT",
    "EOrder:Rate limit exceeded": "RATE_LIMIT",
    "EGeneral:Temporary lockout": "LOCKOUT",
    "EService:Unavailable": "UNKNOWN_OUTCOME",
    "EService:Busy": "UNKNOWN_OUTCOME",
    "EGeneral:Internal error": "UNKNOWN_OUTCOME",
    "EGeneral:Internal error:12": "UNKNOWN_OUTCOME",
    "EService:Timeout": "UNKNOWN_OUTCOME",
    "EService:Deadline elapsed": "REFUSED",
    "EService:Market in cancel_only mode": "MARKET_STATUS",
    "EService:Market in post_only mode": "MARKET_STATUS",
    "EService:Market in limit_only mode": "MARKET_STATUS",
    "EOrder:Insufficient funds": "REFUSED",
    "EOrder:Order minimum not met": "REFUSED",
    "EOrder:Cost minimum not met": "REFUSED",
    "EOrder:Tick size check failed": "REFUSED",
    "EOrder:Invalid price": "REFUSED",
    "EGeneral:Invalid arguments": "REFUSED",
    "EGeneral:Invalid arguments:volume": "REFUSED",
    "EOrder:Orders limit exceeded": "REFUSED",
    "EOrder:Positions limit exceeded": "REFUSED",
    "EOrder:Unknown order": "GONE",
    "EOrder:Post only order": "REFUSED",
    "EOrder:Cannot open position": "REFUSED",
    "EOrder:Cannot open opposing position": "REFUSED",
    "EOrder:Margin allowance exceeded": "REFUSED",
    "EOrder:Margin level too low": "REFUSED",
    "EOrder:Margin position size exceeded": "REFUSED",
    "EOrder:Insufficient margin": "REFUSED",
    "EOrder:Trading agreement required": "REFUSED",
    "EOrder:Reduce only:No position exists": "REFUSED",
    "EAPI:Invalid key": "AUTH",
    "EAPI:Invalid signature": "AUTH",
    "EGeneral:Permission denied": "AUTH",
    "EAuth:Rate limit exceeded": "AUTH",
    "EAuth:Account temporary disabled": "LOCKOUT",
    "ESession:Invalid session": "SESSION",
    "EQuery:Unknown asset pair": "REFUSED",
    "EQuery:Unknown asset": "REFUSED",
    "EGeneral:Unknown method": "REFUSED",
    "ETrade:User Locked": "LOCKOUT",
    "Exceeded msg rate": "RATE_LIMIT",
    "Unsupported field: 'price' for the given msg type: add order": "REFUSED",
}
"""Every error of KRAKEN_PROTOCOL §5, with what the sheet says may be done about it."""


@pytest.mark.parametrize(("text", "kind"), SHEET.items())
def test_every_error_of_the_sheet_has_its_kind_and_a_code(text: str, kind: str):
    found = refusal(text)
    assert (found.kind, found.text) == (kind, text)
    assert found.code.replace("_", "").isupper()
    assert found.code != "UNKNOWN_ERROR"


def test_every_refusal_of_the_simulated_exchange_is_known():
    texts = [value for name, value in vars(error_texts).items() if name.isupper()]
    assert len(texts) > 10
    assert all(refusal(text).code not in {"UNKNOWN_ERROR", "ORDER_REFUSED"} for text in texts)


def test_the_detail_is_what_follows_the_known_words():
    assert refusal("EGeneral:Invalid arguments:volume").detail == "volume"
    assert refusal("EService:Throttled:1695828271").detail == "1695828271"
    assert refusal("EOrder:Reduce only:No position exists").detail == "No position exists"


def test_an_unknown_order_error_is_a_refusal_and_an_unknown_failure_leaves_the_outcome_open():
    assert (refusal("EOrder:Something new").kind, refusal("EOrder:Something new").certain) == (
        "REFUSED",
        True,
    )
    assert (refusal("EService:On fire").kind, refusal("EService:On fire").certain) == (
        "UNKNOWN_OUTCOME",
        False,
    )


def test_a_worn_nonce_leaves_open_whether_an_earlier_copy_was_carried_out():
    assert not refusal("EAPI:Invalid nonce").certain
    assert refusal("EAPI:Invalid nonce").retry_read


def test_a_warning_is_no_error():
    assert errors_of(["WGeneral:Danger"]) == []


@given(st.text())
def test_any_text_has_a_meaning_and_only_known_kinds_may_be_read_again(text: str):
    found = refusal(text)
    assert isinstance(found, Refusal)
    assert found.retry_read == (found.kind in READABLE_AGAIN)
    if found.code == "UNKNOWN_ERROR":
        assert not found.certain


def test_no_kind_of_refusal_after_which_reads_repeat_needs_a_human():
    human = {
        "INVALID_KEY",
        "INVALID_SIGNATURE",
        "PERMISSION_DENIED",
        "LOCKOUT",
        "ACCOUNT_LOCKED",
        "ACCOUNT_DISABLED",
    }
    assert {code for code, kind in MEANINGS.values() if kind in READABLE_AGAIN}.isdisjoint(human)
