"""No secret in a log line, a traceback, an error or a repr, however it got there."""

import asyncio
import base64
import json
import logging
import traceback
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gal_friday_adapters.postgres.connect import connect
from gal_friday_adapters.postgres.database import Database
from gal_friday_core import section
from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, ExchangeError, GalFridayError, StorageError
from gal_friday_core.redaction import MASK, Redactor
from gal_friday_core.section import Section
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.logger_service import LoggerService
from tests.test_house import PACKAGES, calls, imported, named, sources, tree

SECRET = "kQH5HW/8p1uGOVjbgWA7+FunAmGO8ls=="
ENCODED = {
    "plain": SECRET,
    "percent": urllib.parse.quote(SECRET, safe=""),
    "base64": base64.b64encode(SECRET.encode()).decode()[: len(SECRET) * 8 // 6],
    "hex": SECRET.encode().hex(),
    "json": json.dumps({"x": SECRET})[7:-2],
    "repr": repr(SECRET.encode()),
}
ENVIRON = {"KRAKEN_API_KEY": "the-key-of-this-test", "KRAKEN_API_SECRET": SECRET}

secrets = st.text(
    st.characters(codec="utf-8", exclude_characters="*", exclude_categories=["Cs"]), min_size=9, max_size=60
)
secrets = secrets.filter(lambda text: text.strip() == text)


def logger(tmp_path, *more):
    """A logger as the engine has it, writing one JSON file."""
    config = ConfigurationManager(None, environ={**ENVIRON, "GAL_FRIDAY__LOGGING__DESTINATIONS": '["files"]'})
    return LoggerService(config, directory=tmp_path / "logs", secrets=more)


def written(tmp_path, say, *more):
    async def run():
        service = logger(tmp_path, *more)
        await service.start()
        try:
            say(service)
        finally:
            await service.stop()

    asyncio.run(run())
    return "".join(path.read_text() for path in (tmp_path / "logs").rglob("*") if path.is_file())


def chain(secret):
    """Three exceptions, each with the secret in another place: message, cause, context, note, locals."""

    def inner():
        raise ValueError(f"inner {secret}")

    def middle():
        try:
            inner()
        except ValueError as error:
            raise KeyError(f"middle {urllib.parse.quote(secret, safe='')}") from error

    try:
        try:
            middle()
        except KeyError:
            outer = ExchangeError(f"outer {base64.b64encode(secret.encode()).decode()}")
            outer.add_note(f"note {secret!r}")
            raise outer  # noqa: B904 - the context is what is tested
    except ExchangeError as error:
        return error


def test_a_logged_chain_of_exceptions_shows_every_link_and_no_secret(tmp_path):
    told = written(tmp_path, lambda service: service.log("ERROR", "it broke", "test", exc_info=chain(SECRET)))
    for word in ("inner", "middle", "outer", "note", "ValueError", "KeyError", "ExchangeError"):
        assert word in told
    assert MASK in told
    for how, form in ENCODED.items():
        assert form not in told, how


@settings(max_examples=60, deadline=None)
@given(secret=secrets)
def test_no_chain_shows_any_secret_in_any_form(secret):
    text = "".join(traceback.format_exception(chain(secret)))
    shown = Redactor([secret]).text(text)
    assert f"inner {secret}" not in shown
    assert urllib.parse.quote(secret, safe="") not in shown or len(urllib.parse.quote(secret, safe="")) < 9
    assert base64.b64encode(secret.encode()).decode().rstrip("=")[:-1] not in shown


@pytest.mark.parametrize("how", ENCODED)
def test_a_line_and_its_context_hide_every_form(tmp_path, how):
    def say(service):
        service.log(
            "INFO", f"sent {ENCODED[how]}", "test", {"deep": [{"x": f"<{ENCODED[how]}>"}], ENCODED[how]: 1}
        )
        logging.getLogger("somebody.else").warning("they say %s", ENCODED[how])

    assert ENCODED[how] not in written(tmp_path, say)


def test_a_traceback_shows_no_values_of_locals(tmp_path):
    unregistered = "a value that nobody registered 8461"

    def fails():
        held = unregistered
        raise ValueError(f"{len(held)} characters")

    def say(service):
        try:
            fails()
        except ValueError:
            service.log("ERROR", "it broke", "test", exc_info=True)

    told = written(tmp_path, say)
    assert "35 characters" in told
    assert unregistered not in told


def test_nobody_asks_for_tracebacks_with_locals_or_for_libraries_that_print_what_they_send():
    offenders = [
        f"{named(path)}:{call.lineno} {keyword.arg}"
        for path in sources(*PACKAGES)
        for name, call in calls(tree(path))
        for keyword in call.keywords
        if keyword.arg
        in ("show_locals", "capture_locals", "debug", "verbose", "pretty_exceptions_show_locals")
        and getattr(keyword.value, "value", None) is True
    ]
    assert offenders == []
    cgitb = [named(path) for path in sources(*PACKAGES) if {"cgitb", "faulthandler"} & set(imported(path))]
    assert cgitb == []


def sections(kind=Config):
    yield kind
    for field in kind.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from sections(field.annotation)


def test_every_section_of_the_configuration_hides_its_input_in_errors():
    found = list(sections())
    assert len(found) > 10
    assert all(each.model_config.get("hide_input_in_errors") is True for each in found)
    assert section.Section.model_config["frozen"]


@pytest.mark.parametrize(
    "environ",
    [
        {"GAL_FRIDAY__TIMESERIES__TOKEN": SECRET, "GAL_FRIDAY__RISK__RISK_PER_TRADE": SECRET},
        {"GAL_FRIDAY__MARKET__PAIRS": SECRET},
        {"GAL_FRIDAY__MODE": SECRET},
        {"GAL_FRIDAY__NO_SUCH__KEY": SECRET},
    ],
)
def test_an_error_of_the_configuration_shows_no_value(environ):
    with pytest.raises(ConfigError) as told:
        ConfigurationManager(None, environ=environ).load_config()
    assert SECRET not in "".join(traceback.format_exception(told.value, chain=True))


def test_a_secret_of_the_configuration_prints_as_stars_wherever_it_is_shown():
    url = f"postgresql://ada:{urllib.parse.quote(SECRET, safe='')}@db/x"
    config = Config.model_validate({"storage": {"database_url": url}, "timeseries": {"token": SECRET}})
    for shown in (repr(config), str(config), config.model_dump_json(), f"{config.model_dump()}"):
        assert SECRET not in shown
        assert urllib.parse.quote(SECRET, safe="") not in shown


@pytest.mark.parametrize(
    "where", ["127.0.0.1:1", "no-such-host.invalid", "127.0.0.1:99999", "127.0.0.1:port"]
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(where):
    url = f"postgresql://ada:{urllib.parse.quote(SECRET, safe='')}@{where}/x?connect_timeout=1"

    async def opened():
        async with Database(url):
            pass

    def connected():
        with connect(url):
            pass

    for attempt in (lambda: asyncio.run(opened()), connected):
        with pytest.raises(StorageError) as told:
            attempt()
        text = "".join(traceback.format_exception(told.value))
        assert SECRET not in text
        assert urllib.parse.quote(SECRET, safe="") not in text


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
@pytest.mark.parametrize("variable", ["KRAKEN_API_KEY_FILE", "KRAKEN_API_SECRET_FILE"])
def test_exchange_keys_in_files_that_others_may_read_are_refused(tmp_path, variable, mode):
    environ = {}
    for name in ("KRAKEN_API_KEY_FILE", "KRAKEN_API_SECRET_FILE"):
        file = tmp_path / name
        file.write_text(SECRET)
        file.chmod(mode if name == variable else 0o600)
        environ[name] = str(file)
    with pytest.raises(ConfigError, match=rf"{variable}: .* others may read: run chmod 600") as told:
        ConfigurationManager(None, environ=environ).get_api_keys()
    assert SECRET not in str(told.value)


def test_a_configuration_file_with_a_secret_must_be_private_and_one_without_need_not(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("market:\n  pairs: [BTC/USD]\n")
    file.chmod(0o644)
    ConfigurationManager(str(file), environ={}).load_config()
    file.write_text(f"timeseries:\n  token: '{SECRET}'\n")
    with pytest.raises(GalFridayError, match=r"timeseries\.token: .* others may read") as told:
        ConfigurationManager(str(file), environ={}).load_config()
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_keys_of_a_bucket_are_left_out_of_every_line(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "the/key+of=a-bucket")
    text = written(tmp_path, lambda service: service.log("ERROR", "refused: the/key+of=a-bucket", "test"))
    assert "the/key+of=a-bucket" not in text
    assert "refused: " in text


def test_an_alert_address_is_a_secret_in_logs_in_files_and_in_errors(tmp_path):
    address = "tgram://123456789:AbCdEf-gh_IjK/987654"
    environ = {
        **ENVIRON,
        "GAL_FRIDAY__ALERTS__PAGE_URLS": json.dumps([address]),
        "GAL_FRIDAY__LOGGING__DESTINATIONS": "[]",
    }
    config = ConfigurationManager(None, environ=environ)
    redactor = LoggerService(config, directory=tmp_path / "logs").redactor
    shown = redactor.text(f"POST https://api.telegram.org/bot123456789:AbCdEf-gh_IjK/send to {address}")
    assert "AbCdEf" not in shown + repr(config.config)
    file = tmp_path / "config.yaml"
    file.write_text(f"alerts:\n  page_urls: ['{address}']\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match=r"alerts\.page_urls: .* others may read: run chmod 600") as told:
        ConfigurationManager(str(file), environ={}).load_config()
    assert "AbCdEf" not in str(told.value)
