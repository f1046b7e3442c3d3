"""Where a tree of files is: a folder of this machine, or a prefix of a bucket by URL."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from gal_friday_core.errors import ConfigError
from gal_friday_core.storage_settings import ObjectStoreConfig

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HINT = "write a folder, file:///FOLDER or s3://BUCKET/PREFIX"


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """A prefix of a bucket, and how its server is reached.

    >>> str(ObjectUrl("desk", "prod") / "lake")
    's3://desk/prod/lake'
    """

    bucket: str
    prefix: str = ""
    reach: ObjectStoreConfig = field(default_factory=ObjectStoreConfig)

    def __truediv__(self, part: str) -> Self:
        return type(self)(self.bucket, f"{self.prefix}/{part}".strip("/"), self.reach)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


Location = Path | ObjectUrl


def location(text: str, reach: ObjectStoreConfig | None = None) -> Location:
    """What a setting or argument names. Raises ConfigError for a URL that is none of ours.

    >>> str(location("s3://desk/prod/lake/")), location("file:///data/lake").as_posix()
    ('s3://desk/prod/lake', '/data/lake')
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text).expanduser().absolute()
    parts = urlsplit(text)
    shown = f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if parts.username or parts.password:
        raise ConfigError(
            f"{shown}: keys do not belong into a URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"{shown}: what follows ? or # means nothing here; {_HINT}")
    if scheme == "file" and parts.netloc in ("", "localhost") and parts.path.strip("/"):
        return Path(unquote(parts.path))
    if scheme != "s3" or not _BUCKET.fullmatch(parts.netloc):
        raise ConfigError(f"{shown}: no place that is known; {_HINT}")
    if any(part in ("", ".", "..") for part in parts.path.strip("/").split("/")) and parts.path.strip("/"):
        raise ConfigError(f"{shown}: a prefix is names between single slashes; {_HINT}")
    return ObjectUrl(parts.netloc, parts.path.strip("/"), reach or ObjectStoreConfig())
