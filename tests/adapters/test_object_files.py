"""Files in a bucket: whole, by compare-and-swap, with every wait bounded and every error saying what to do."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gal_friday_adapters.files import files_at
from gal_friday_adapters.locations import ObjectUrl, location
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_core.storage_settings import ObjectStoreConfig
from tests.bounded import joined
from tests.bucket_server import (
    KEYS,
    cut_answer,
    cut_request,
    forbidden,
    lost_answer,
    no_such_page,
    unavailable,
)

NAME = "tables/name=a/series=kraken_BTC-USD_1m/month=2024-01/data.parquet"
BIG = bytes(range(256)) * 4_000


@pytest.fixture
def files(bucket):
    return files_at(bucket)


def put(files, content, name=NAME):
    return files.change(name, lambda _: content)


def test_a_file_is_read_listed_replaced_and_left_alone_when_equal(files, bucket):
    assert files.read(NAME) is None
    assert put(files, b"one")
    first = files.stamps(NAME)
    assert list(first) == [NAME]
    assert not put(files, b"one")
    assert files.stamps(NAME) == first
    assert put(files, b"two")
    assert files.stamps(NAME) != first
    assert files.read(NAME) == b"two"
    assert files.glob("tables/name=*/series=*/month=*/data.parquet") == [NAME]
    assert files.glob("tables/name=b/series=*/month=*/data.parquet") == []
    assert files.folders("tables/name=a/series=kraken_BTC-USD_1m") == ["month=2024-01"]
    assert files.show(NAME) == f"s3://{bucket.bucket}/prefix/{NAME}"
    assert files.stamps("nothing") == {}


def test_names_that_begin_alike_are_not_listed_with_each_other(files):
    for folder in ("interval=1", "interval=1m", "interval=15m"):
        put(files, b"x", f"candles/{folder}/month=2024-01/data.parquet")
    assert files.glob("candles/interval=1/month=*/data.parquet") == [
        "candles/interval=1/month=2024-01/data.parquet"
    ]
    assert files.folders("candles") == ["interval=1", "interval=15m", "interval=1m"]


def test_writers_at_the_same_time_lose_nothing(bucket):
    def add(digit):
        files_at(bucket).change("sum", lambda held: (held or b"") + digit)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, [bytes([65 + place]) for place in range(24)]))
    held = files_at(bucket).read("sum")
    assert sorted(held) == list(range(65, 89))


def test_a_writer_that_was_overtaken_looks_again(files, bucket):
    rival, seen = files_at(bucket), []

    def change(held):
        seen.append(held)
        if len(seen) == 1:
            put(rival, b"rival")
        return (held or b"") + b"+"

    assert files.change(NAME, change)
    assert seen == [None, b"rival"]
    assert files.read(NAME) == b"rival+"


def test_an_answer_that_breaks_off_is_asked_for_again(files, bucket_server):
    put(files, BIG)
    bucket_server.faults += [("GET", cut_answer)]
    assert files.read(NAME) == BIG
    assert bucket_server.faults == []


def test_an_answer_that_breaks_off_every_time_is_an_error_and_never_half_a_file(files, bucket_server):
    put(files, BIG)
    bucket_server.faults += [("GET", cut_answer)] * 40
    with pytest.raises(StorageError, match=r"cannot read s3://.*data\.parquet: .* at http://127"):
        files.read(NAME)
    assert len(bucket_server.faults) < 40
    bucket_server.faults.clear()
    assert files.read(NAME) == BIG


def test_a_busy_server_is_asked_again(files, bucket_server):
    bucket_server.faults += [("PUT", unavailable), ("GET", unavailable)]
    assert put(files, b"one")
    assert files.read(NAME) == b"one"
    assert bucket_server.faults == []


@pytest.mark.parametrize("stored", [None, b"before"])
def test_a_put_whose_answer_is_lost_counts_once(files, bucket_server, stored):
    if stored:
        put(files, stored)
    bucket_server.faults += [
        ("PUT", lost_answer)
    ] * 6  # the library's own attempts see a conflict with themselves
    assert files.change(NAME, lambda held: (held or b"") + b"+")
    bucket_server.faults.clear()
    assert files.read(NAME) == (stored or b"") + b"+"


def test_a_put_that_is_cut_leaves_what_was_there(files, bucket_server):
    put(files, b"before")
    bucket_server.faults += [("PUT", cut_request)] * 40
    with pytest.raises(StorageError, match="cannot write s3://"):
        put(files, BIG)
    bucket_server.faults.clear()
    assert files.read(NAME) == b"before"
    assert put(files, BIG)
    assert files.read(NAME) == BIG


def test_a_server_that_is_gone_is_told_with_its_address_and_what_to_do(monkeypatch):
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
    reach = ObjectStoreConfig(
        endpoint_url="http://127.0.0.1:9", retries=1, retry_timeout_s=2, connect_timeout_s=1
    )
    files = files_at(ObjectUrl("desk", "lake", reach))
    for ask in (
        lambda: files.read(NAME),
        lambda: put(files, b"x"),
        lambda: files.glob("a/*"),
        lambda: files.folders("a"),
    ):
        with pytest.raises(
            StorageError, match=r"s3://desk/lake.*http://127\.0\.0\.1:9.*endpoint_url"
        ) as caught:
            ask()
        assert "AKIA" not in str(caught.value)
        assert "secret" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up(monkeypatch, silent_server):
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
    reach = ObjectStoreConfig(endpoint_url=silent_server, retries=0, retry_timeout_s=1, request_timeout_s=0.3)
    with pytest.raises(StorageError, match="no answer in time"):
        files_at(ObjectUrl("desk", "", reach)).read(NAME)


def test_a_bucket_that_is_not_there_is_no_empty_lake(bucket):
    files = files_at(ObjectUrl("another-bucket", "", bucket.reach))
    for ask in (
        lambda: files.read(NAME),
        lambda: put(files, b"x"),
        lambda: files.glob("a/*"),
        lambda: files.folders("a"),
    ):
        with pytest.raises(StorageError, match=r"s3://another-bucket.*no such bucket"):
            ask()


def test_a_server_of_something_else_is_no_empty_lake(bucket, bucket_server):
    bucket_server.faults += [("GET", no_such_page)]
    with pytest.raises(StorageError, match="as no S3 server does"):
        files_at(bucket).read(NAME)


def test_without_keys_it_says_where_they_belong(bucket, monkeypatch, bucket_server):
    for key in KEYS:
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="no credentials; set AWS_ACCESS_KEY_ID"):
        files_at(bucket).read(NAME)


def test_refused_keys_are_told_without_showing_them(bucket, bucket_server):
    bucket_server.faults += [("GET", forbidden)]
    with pytest.raises(
        StorageError, match=r"refuses the credentials \(403 SignatureDoesNotMatch\)"
    ) as caught:
        files_at(bucket).read(NAME)
    assert all(value not in str(caught.value) for value in KEYS.values())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("s3://key:secret@bucket/lake", "keys do not belong into a URL"),
        ("s3://bucket/a//b", "names between single slashes"),
        ("s3://bucket/../b", "names between single slashes"),
        ("s3://Bucket_/b", "no place that is known"),
        ("s3://", "no place that is known"),
        ("gs://bucket/lake", "no place that is known"),
        ("http://127.0.0.1/lake", "no place that is known"),
        ("file://host/lake", "no place that is known"),
        ("s3://bucket/lake?region=eu", r"what follows \? or #"),
    ],
)
def test_a_url_that_is_no_place_is_refused_without_what_is_secret(text, named):
    with pytest.raises(ConfigError, match=named) as caught:
        location(text)
    assert "secret" not in str(caught.value)


def test_plain_http_is_for_this_machine_unless_it_is_permitted():
    far = ObjectStoreConfig(endpoint_url="http://192.0.2.7:9000")
    with pytest.raises(ConfigError, match=r"http://192\.0\.2\.7:9000: plain HTTP.*allow_http"):
        files_at(ObjectUrl("desk", "", far))
    files_at(ObjectUrl("desk", "", far.model_copy(update={"allow_http": True})))


def test_the_server_and_the_keys_may_come_from_the_environment(bucket, bucket_server, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket_server.endpoint)
    assert put(files_at(ObjectUrl(bucket.bucket)), b"one")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://192.0.2.7")
    with pytest.raises(ConfigError, match="plain HTTP"):
        files_at(ObjectUrl(bucket.bucket))


def test_keys_are_read_from_the_shared_file_only_where_nobody_else_may_read_it(bucket, monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    file.write_text("[desk]\naws_access_key_id = AKIAFILE\naws_secret_access_key = a secret\n")
    for key in KEYS:
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "desk")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        files_at(bucket)
    file.chmod(0o600)
    assert put(files_at(bucket), b"one")
    monkeypatch.setenv("AWS_PROFILE", "other")
    with pytest.raises(ConfigError, match="no profile 'other'") as caught:
        files_at(bucket)
    assert "AKIA" not in str(caught.value)


def test_many_readers_share_one_place(files):
    put(files, BIG)
    found = []
    threads = [threading.Thread(target=lambda: found.append(files.read(NAME))) for _ in range(4)]
    for thread in threads:
        thread.start()
    joined(*threads)
    assert found == [BIG] * 4
