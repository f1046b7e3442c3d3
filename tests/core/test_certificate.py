"""A certificate agrees with itself, in one form of bytes, or it is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core import artifact
from gal_friday_core.certificate import GATES, Certificate, Gate
from gal_friday_core.errors import ArtifactError


def certificate(**changes):
    gates = tuple(
        changes.pop(name, None) or Gate.of(name, 1.0, "at_least", 0.5, f"{name} is well") for name in GATES
    )
    return Certificate(
        model_type="m", artifact_sha256="a" * 64, series="test:BTC-USD:1h", feature_set="candles-v1",
        schema_hash="b" * 64, label_set="triple-barrier-v1", label_hash="c" * 64, data_version="d" * 64,
        code_version="1", config_hash="e" * 64, trials=3, incumbent=None, gates=gates,
        passed=all(gate.passed for gate in gates), **changes,
    )  # fmt: skip


def edited(**changes):
    return artifact.to_json(json.loads(certificate().to_bytes()) | changes)


def with_gate(position, **changes):
    gates = json.loads(certificate().to_bytes())["gates"]
    gates[position] |= changes
    return edited(gates=gates)


def test_it_survives_its_bytes():
    made = certificate()
    assert Certificate.from_bytes(made.to_bytes()) == made
    assert made.passed
    assert len(made.reasons) == len(GATES)


def test_reasons_are_those_of_the_failed_gates():
    made = certificate(pbo=Gate.of("pbo", 0.4, "at_most", 0.2, "chosen by luck"))
    assert not made.passed
    assert made.reasons == ("chosen by luck",)
    assert made.gate("pbo").value == 0.4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: edited(passed=False), "it says passed: False, its gates say otherwise"),
        (lambda: with_gate(4, value=0.1), "gate psr says passed: True, its numbers say otherwise"),
        (lambda: with_gate(4, limit=None), "gate psr says passed: True"),
        (lambda: with_gate(4, name="sharpe"), "its gates are not those of this format"),
        (lambda: edited(gates=json.loads(certificate().to_bytes())["gates"][:-1]), "its gates are not those"),
        (lambda: edited(format=2), "format 2, this version reads 1"),
        (lambda: edited(signed_by="me"), "unknown field `signed_by`"),
        (lambda: edited(trials="many"), "Expected `int`"),
        (lambda: certificate().to_bytes().replace(b"\n", b""), "not in its canonical form"),
        (lambda: certificate().to_bytes() + b" ", "not in its canonical form"),
        (lambda: certificate().to_bytes()[:-40], "Input data was truncated"),
        (lambda: b"\xff\xfe", "certify the model again"),
        (lambda: with_gate(0, passed=1), "Expected `bool`"),
    ],
)  # fmt: skip
def test_what_was_edited_by_hand_is_refused_in_words(content, said):
    with pytest.raises(ArtifactError, match="certificate: ") as refused:
        Certificate.from_bytes(content())
    assert said in str(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(content):
    with pytest.raises(ArtifactError):
        Certificate.from_bytes(content)


@pytest.mark.parametrize(
    ("value", "comparison", "limit", "passed"),
    [
        (1.0, "above", 1.0, False), (1.1, "above", 1.0, True), (1.0, "at_least", 1.0, True),
        (0.9, "at_least", 1.0, False), (1.0, "below", 1.0, False), (0.9, "below", 1.0, True),
        (1.0, "at_most", 1.0, True), (1.1, "at_most", 1.0, False), (0.0, "equal", 0.0, True),
        (1.0, "equal", 0.0, False), (None, "above", 0.0, False), (None, "above", None, True),
        (1.0, "above", None, False),
    ],
)  # fmt: skip
def test_a_gate_passes_as_its_numbers_say_and_the_unknown_does_not(value, comparison, limit, passed):
    assert Gate.of("psr", value, comparison, limit, "").passed is passed
