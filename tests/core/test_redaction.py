"""What must never appear in a log line, whatever the form it comes in."""

import base64
import json
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.redaction import MASK, MAX_DEPTH, MAX_ITEMS, MAX_TEXT, Redactor, is_secret_name

printable = st.characters(codec="utf-8", exclude_characters="*", exclude_categories=["Cs"])
secrets = st.text(printable, min_size=9, max_size=60).filter(lambda text: text.strip() == text)
around = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
ENCODINGS = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: quote(text, safe="").lower() if text.isascii() else text,
    "form": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "hex": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


@settings(max_examples=150, deadline=None)
@given(secret=secrets, before=around, after=around, how=st.sampled_from(sorted(ENCODINGS)))
def test_a_registered_secret_is_hidden_in_every_form(secret, before, after, how):
    form = ENCODINGS[how](secret)
    if how == "percent, lower case" and secret != secret.lower():
        return
    core = (
        form.rstrip("=")[:-1] if how.startswith("base64") else form
    )  # the last character is shared with the rest
    shown = Redactor([secret]).text(f"{before}{form}{after}")
    assert core not in shown
    assert MASK in shown


@settings(max_examples=150, deadline=None)
@given(secret=secrets, user=st.text(max_size=9), rest=st.text(max_size=9))
def test_a_secret_inside_a_longer_base64_text_is_hidden(secret, user, rest):
    code = base64.b64encode(f"{user}:{secret}{rest}".encode(errors="replace")).decode()
    offset = len(f"{user}:".encode(errors="replace"))
    inner = code[-(-offset * 8 // 6) : (offset + len(secret.encode())) * 8 // 6]
    shown = Redactor([secret]).text(f"Basic {code}")
    assert inner in code
    assert inner not in shown


@settings(max_examples=100, deadline=None)
@given(
    secret=secrets,
    tree=st.recursive(
        st.just("SECRET") | st.integers() | st.floats() | st.none() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.just("SECRET") | st.text(max_size=5), inner)
        ),
        max_leaves=12,
    ),
)
def test_a_secret_is_hidden_wherever_it_stands_in_a_context(secret, tree):
    def planted(node):
        if isinstance(node, dict):
            return {planted(key): planted(value) for key, value in node.items()}
        if isinstance(node, list):
            return [planted(item) for item in node]
        return f"<{secret}>" if node == "SECRET" else node

    plain = Redactor([secret]).plain({"tree": planted(tree)})
    assert f"<{secret}>" not in json.dumps(plain, ensure_ascii=False, allow_nan=False)
    assert json.dumps(secret) not in json.dumps(plain, allow_nan=False)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("password=hunter2 user=ada", f"password={MASK} user=ada"),
        ('{"api_key": "abc def", "pair": "BTC/USD"}', f'{{"api_key": {MASK}, "pair": "BTC/USD"}}'),
        ("Authorization: Bearer abc.def", f"Authorization: {MASK}"),
        ("API-Sign: kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow==", f"API-Sign: {MASK}"),
        ("postgresql://ada:p@ss@db:5432/x", f"postgresql://ada:{MASK}@db:5432/x"),
        ("GET /private?nonce=1&otp_token=99", f"GET /private?nonce=1&otp_token={MASK}"),
        ("order key abc of BTC/USD at 1:20", "order key abc of BTC/USD at 1:20"),
    ],
)
def test_what_stands_under_a_secret_name_in_a_line_is_hidden(line, shown):
    assert Redactor().text(line) == shown


def test_what_stands_under_a_secret_name_in_a_context_is_hidden_whatever_its_shape():
    context = {"kraken": {"API-Key": b"abc", "secrets": ["a", "b"], "has_token": True, "pair": "BTC/USD"}}
    shown = Redactor().plain(context)
    assert shown == {"kraken": {"API-Key": MASK, "secrets": MASK, "has_token": True, "pair": "BTC/USD"}}
    assert is_secret_name("DATABASE_PASSWORD")


def test_a_context_becomes_plain_json_and_the_original_may_change_afterwards():
    @dataclass
    class Broken:
        def __str__(self):
            raise ValueError("no text")

    inner = [1]
    plain = Redactor().plain(
        {
            "price": Decimal("1.10"),
            "big": 2**70,
            "nan": float("nan"),
            7: inner,
            "bytes": b"\xff",
            "odd": Broken(),
        }
    )
    inner.append(2)
    assert plain == {
        "price": "1.10", "big": hex(2**70), "nan": "nan", "7": [1], "bytes": "\ufffd", "odd": "<Broken>",
    }  # fmt: skip


def test_a_context_is_cut_to_its_bounds():
    deep: dict = {}
    for _ in range(MAX_DEPTH * 2):
        deep = {"inner": deep}
    plain = Redactor().plain({"deep": deep, "long": list(range(MAX_ITEMS * 2)), "text": "x" * MAX_TEXT * 2})
    assert json.dumps(plain["deep"]).count("inner") == MAX_DEPTH - 1
    assert len(plain["long"]) == MAX_ITEMS
    assert len(plain["text"]) <= MAX_TEXT + 10


def test_a_lone_surrogate_does_not_break_the_line():
    assert Redactor().text("a\ud800b") == "a?b"


def test_a_value_too_short_to_be_a_secret_blanks_nothing_out():
    assert Redactor(["to"]).text("went to market") == "went to market"
