"""The page of a look: every finding and figure on it, nothing fetched, whatever could not be judged."""

import re
from html.parser import HTMLParser

from gal_friday_adapters.drift_page import render
from gal_friday_core.drift.delay import Scored
from gal_friday_core.drift.looks import Look, look
from gal_friday_core.drift.settings import DriftConfig
from tests.core.drift.scored import scored
from tests.core.drift.test_looks import watched


class Well(HTMLParser):
    """Every tag that was opened is closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page(**changes):
    given, now_ns = watched(**changes)
    text = render(look(given, now_ns, DriftConfig()), ["a window of 500 bars"])
    reader = Well()
    reader.feed(text.replace("<!doctype html>", ""))
    assert reader.open == []
    assert not re.search(r"<script|https?://|src=|@import|\bnan\b|None", text)
    return text


def test_a_sound_model_has_a_page_without_alarms():
    text = page()
    assert 'class="note lost"' not in text
    assert text.count('class="note gain"') == 4
    assert "a window of 500 bars" in text
    assert text.count("before and now") == 3


def test_drift_is_told_on_top_with_what_is_recommended():
    given, _ = watched()
    shifted = given.features.copy()
    shifted[:, 1] += 1
    text = page(features=shifted, scored=scored(1_500, 3, worse_from=300, by=0.45))
    assert text.count('class="note lost"') >= 2
    assert '<td class="lost">drifted</td>' in text
    assert "Recommended: retrain immediately" in text
    assert "CUSUM of what trades fell short by" in text


def test_what_cannot_be_judged_has_a_page_too():
    text = page(scored=Scored.empty(), history=Scored.empty(), features=watched()[0].features[:3])
    assert text.count("<dd>undecided") == 3
    assert "longer windows" in text
    assert "m@v1" in render(Look.nothing("m@v1", 0, "nothing was recorded yet"))


def test_names_are_escaped():
    assert "<b>" not in render(Look.nothing("<b>", 0, "<b>"))
