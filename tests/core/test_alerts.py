"""Nobody is told the same twice in a window, nobody is left with old news, and no address is shown."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gal_friday_core.alert_settings import AlertsConfig
from gal_friday_core.alerts import MOST_KEYS, MOST_TOLD, Alert, Repeats, digest, secrets_in
from gal_friday_core.config import Config
from gal_friday_core.redaction import Redactor

WINDOW_S = 60.0


def alert(key="line", severity="warning", text="down", code="LINE_DOWN"):
    return Alert(code=code, severity=severity, title=f"{key} is {text}", text=text, key=key)


courses = st.lists(
    st.tuples(st.floats(0, 40), st.sampled_from("ab"), st.sampled_from(["info", "page"]), st.integers(0, 99)),
    max_size=60,
)


@given(course=courses)
def test_nothing_is_told_twice_in_a_window_and_the_last_word_of_each_is_told(course):
    repeats, told, last, now_s = Repeats(WINDOW_S), [], {}, 0.0
    for passed_s, key, severity, text in course:
        now_s += passed_s
        told += [(now_s, one) for one in repeats.due(now_s)]
        new = alert(key, severity, str(text))
        last[key, severity] = str(text)
        if (first := repeats.take(new, now_s)) is not None:
            told.append((now_s, first))
    told += [(math.inf, one) for one in repeats.due(math.inf)]
    for one in last:
        times = [(at_s, said.text) for at_s, said in told if (said.key, said.severity) == one]
        between = [after - before for (before, _), (after, _) in pairwise(times)]
        assert all(passed >= WINDOW_S for passed in between)
        assert times[-1][1] == last[one]
    assert repeats.suppressed == len(course) - len(told)
    assert repeats.next_s() is None


def test_a_page_is_not_held_back_by_a_warning_of_the_same_thing():
    repeats = Repeats(WINDOW_S)
    assert repeats.take(alert(severity="warning"), 0)
    assert repeats.take(alert(severity="page"), 1)


def test_after_a_quiet_window_an_alert_is_new_again():
    repeats = Repeats(WINDOW_S)
    repeats.take(alert(), 0)
    assert repeats.take(alert(), WINDOW_S) == alert()
    assert repeats.suppressed == 0


def test_what_is_remembered_is_bounded_and_what_is_held_is_not_forgotten():
    repeats = Repeats(WINDOW_S)
    repeats.take(alert("held"), 0)
    repeats.take(alert("held", text="still down"), 1)
    for number in range(MOST_KEYS + 10):
        assert repeats.take(alert(f"key {number}"), 2) is not None
    assert repeats.take(alert("key 0"), 3) is not None  # forgotten, so new
    assert [one.text for one in repeats.due(WINDOW_S)] == ["still down"]


def test_a_digest_of_a_storm_names_the_worst_and_counts_the_rest():
    storm = [alert(f"pair {number}") for number in range(MOST_TOLD + 5)]
    severity, title, text = digest([*storm, alert("engine", "page", "halted")])
    assert (severity, title) == ("page", f"PAGE: engine is halted, and {MOST_TOLD + 5} more")
    assert text.startswith("PAGE: engine is halted\nhalted\n\nWarning: pair 0")
    assert text.endswith("… and 6 more")


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("tgram://123456789:AbCdEf-gh_IjK/987654", ["123456789:AbCdEf-gh_IjK", "AbCdEf-gh_IjK"]),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops", ["TIiajkdnlazkcOXrIdevi7FQ", "T1JJ3T3L2"]),
        ("mailtos://ada:correct%20horse@mail.example.org?to=eve@example.org", ["correct horse", "correct%20horse"]),
        ("ntfys://tk_4711AbCd@ntfy.example.org/alerts", ["tk_4711AbCd"]),
        ("jsons://hooks.example.org/services/B0Zz91xq?token=8f14e45fceea", ["B0Zz91xq", "8f14e45fceea"]),
    ],
)  # fmt: skip
def test_no_part_that_is_a_key_to_a_destination_is_shown(url, hidden):
    redactor = Redactor(secrets_in(url))
    for secret in hidden:
        assert secret not in redactor.text(f"POST {secret} failed")
    assert url not in redactor.text(f"cannot reach {url}")
    said = "no answer from mail.example.org, ntfy.example.org and hooks.example.org/services at 10.0.0.7:8080"
    assert redactor.text(said) == said


def test_each_destination_hears_what_it_was_listed_for_and_worse():
    settings = AlertsConfig.model_validate(
        {"page_urls": ["json://a"], "warning_urls": ["json://b", "json://c"], "info_urls": ["json://d"]}
    )
    listed = [(least, name) for least, name, _ in settings.urls]
    assert listed == [
        ("page", "page_urls[0]"), ("warning", "warning_urls[0]"), ("warning", "warning_urls[1]"), ("info", "info_urls[0]"),
    ]  # fmt: skip
    assert settings.pages_somebody
    assert not Config().alerts.pages_somebody


def test_addresses_print_as_stars():
    config = Config.model_validate({"alerts": {"page_urls": ["ntfy://tk_4711AbCd@ntfy.sh/topic"]}})
    assert not any("4711" in shown for shown in (repr(config), str(config.alerts), config.model_dump_json()))
