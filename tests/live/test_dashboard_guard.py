"""Who may come in to the dashboard, and what it refuses: each row of the table of `dashboard.guard`."""

import json
import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gal_friday_core.config import Config
from gal_friday_core.dashboard_settings import DashboardConfig
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.recovery import Check, Resumption
from gal_friday_live.dashboard.guard import Place
from gal_friday_live.dashboard.link import link_file, read_link
from gal_friday_live.dashboard.place import check_safe
from gal_friday_live.dashboard.sessions import Sessions
from tests.live.dashboard_room import room

PAGES = ("/", "/trading", "/model", "/risk", "/system")


async def test_nothing_but_the_login_is_there_without_a_session(tmp_path):
    async with room(tmp_path, served=False) as here, here.client() as client:
        for path in (*PAGES, "/api/metrics", "/data/main/equity", "/nothing"):
            answer = await client.get(path)
            assert answer.status_code == 401, path
            assert "gal-friday dashboard --link" in answer.text
        assert (await client.post("/actions/halt", json={})).status_code == 401
        assert (await client.get("/login", params={"token": "guessed"})).status_code == 401


async def test_a_link_logs_in_once_and_the_next_one_is_another(tmp_path):
    async with room(tmp_path, served=False) as here:
        link = here.link
        file = link_file(here.manager.config)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        async with here.client() as client:
            assert (await client.head(link)).status_code == 401, "who only looks does not spend it"
            answer = await client.get(link)
            cookie = answer.headers["set-cookie"].lower()
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            assert "httponly" in cookie
            assert "samesite=strict" in cookie
            assert "secure" not in cookie, "it is plain http on loopback"
            assert (await client.get("/")).status_code == 200
        assert here.link != link
        async with here.client() as another:
            assert (await another.get(link)).status_code == 401
    assert not file.exists()
    with pytest.raises(StorageError, match="no dashboard runs"):
        read_link(here.manager.config)


async def test_every_answer_forbids_what_the_pages_do_not_need(tmp_path):
    async with room(tmp_path, served=False) as here, here.logged_in() as client:
        for path in (*PAGES, "/nothing", "/api/metrics"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; ")
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"


async def test_another_host_name_is_refused(tmp_path):
    """A page elsewhere whose name was made to lead to this machine reaches nothing."""
    async with room(tmp_path, served=False) as here, here.logged_in() as client:
        port = here.url.rpartition(":")[2]
        for host in ("evil.example", "127.0.0.1", "127.0.0.1:1", f"localhost.evil.example:{port}", ""):
            assert (await client.get("/", headers={"Host": host})).status_code == 421, host
        assert (await client.get("/", headers={"Host": f"localhost:{port}"})).status_code == 200


async def test_only_the_pages_own_request_halts(tmp_path):
    forged = [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"X-CSRF-Token": "guessed"}, 403),
        ({"X-CSRF-Token": None}, 403),
        ({"Cookie": "gal_friday=guessed"}, 401),
    ]
    async with room(tmp_path) as here, here.logged_in() as client:
        own = {"Origin": here.url, "Content-Type": "application/json", "X-CSRF-Token": client.csrf}
        for changed, status in forged:
            headers = {name: value for name, value in {**own, **changed}.items() if value is not None}
            answer = await client.post("/actions/halt", content="{}", headers=headers)
            assert (answer.status_code, here.engine.heard) == (status, []), changed
        assert (await client.post("/actions/halt", content="{}", headers=own)).status_code == 200
        assert len(here.engine.heard) == 1


async def test_a_body_that_is_long_or_no_object_is_refused(tmp_path):
    async with room(tmp_path) as here, here.logged_in() as client:
        own = {"Origin": here.url, "Content-Type": "application/json", "X-CSRF-Token": client.csrf}
        too_long = json.dumps({"reason": "x" * 5_000})
        assert (await client.post("/actions/halt", content=too_long, headers=own)).status_code == 413
        assert (await client.post("/actions/halt", content="[]", headers=own)).status_code == 400
        assert (await client.post("/actions/liquidate", content="{}", headers=own)).status_code == 409
        assert (await client.request("DELETE", "/", headers=own)).status_code == 405
        assert here.engine.heard == []


async def test_resuming_asks_for_the_word_and_a_reason_and_tells_why_not(tmp_path):
    async with room(tmp_path) as here, here.logged_in() as client:
        own = {"Origin": here.url, "X-CSRF-Token": client.csrf}

        async def resume(**details):
            return await client.post("/actions/resume", json=details, headers=own)

        assert "type RESUME" in (await resume(reason="it is fine", word="resume")).json()["error"]
        assert "say why" in (await resume(reason="  ", word="RESUME")).json()["error"]
        assert here.engine.heard == []
        here.engine.refusal = Resumption(refusal="CHECKLIST_NOT_CLEAN", checks=(Check("CLOCK", "2 s off"),))
        refused = await resume(reason="it is fine", word="RESUME")
        assert refused.status_code == 409
        assert "CLOCK: 2 s off" in refused.json()["error"]
        here.engine.refusal = Resumption()
        assert (await resume(reason="it is fine", word="RESUME")).json()["said"] == "The engine trades again."
        assert here.engine.heard[-1][:2] == ("resume", "it is fine")
        assert here.engine.heard[-1][2].startswith("dashboard ")


async def test_every_attempt_is_kept_with_its_session_and_outcome(tmp_path):
    async with room(tmp_path) as here, here.logged_in() as client:
        own = {"Origin": here.url, "X-CSRF-Token": client.csrf}
        await client.post("/actions/halt", json={"reason": "strange fills"}, headers=own)
        await client.post("/actions/resume", json={"word": "no", "reason": "again"}, headers=own)
        file = here.manager.config.storage.data_dir / "logs" / "dashboard-actions.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [(line["action"], line["reason"]) for line in lines] == [
        ("halt", "strange fills"),
        ("resume", "again"),
    ]
    assert lines[0]["outcome"].startswith("Halted")
    assert lines[1]["outcome"].startswith("refused: type RESUME")
    assert lines[0]["who"] == lines[1]["who"]
    assert here.engine.heard == [("halt", f"MANUAL by {lines[0]['who']}: strange fills")]


async def test_actions_are_limited_but_a_halt_is_not_kept_waiting(tmp_path):
    async with room(tmp_path) as here, here.logged_in() as client:
        own = {"Origin": here.url, "X-CSRF-Token": client.csrf}
        answers = [await client.post("/actions/resume", json={}, headers=own) for _ in range(30)]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert limited
        assert int(limited[0].headers["retry-after"]) >= 1
        assert (await client.post("/actions/halt", json={}, headers=own)).status_code == 200


async def test_login_links_cannot_be_guessed_at_length(tmp_path):
    async with room(tmp_path, served=False) as here, here.client() as client:
        answers = [
            (await client.get("/login", params={"token": str(guess)})).status_code for guess in range(15)
        ]
    assert set(answers) == {401, 429}


async def test_the_live_line_opens_to_the_page_only(tmp_path):
    async with room(tmp_path, served=False) as here, here.logged_in() as client:
        line = here.url.replace("http", "ws") + "/live"
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        wrong = [
            ("https://evil.example", {"Cookie": cookie}),
            (None, {"Cookie": cookie}),
            (here.url, {"Cookie": ""}),
        ]
        for origin, headers in wrong:
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(line, origin=origin, additional_headers=headers)
        async with websockets.connect(line, origin=here.url, additional_headers={"Cookie": cookie}) as live:
            assert json.loads(await live.recv())["state"] == "gone"


async def test_a_session_ends_by_leaving_and_by_silence(tmp_path):
    now = [0.0]
    sessions = Sessions(idle_s=100, timer=lambda: now[0], on_token=(tokens := []).append)
    identity = sessions.login(tokens[-1])
    now[0] = 90.0
    assert sessions.find(identity) is not None
    now[0] = 195.0
    assert sessions.find(identity) is None
    async with room(tmp_path, served=False) as here, here.logged_in() as client:
        own = {"Origin": here.url, "X-CSRF-Token": client.csrf}
        kept = dict(client.cookies)
        assert (await client.post("/logout", json={}, headers=own)).status_code == 200
        client.cookies = kept
        assert (await client.get("/")).status_code == 401


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"host": "0.0.0.0"}, "can be reached from elsewhere"),
        ({"host": "192.168.1.7"}, "set dashboard.tls_certificate"),
        ({"host": "dash.example"}, "ssh tunnel"),
        ({"tls_certificate": "/tls/cert.pem"}, "belong together"),
        (
            {"tls_certificate": "/tls/cert.pem", "tls_key": "/tls/absent.pem"},
            "dashboard.tls_key: cannot read",
        ),
    ],
)
def test_an_unsafe_place_is_refused_before_anything_listens(settings, told):
    with pytest.raises(ConfigError, match=told):
        check_safe(DashboardConfig(**settings))


def certificate(folder):
    """A self-signed one for this machine, with its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").touch(0o600)
    (folder / "key.pem").write_bytes(private)
    return {"tls_certificate": folder / "cert.pem", "tls_key": folder / "key.pem"}


async def test_with_a_certificate_the_line_is_encrypted_and_the_cookie_says_so(tmp_path):
    keys = certificate(tmp_path)
    async with room(tmp_path, served=False, dashboard=keys) as here:
        assert here.url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(keys["tls_certificate"]))
        trusted.check_hostname = False
        async with here.client(verify=trusted) as client:
            answer = await client.get(here.link)
            assert answer.headers["set-cookie"].startswith("__Host-gal_friday_")
            assert "; Secure" in answer.headers["set-cookie"]
            assert (await client.get("/")).status_code == 200
    keys["tls_key"].chmod(0o644)
    with pytest.raises(ConfigError, match="run chmod 600"):
        check_safe(DashboardConfig(**keys))


def test_behind_tls_the_cookie_is_bound_to_the_host_and_origins_are_https():
    place = Place.of(443, ("dash.example",), secure=True)
    assert place.cookie == "__Host-gal_friday_443"
    assert place.is_own("https://dash.example")
    assert place.is_own("https://DASH.example:443")
    assert not place.is_own("http://dash.example")
    assert not place.is_own("https://dash.example.evil")


async def test_a_taken_port_is_told_in_one_line(tmp_path):
    async with room(tmp_path / "one", served=False) as here:
        port = int(here.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"dashboard.port {port}: .*choose another, or 0"):
            async with room(tmp_path / "two", dashboard={"port": port}):
                pass


async def test_prometheus_reads_over_loopback_or_with_the_token(tmp_path):
    async with room(tmp_path / "open") as here, here.client() as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert 'gal_friday_loop_lag_p99_seconds{mode="paper"} 0.004' in answer.text
    async with (
        room(tmp_path / "closed", dashboard={"metrics_token": "a long secret"}) as here,
        here.client() as client,
    ):
        assert (await client.get("/metrics")).status_code == 403
        told = await client.get("/metrics", headers={"Authorization": "Bearer a long secret"})
        assert told.status_code == 200


def test_the_configuration_knows_no_way_around_the_login():
    keys = set(DashboardConfig.model_fields)
    assert keys == {
        "host", "port", "names", "tls_certificate", "tls_key", "updates_per_s", "session_hours", "metrics_token",
    }  # fmt: skip
    assert Config().dashboard.host == "127.0.0.1"
