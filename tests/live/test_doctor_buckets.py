"""The doctor looks at buckets: may they be written, and does their server keep two writers apart?"""

import pytest

from gal_friday_adapters.object_store import ObjectStore
from gal_friday_core.config import Config
from gal_friday_live.doctor.buckets import PROBE, buckets
from tests.bucket_server import KEYS, forbidden, unconditional


@pytest.fixture
def config(bucket, tmp_path):
    return Config.model_validate(
        {
            "storage": {
                "data_dir": tmp_path,
                "lake": str(bucket / "lake"),
                "artifacts": str(bucket / "artifacts"),
            },
            "object_store": bucket.reach.model_dump(),
        }
    )


def test_a_bucket_that_keeps_writers_apart_is_fine_as_often_as_one_asks(config, bucket):
    for _ in range(2):
        (found,) = buckets(config)
        assert (found.level, found.detail) == (
            "ok", "2 prefixes can be written, and keep two writers apart",
        )  # fmt: skip
    assert ObjectStore(bucket).names("") == [f"artifacts/{PROBE}", f"lake/{PROBE}"]


def test_without_a_bucket_nothing_is_asked(tmp_path):
    (found,) = buckets(Config.model_validate({"storage": {"data_dir": tmp_path}}))
    assert (found.level, found.detail) == ("ok", "none: everything is on this machine's disks")


@pytest.mark.parametrize(("ignored", "named"), [("NONE_MATCH", "If-None-Match"), ("MATCH", "If-Match")])
def test_a_server_that_ignores_conditions_is_a_failure(config, bucket_server, ignored, named):
    bucket_server.faults += [("PUT", unconditional(f"HTTP_IF_{ignored}"))] * 6
    (found,) = buckets(config)
    assert (found.level, f"ignores {named}" in found.detail) == ("failure", True)
    assert "honours conditional puts" in found.fix


def test_keys_that_are_refused_are_a_failure_that_does_not_show_them(config, bucket_server):
    bucket_server.faults += [("PUT", forbidden)] * 2
    (found,) = buckets(config)
    assert (found.level, "refuses the credentials" in found.detail) == ("failure", True)
    assert all(value not in f"{found.detail}{found.fix}" for value in KEYS.values())


def test_plain_http_over_a_network_is_a_failure(config):
    far = config.object_store.model_copy(update={"endpoint_url": "http://192.0.2.7"})
    (found,) = buckets(config.model_copy(update={"object_store": far}))
    assert (found.level, "plain HTTP" in found.detail) == ("failure", True)
