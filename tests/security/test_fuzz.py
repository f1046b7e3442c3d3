"""No parser of what others wrote lets out anything but our own errors, whatever the bytes are.

`python -m tests.security.fuzz PARSER SECONDS` looks for longer; what it finds stays in `corpus`, and is tried here.
"""

import contextlib
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_core.errors import GalFridayError
from tests.security.fuzz import CORPUS
from tests.security.mutating import EDITS, mutated
from tests.security.parsers import PARSERS

SLOW = {
    "trees": 40,
    "artifact": 25,
    "parquet": 40,
    "simulated_rest": 60,
    "simulated_websocket": 60,
    "events": 60,
}
"""Texts tried; 120 of the others."""

pytestmark = pytest.mark.filterwarnings(
    # What a damaged archive makes the standard library say.
    "ignore:Duplicate name:UserWarning"
)


@pytest.mark.parametrize("name", PARSERS)
def test_the_examples_are_understood(name):
    """Else everything derived from them would be refused at the first byte, and nothing tested."""
    for example in PARSERS[name].examples():
        PARSERS[name].parse(example)


@pytest.mark.parametrize("name", PARSERS)
def test_what_was_found_once_stays_found(name):
    for case in sorted((CORPUS / name).glob("*")):
        with contextlib.suppress(GalFridayError):
            PARSERS[name].parse(case.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_edited_examples_raise_our_errors_only(name):
    @settings(max_examples=SLOW.get(name, 120), deadline=None)
    @given(st.integers(0, 2**64 - 1))
    def run(seed):
        text = mutated(random.Random(seed), PARSERS[name].examples())
        with contextlib.suppress(GalFridayError):
            PARSERS[name].parse(text)

    run()


@pytest.mark.parametrize("name", PARSERS)
def test_any_bytes_raise_our_errors_only(name):
    @settings(max_examples=SLOW.get(name, 120) // 2, deadline=None)
    @given(st.binary(max_size=200))
    def run(text):
        with contextlib.suppress(GalFridayError):
            PARSERS[name].parse(text)

    run()


def test_the_corpus_belongs_to_parsers_there_are():
    kept = {folder.name for folder in CORPUS.iterdir() if not folder.name.startswith(".")}
    assert kept <= PARSERS.keys()


def test_every_kind_of_edit_changes_a_text_and_a_seed_gives_one_text():
    examples = (b'{"price": 1.5, "name": "x"}', b'{"qty": 2}')
    assert mutated(random.Random(5), examples) == mutated(random.Random(5), examples)
    for edit in EDITS:
        assert any(edit(random.Random(seed), examples[0], examples) != examples[0] for seed in range(50)), (
            edit
        )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="atheris has no wheel for this Python")
def test_atheris_finds_nothing_in_some_seconds():
    """Where it is installed: `pip install atheris`."""
    pytest.importorskip("atheris")
    import subprocess

    ran = subprocess.run(
        [sys.executable, "-m", "tests.security.fuzz", "private_wire", "5"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
