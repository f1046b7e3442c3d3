"""The file in which a dashboard leaves its address and its present login token, for the owner of the data directory only."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gal_friday_adapters import paths
from gal_friday_core.config import Config
from gal_friday_core.errors import StorageError

FILE: Final = "dashboard.json"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a browser finds it, and a link that logs in once."""

    url: str
    link: str

    @classmethod
    def of(cls, url: str, token: str) -> Self:
        return cls(url, f"{url}/login?token={token}")


def link_file(config: Config) -> Path:
    """Beside what else the product writes."""
    return paths.data_dir(config) / FILE


def read_link(config: Config) -> Address:
    """Of the dashboard that runs on this data directory. Raises StorageError where none does."""
    file = link_file(config)
    try:
        told = _told(file)
        os.kill(int(told["pid"]), 0)
    except (OSError, ValueError, KeyError):
        raise StorageError(
            f"no dashboard runs on {file.parent}: gal-friday dashboard or gal-friday up starts one"
        ) from None
    return Address.of(told["url"], told["token"])


def write_link(config: Config, url: str, token: str) -> None:
    """Whole, and never readable by others."""
    file = link_file(config)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".dashboard-", dir=file.parent)  # 0600 from the start
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump({"url": url, "token": token, "pid": os.getpid()}, opened)
    Path(name).replace(file)


def forget_link(config: Config) -> None:
    """Remove it where it is still ours: another dashboard on the same data directory may have written it anew."""
    file = link_file(config)
    try:
        if _told(file)["pid"] == os.getpid():
            file.unlink()
    except (OSError, ValueError, KeyError):
        return


def _told(file: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return told
