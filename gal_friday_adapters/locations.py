"""Where a tree of files is: a folder of this machine, or a prefix of a bucket by URL."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gal_friday_core.places import Prefix, place
from gal_friday_core.storage_settings import ObjectStoreConfig


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
    named = place(text)
    if isinstance(named, Prefix):
        return ObjectUrl(named.bucket, named.prefix, reach or ObjectStoreConfig())
    return Path(named).expanduser().absolute()
