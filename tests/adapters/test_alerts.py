"""Alerts reach whoever is to hear them, hold nobody up, and are counted where they do not arrive."""

import logging
import threading

import pytest

from gal_friday_adapters import alerts
from gal_friday_adapters.alerts import AlertDispatch, deliver
from gal_friday_adapters.destination import APPRISE_LOG, Destination
from gal_friday_core.alert_settings import AlertsConfig
from gal_friday_core.alerts import Alert
from gal_friday_core.errors import ConfigError, DataError, StorageError
from tests.adapters.alert_servers import PATIENCE_S, Arrivals, MailServer, Webhook

NOWHERE = "json://127.0.0.1:1/ToKen4711"


def alert(key="halt", severity="page", text="DISK_FULL: 100 MB, limit 128 MB", title="Trading halted"):
    return Alert(code="HALT", severity=severity, title=title, text=text, key=key)


def settings(*pages, warnings=(), infos=(), pause_s=0.0, **more):
    return AlertsConfig.model_validate(
        {"page_urls": pages, "warning_urls": warnings, "info_urls": infos, "pause_s": pause_s, **more}
    )


class Posts:
    """Deliveries by name of destination; `failures` are raised first, `open` holds them up while clear."""

    def __init__(self):
        self.told = Arrivals()
        self.failures = {}
        self.hung = set()
        self.ended = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def post_for(self, name, _url):
        return _Post(self, name)

    def hang(self, name):
        """Hold up this destination alone."""
        self.hung.add(name)


class _Post:
    def __init__(self, posts, name):
        self.posts, self.name = posts, name

    def connect(self):
        pass

    def __call__(self, severity, title, text):
        self.posts.open.wait(PATIENCE_S)
        if self.name in self.posts.hung:
            self.posts.ended.wait(PATIENCE_S)
        if waiting := self.posts.failures.get(self.name):
            raise waiting.pop(0)
        self.posts.told.add((self.name, severity, title, text))


@pytest.fixture
def posts():
    found = Posts()
    yield found
    found.open.set()
    found.ended.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(alerts, "PAUSES_S", (0.01,))
    monkeypatch.setattr(alerts, "LINGER_S", 0.01)


def dispatch(config, posts):
    made = AlertDispatch(config, post_for=posts.post_for, now_ns=lambda: 1_709_251_200_000_000_000)
    made.start()
    return made


def test_a_webhook_and_a_mailbox_hear_the_same_alert():
    with Webhook() as hook, MailServer() as mail:
        sender = AlertDispatch(settings(hook.url, mail.url), now_ns=lambda: 1_709_251_200_000_000_000)
        sender.raise_alert(alert(text=(said := "DISK_FULL <b>\n\nby monitoring & more")))
        assert sender.close(PATIENCE_S)
        (posted,), (mailed,) = hook.arrived.all, mail.arrived.all
    assert posted["title"] == mailed["Subject"] == "Gal-Friday PAGE: Trading halted"
    assert (posted["type"], posted["message"]) == ("failure", f"{said}\n2024-03-01T00:00:00Z")
    assert mailed.get_content().replace("\r\n", "\n").strip() == posted["message"]
    assert mailed["To"] == "ada@example.org"


def test_a_page_goes_to_everybody_and_news_only_to_who_asked_for_them(posts):
    sender = dispatch(settings("json://a", warnings=["json://b"], infos=["json://c"]), posts)
    for severity in ("info", "warning", "page"):
        sender.raise_alert(alert(severity, severity))
        sender.drain(PATIENCE_S)
    assert sender.close(PATIENCE_S)
    heard = {(name, severity) for name, severity, _, _ in posts.told.all}
    assert heard == {
        ("alerts.page_urls[0]", "page"),
        ("alerts.warning_urls[0]", "page"), ("alerts.warning_urls[0]", "warning"),
        ("alerts.info_urls[0]", "page"), ("alerts.info_urls[0]", "warning"), ("alerts.info_urls[0]", "info"),
    }  # fmt: skip


def test_what_is_too_mild_or_has_nobody_to_hear_it_is_logged_and_counted(posts, caplog):
    sender = dispatch(settings("json://a", min_severity="warning"), posts)
    with caplog.at_level(logging.INFO, alerts.LOGGER):
        sender.raise_alert(alert("start", "info", "paper", "Engine started"))
        sender.raise_alert(alert("feed", "warning", "BTC/USD", "Feed stale"))
    assert sender.close(PATIENCE_S)
    assert caplog.messages == ["Info: Engine started: paper", "Warning: Feed stale: BTC/USD"]
    assert (sender.counts.raised, sender.counts.unheard, posts.told.all) == (2, 2, [])


def test_a_repetition_is_held_and_told_when_its_window_is_over(posts):
    sender = dispatch(settings("json://a", repeat_after_s=0.1), posts)
    for number in range(4):
        sender.raise_alert(alert(text=f"reading {number}"))
    (first, last) = posts.told.wait(2)
    assert sender.close(PATIENCE_S)
    assert (first[2:], last[2:]) == (
        ("PAGE: Trading halted", "reading 0\n2024-03-01T00:00:00Z"),
        ("PAGE: Trading halted (3 since the last one)", "reading 3\n2024-03-01T00:00:00Z"),
    )
    assert (sender.counts.suppressed, sender.counts.destinations["alerts.page_urls[0]"].written) == (2, 2)


def test_what_comes_in_the_pause_after_a_message_goes_together_in_the_next(posts):
    sender = dispatch(settings("json://a", pause_s=3_600), posts)
    sender.raise_alert(alert("first"))
    posts.told.wait(1)
    for number in range(30):
        sender.raise_alert(alert(f"pair {number}", title=f"Pair {number} is unprotected"))
    sender.raise_alert(alert("last"))
    assert sender.close(PATIENCE_S)
    assert [title for _, _, title, _ in posts.told.all] == [
        "PAGE: Trading halted",
        "PAGE: Pair 0 is unprotected, and 30 more",
    ]
    assert sender.counts.destinations["alerts.page_urls[0]"].written == 32


def test_one_destination_that_fails_is_tried_again_and_delays_no_other(posts):
    posts.failures["alerts.page_urls[0]"] = [StorageError("503") for _ in range(5)]
    sender = dispatch(settings("json://a", "json://b"), posts)
    sender.raise_alert(alert())
    assert [name for name, *_ in posts.told.wait(2)] == ["alerts.page_urls[1]", "alerts.page_urls[0]"]
    assert sender.close(PATIENCE_S)
    counts = sender.counts.destinations
    assert (counts["alerts.page_urls[0]"].failures, counts["alerts.page_urls[1]"].failures) == (5, 0)


def test_a_webhook_that_answers_late_with_errors_gets_the_alert_in_the_end():
    with Webhook() as hook:
        hook.answers = [500, 429, 401]
        sender = AlertDispatch(settings(hook.url))
        sender.start()
        sender.raise_alert(alert())
        assert len(hook.arrived.wait(1)) == 1
        assert sender.close(PATIENCE_S)
        assert len(hook.asked.all) == 4
    assert sender.counts.destinations["alerts.page_urls[0]"].failures == 3


def test_a_destination_that_hangs_holds_nobody_up_and_what_it_loses_is_counted(posts):
    posts.open.clear()
    sender = dispatch(settings("json://a", queue=10, repeat_after_s=0), posts)
    for number in range(100):
        sender.raise_alert(alert(f"key {number}"))
    assert not sender.drain(0.05)
    assert not sender.close(0.5)
    counts = sender.counts.destinations["alerts.page_urls[0]"]
    assert (counts.written, counts.dropped + counts.waiting) == (0, 100)
    sender.raise_alert(alert("too late"))
    assert sender.counts.lost == 1


def test_last_words_reach_whoever_hears_though_another_destination_hangs(posts):
    sender = dispatch(settings("json://a", "json://b", pause_s=PATIENCE_S), posts)
    sender.raise_alert(alert("first"))
    assert len(posts.told.wait(2)) == 2
    posts.hang("alerts.page_urls[0]")
    sender.raise_alert(alert("last", text="it ended"))
    assert not sender.close(1.0)
    assert (
        "alerts.page_urls[1]",
        "page",
        "PAGE: Trading halted",
        "it ended\n2024-03-01T00:00:00Z",
    ) in posts.told.all


def test_what_a_destination_never_takes_is_given_up_after_its_time(posts):
    posts.failures["alerts.page_urls[0]"] = [StorageError("401") for _ in range(1_000)]
    sender = dispatch(settings("json://a", give_up_after_s=0.05), posts)
    sender.raise_alert(alert())
    assert sender.drain(PATIENCE_S)
    assert sender.counts.destinations["alerts.page_urls[0]"].rejected == 1
    sender.close(0)


def test_an_address_that_is_not_understood_is_told_at_the_start_without_showing_it(caplog):
    sender = AlertDispatch(settings("nosuch://ToKen4711/Secret99"))
    sender.start()
    sender.raise_alert(alert())
    assert sender.drain(PATIENCE_S)
    assert sender.close(PATIENCE_S)
    # pytest listens to apprise's own logger too, which goes to no destination of ours.
    said = [record.getMessage() for record in caplog.records if record.name != APPRISE_LOG]
    assert "alerts.page_urls[0] (nosuch) is no address that is understood" in said[1]
    assert not any("4711" in line or "Secret99" in line for line in said)
    assert sender.counts.destinations["alerts.page_urls[0]"].rejected == 1


def test_no_message_and_no_log_line_shows_a_secret(posts, caplog):
    sender = dispatch(settings("tgram://123456789:AbCdEf-gh_IjK/987654"), posts)
    sender.raise_alert(
        alert(text="lost tgram://123456789:AbCdEf-gh_IjK/987654, password=hunter2, AbCdEf-gh_IjK")
    )
    assert sender.close(PATIENCE_S)
    shown = caplog.text + str(posts.told.all)
    assert not any(secret in shown for secret in ("AbCdEf", "hunter2", "123456789"))


def test_a_refusal_says_why_and_not_where_to():
    with Webhook() as hook:
        hook.answers = [401]
        with pytest.raises(StorageError, match=r"x \(json\) did not take it: .*error=401") as refused:
            Destination("x", hook.url)("page", "t", "m")
    assert hook.url not in str(refused.value)
    with pytest.raises(StorageError, match=r"x \(json\) did not take it: A Connection error"):
        Destination("x", NOWHERE)("page", "t", "m")
    with pytest.raises(DataError, match=r"x \(slack\) is no address that is understood"):
        Destination("x", "slack://ToKen4711").connect()


def test_the_test_button_tells_how_every_destination_fared():
    with Webhook() as hook:
        told = deliver(settings(hook.url, NOWHERE, infos=[hook.url]), alert(severity="page"))
        assert [(one["destination"], one["kind"], one["ok"]) for one in told] == [
            ("alerts.page_urls[0]", "json", True), ("alerts.page_urls[1]", "json", False), ("alerts.info_urls[0]", "json", True),
        ]  # fmt: skip
        assert len(hook.arrived.all) == 2
    assert "Connection error" in told[1]["problem"]
    assert "4711" not in str(told)
    with pytest.raises(ConfigError, match="nobody hears alerts of severity info: set alerts"):
        deliver(settings(NOWHERE), alert(severity="info"))
