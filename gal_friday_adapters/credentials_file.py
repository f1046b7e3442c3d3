"""Keys of an S3 client from the file that all of them share, and what of them must never be shown."""

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gal_friday_adapters.private_files import read_private
from gal_friday_core.errors import ConfigError

if TYPE_CHECKING:
    from obstore.store import S3Config

VARIABLE = "AWS_SHARED_CREDENTIALS_FILE"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """The secret values that the environment holds: for logs to leave out."""
    return [value for name in SECRETS if (value := environ.get(name))]


def shared_keys(file: Path, profile: str) -> "S3Config":
    """The keys of one profile. Raises ConfigError where others may read the file, or the profile is not whole."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_private(file, VARIABLE))
        section = parser[profile]
        found: S3Config = {
            "access_key_id": section["aws_access_key_id"],
            "secret_access_key": section["aws_secret_access_key"],
        }
    except (configparser.Error, KeyError):  # whose text quotes the file
        raise ConfigError(
            f"{VARIABLE}: {file} has no profile {profile!r} with aws_access_key_id and aws_secret_access_key"
        ) from None
    if token := section.get("aws_session_token"):
        found["session_token"] = token
    return found
