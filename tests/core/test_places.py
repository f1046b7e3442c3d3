"""Places are understood or refused when the configuration is read, not when the first file is wanted."""

import pytest
from pydantic import ValidationError

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError
from gal_friday_core.places import Prefix, place

KEYS = ("lake", "artifacts", "reports", "statements")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/data/lake", "/data/lake"),
        ("lake", "lake"),
        ("a/b:c", "a/b:c"),
        ("C:/data", "C:/data"),
        (r"C:\data", r"C:\data"),
        ("file:///data%20here", "/data here"),
        ("file://localhost/data", "/data"),
        ("s3://desk", Prefix("desk", "")),
        ("s3://desk/prod/lake/", Prefix("desk", "prod/lake")),
    ],
)
def test_folders_and_buckets_are_told_apart(text: str, found: str | Prefix):
    assert place(text) == found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s3a://desk/lake", "did you mean s3://"),
        ("S3://desk/lake", "did you mean s3://"),
        ("s3:/desk/lake", "did you mean s3://"),
        ("file:/data", "did you mean file://"),
        ("files:///data", "did you mean file://"),
        ("gs://desk/lake", "no place that is known; write a folder"),
        ("://desk", "no place that is known; write a folder"),
        ("https://key:secret@desk/lake?sig=secret#secret", "https://desk/lake: no place that is known"),
    ],
)
def test_a_scheme_that_is_none_of_ours_is_refused_with_the_nearest(text: str, meant: str):
    with pytest.raises(ConfigError) as caught:
        place(text)
    assert meant in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_every_place_of_the_storage_is_looked_at_when_the_configuration_is_read(key: str):
    Config.model_validate({"storage": {key: "s3://desk/prod"}})
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"storage": {key: "s4://token:secret@desk/prod"}})
    (error,) = caught.value.errors()
    assert error["loc"] == ("storage", key)
    assert "s4://desk/prod: no place that is known" in error["msg"]
    assert "secret" not in str(caught.value)
