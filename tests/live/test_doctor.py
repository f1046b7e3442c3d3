"""The doctor looks at an installation: what it measures is true, nothing holds it up, and it changes nothing."""

import asyncio
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from gal_friday_adapters.lake import CandleLake
from gal_friday_adapters.paths import artifacts_dir, keys_dir, lake_dir
from gal_friday_adapters.postgres.connect import connect, with_database
from gal_friday_adapters.signing import PRIVATE, PUBLIC, SigningKeys
from gal_friday_core.config import Config
from gal_friday_core.doctor.check import fine
from gal_friday_core.errors import StorageError
from gal_friday_live.cli import app
from gal_friday_live.configuration import ConfigurationManager
from gal_friday_live.control_socket import ControlSocket, control_path
from gal_friday_live.dashboard.link import write_link
from gal_friday_live.doctor import engine, files, machine, rounds, stores
from gal_friday_live.doctor.examine import Examination, examined
from tests.bounded import joined
from tests.live.seeded import seed_model
from tests.live.world import market

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def config(tmp_path):
    return Config.model_validate({"storage": {"data_dir": tmp_path / "data"}})


def managed(config, environ=None):
    manager = ConfigurationManager.from_config(config)
    manager._environ = environ or {}
    return manager


# How it looks


def test_examinations_run_at_once_and_one_that_hangs_is_given_up():
    release, together = threading.Event(), threading.Barrier(2)

    def meet(name):
        together.wait(10)  # neither gets past it alone
        return [fine(name, "")]

    looks = [
        Examination(("a",), lambda: meet("a")),
        Examination(("b",), lambda: meet("b")),
        Examination(("c", "d"), lambda: release.wait(60) and [], within_s=0.2),
    ]
    found = {check.name: check for check in examined(looks)}
    release.set()
    assert [found[name].level for name in "abcd"] == ["ok", "ok", "failure", "warning"]
    assert (found["c"].detail, found["d"].detail) == (
        "no answer within 0.2 s",
        "not looked at: c did not answer",
    )


def test_an_error_of_a_look_is_its_finding_and_what_hangs_on_it_stays_unknown():
    def look():
        raise StorageError("cannot use database x: refused; start that server")

    found = list(examined([Examination(("database", "registry"), look)]))
    assert (found[0].level, found[0].detail, found[0].fix) == (
        "failure",
        "cannot use database x: refused",
        "Start that server",
    )
    assert (found[1].level, found[1].fix) == ("warning", "See to database first.")


# The machine and its files


def test_a_data_directory_that_is_not_there_yet_is_asked_for_where_it_will_be(config, tmp_path):
    room, may = machine.disk(config, tmp_path / "data" / "deep")
    assert (room.name, may.level) == ("disk", "ok")
    assert f"can be made in {tmp_path}" in may.detail
    assert not (tmp_path / "data").exists()


def test_a_folder_that_takes_no_file_is_told(tmp_path):
    found = machine.writable("data directory", tmp_path, tmp_path / "nowhere")
    assert (found.level, "GAL_FRIDAY_DATA_DIR" in found.fix) == ("failure", True)


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, "ok"), (0o644, "ok"), (0o664, "failure"), (0o666, "failure")]
)
def test_settings_that_others_may_change_are_told(tmp_path, mode, level):
    file = tmp_path / "gal-friday.yaml"
    file.write_text("mode: paper\n")
    file.chmod(mode)
    (found,) = files.permissions(tmp_path / "data", file, {})
    assert found.level == level


def test_secrets_that_others_may_read_and_folders_that_all_may_write_are_told(tmp_path):
    secret = tmp_path / "key"
    secret.write_text("SECRET4711")
    secret.chmod(0o644)
    data = tmp_path / "data"
    (data / "keys").mkdir(parents=True)
    (data / "keys").chmod(0o777)
    (found,) = files.permissions(data, None, {"KRAKEN_API_KEY_FILE": str(secret)})
    assert found.level == "failure"
    assert "KRAKEN_API_KEY_FILE" in found.detail
    assert "everybody may write" in found.detail
    assert f"chmod 600 {secret}" in found.fix
    assert "4711" not in str(found.told())


def test_signing_keys_are_looked_at_and_never_made(config):
    folder = keys_dir(artifacts_dir(config))
    assert "none yet" in files.signing_keys(config)[0].detail
    assert not folder.exists()
    SigningKeys(folder).public_key()
    assert files.signing_keys(config)[0].ok
    pinned = config.storage.model_copy(update={"trusted_keys": ("0" * 64,)})
    (found,) = files.signing_keys(config.model_copy(update={"storage": pinned}))
    assert (found.level, "storage.trusted_keys" in found.fix) == ("warning", True)
    (folder / PRIVATE).unlink()
    assert (folder / PUBLIC).exists()
    assert files.signing_keys(config)[0].level == "failure"


def test_a_key_pair_of_which_one_was_replaced_is_a_failure(config):
    folder = keys_dir(artifacts_dir(config))
    SigningKeys(folder).public_key()
    (folder / PUBLIC).write_text("0" * 64)
    look = Examination(("signing key",), lambda: files.signing_keys(config))
    (found,) = examined([look])
    assert (found.level, "one of them was replaced" in found.detail) == ("failure", True)


def test_what_an_engine_and_a_database_left_behind_is_told(config, tmp_path):
    data = tmp_path / "data"
    cluster = data / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "postmaster.pid").write_text("999999999\n/x\n")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(control_path(data)))
    (found,) = files.locks(config, data)
    assert found.level == "warning"
    assert "control.sock was left by an engine that is gone" in found.detail
    assert "names process 999999999, which is gone" in found.detail


# A running engine

STATUS = {
    "mode": "paper",
    "halted": False,
    "halt_reason": None,
    "blocks": [],
    "code_version": "1",
    "pairs": {"BTC/USD": "online"},
}


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({}, "ok", "trades BTC/USD"),
        ({"halted": True, "halt_reason": "DRAWDOWN"}, "warning", "halted: DRAWDOWN"),
        ({"blocks": [{"code": "RECONCILING", "pair": "", "why": "not yet"}]}, "warning", "enters nothing"),
        ({"code_version": "0"}, "warning", "runs code 0, here is 1"),
    ],
)
def test_what_an_engine_says_of_itself_is_judged(change, level, said):
    found = engine.judged({**STATUS, **change}, "1")
    assert (found.level, said in found.detail) == (level, True)


async def test_an_engine_that_hangs_is_a_failure_and_its_key_counts_as_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "ANSWERS_WITHIN_S", 0.2)
    never = asyncio.Event()

    async def answer(_):
        await never.wait()

    async with ControlSocket(control_path(tmp_path), answer):
        (found,) = await asyncio.to_thread(engine.engine, Config(), tmp_path)
        assert (found.level, "it hangs" in found.detail) == ("failure", True)
        assert await engine.runs_live(tmp_path)


async def test_without_an_engine_nothing_is_wrong(tmp_path):
    assert engine.engine(Config(), tmp_path)[0].ok
    assert not await engine.runs_live(tmp_path)


def test_a_port_that_another_program_has_is_told(config):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = config.model_copy(update={"dagster": config.dagster.model_copy(update={"port": port})})

        def refuse():
            other.accept()[0].close()

        hang_up = threading.Thread(target=refuse)
        hang_up.start()
        (found,) = engine.ports(taken)
        joined(hang_up)
    assert (found.level, str(port) in found.detail) == ("warning", True)


def test_a_dashboard_on_its_port_is_where_it_belongs(config):
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        served = config.model_copy(
            update={
                "dashboard": config.dashboard.model_copy(update={"port": port}),
                "dagster": config.dagster.model_copy(update={"port": 0}),
            }
        )
        assert engine.ports(served)[0].level == "warning"
        write_link(served, f"http://127.0.0.1:{port}", "token")
        assert engine.ports(served)[0].ok


def certified(folder, days):
    """A certificate of the dashboard that ends after so many days, and its key."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(NOW - timedelta(days=400)).not_valid_after(NOW + timedelta(days=days))
        .sign(key, None)
    )  # fmt: skip
    files_ = {"tls_certificate": folder / "cert.pem", "tls_key": folder / "key.pem"}
    files_["tls_certificate"].write_bytes(made.public_bytes(Encoding.PEM))
    files_["tls_key"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files_["tls_key"].chmod(0o600)
    return Config.model_validate({"dashboard": files_})


@pytest.mark.parametrize(("days", "level"), [(90, "ok"), (5, "warning"), (-1, "failure")])
def test_a_certificate_that_ends_is_told_in_time(tmp_path, days, level):
    assert files.certificate(certified(tmp_path, days), NOW)[0].level == level


def test_a_key_of_the_certificate_that_others_may_read_is_a_failure(tmp_path):
    config = certified(tmp_path, 90)
    config.dashboard.tls_key.chmod(0o644)
    (found,) = files.certificate(config, NOW)
    assert (found.level, "chmod 600" in found.detail) == ("failure", True)
    assert files.certificate(Config(), NOW)[0].ok


def test_a_package_that_is_named_and_not_there_is_a_failure(config):
    assert machine.extensions(config)[0].ok
    named = config.model_copy(update={"extensions": {"my-breakout": {}}})
    (found,) = examined([Examination(("extensions",), lambda: machine.extensions(named))])
    assert (found.level, "my-breakout" in found.detail) == ("failure", True)


# What is stored


def test_a_database_with_the_present_schema_and_a_sound_model_is_fine(config, database_url, tmp_path):
    asyncio.run(seed_model(database_url, tmp_path / "data"))
    found = {check.name: check for check in stores.database(managed(at(config, database_url)))}
    assert tuple(found) == stores.NAMES
    assert [check.level for check in found.values()] == ["ok"] * 4, found
    assert "1 models" in found["registry"].detail


def test_a_model_in_production_whose_file_was_altered_is_a_failure(config, database_url, tmp_path):
    model_id = asyncio.run(seed_model(database_url, tmp_path / "data"))
    (file,) = artifacts_dir(config).rglob("model.ubj")
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    registry = stores.database(managed(at(config, database_url)))[2]
    assert (registry.level, model_id in registry.detail, "rollback" in registry.fix) == (
        "failure",
        True,
        True,
    )


def test_a_schema_that_is_older_or_newer_is_told_and_left_as_it_is(config, database_url):
    manager = managed(at(config, database_url))
    with connect(database_url) as connection:
        connection.execute("update alembic_version set version_num = '9999_of_the_future'")
    schema, registry = stores.database(manager)[1:3]
    assert (schema.level, registry.level) == ("failure", "warning")
    assert "9999_of_the_future" in schema.detail
    with connect(database_url) as connection:
        connection.execute("drop table alembic_version")
    schema, registry = stores.database(manager)[1:3]
    assert (schema.level, registry.level) == ("warning", "ok")
    with connect(database_url) as connection:
        assert connection.execute("select to_regclass('alembic_version')").fetchone() == (None,)


@pytest.mark.usefixtures("no_pipeline")
def test_a_daemon_is_known_by_its_heartbeats(config, database_url, postgres):
    with connect(postgres.url("postgres")) as server:
        server.execute("create database dagster")
        try:
            with connect(with_database(database_url, "dagster")) as connection:
                connection.execute(
                    "create table daemon_heartbeats (daemon_type text, body text, timestamp timestamp)"
                )
                beat = json.dumps({"timestamp": time.time() - 7_200})
                connection.execute("insert into daemon_heartbeats values ('SENSOR', %s, now())", (beat,))
            found = stores.database(managed(at(config, database_url)))[3]
        finally:
            server.execute("drop database dagster with (force)")
    assert (found.level, found.detail) == ("ok", "not running, last seen 2.0 h ago")


def test_a_database_that_is_not_there_is_a_failure_without_its_password(config):
    manager = managed(at(config, "postgresql://ada:hunter2@127.0.0.1:1/none"))
    found = list(examined([Examination(stores.NAMES, lambda: stores.database(manager), 60.0)]))
    assert [check.level for check in found] == ["failure", "warning", "warning", "warning"]
    assert "hunter2" not in str([check.told() for check in found])


def test_an_embedded_database_that_was_never_made_is_not_made(config, tmp_path):
    assert all(check.ok for check in stores.database(managed(config)))
    assert not (tmp_path / "data").exists()


def at(config, url):
    return Config.model_validate({"storage": {"data_dir": config.storage.data_dir, "database_url": url}})


def test_candles_that_are_cut_off_or_old_are_told(config):
    assert stores.lake(config)[0].ok
    lake = CandleLake(lake_dir(config))
    lake.write(market())
    (found,) = stores.lake(config)
    assert (found.level, "ends at" in found.detail) == ("warning", True)
    first, *_ = lake.root.rglob("data.parquet")
    first.write_bytes(first.read_bytes()[:-2])
    (found,) = stores.lake(config)
    assert (found.level, "1 files are damaged" in found.detail) == ("failure", True)


# The command


def test_a_new_installation_passes_and_json_has_every_check(tmp_path, monkeypatch):
    monkeypatch.setenv("GAL_FRIDAY_DATA_DIR", str(tmp_path / "data"))
    ran = CliRunner().invoke(app, ["doctor", "--offline", "--json"])
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["ok"], told["failures"]) == (0, True, 0), told
    assert {"name", "ok", "level", "detail", "fix"} == set(told["checks"][0])
    names = [check["name"] for check in told["checks"]]
    assert names == [name for one in rounds.examinations(None, {}, offline=True) for name in one.names]
    assert not (tmp_path / "data").exists()


def test_settings_that_are_wrong_are_a_failure_that_names_the_key(tmp_path):
    file = tmp_path / "gal-friday.yaml"
    file.write_text("risk:\n  risk_per_trad: 0.01\n")
    ran = CliRunner().invoke(app, ["doctor", "--config", str(file), "--json"])
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["ok"], told["checks"][0]["name"]) == (1, False, "configuration")
    assert "did you mean risk.risk_per_trade?" in told["checks"][0]["detail"]
    shown = CliRunner().invoke(app, ["doctor", "--config", str(file)])
    assert (shown.exit_code, "1 check fails" in shown.stdout) == (1, True)
