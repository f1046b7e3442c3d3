"""Writes configuration files: the commented defaults with other values, checked before they are written, for their owner only."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from gal_friday_core.config import Config
from gal_friday_core.errors import ConfigError, StorageError
from gal_friday_live.configuration import DEFAULT_FILE, ConfigurationManager, keys, nearest

HEAD: Final = """\
# Gal-Friday's configuration, written by gal-friday init. Every key stands here with its meaning; what was not asked for
# is at its default. Pass the file with --config, or name it in GAL_FRIDAY_CONFIG.
"""
_LINE: Final = re.compile(r"(?P<indent> *)(?P<name>[a-z_0-9]+):(?P<value>.*)")
_PLAIN: Final = re.compile(r"[A-Za-z/.][\w./:-]*")
_WORDS: Final = re.compile(r"y|n|yes|no|on|off|true|false|null|~|[.\d-].*", re.IGNORECASE)


def commented(values: Mapping[str, Any]) -> str:
    """The commented defaults with these values by dotted key. Raises ConfigError for a key that there is not."""
    left = dict(values)
    lines = []
    above: list[str] = []
    # What the template says of itself is for who copies it by hand.
    body = DEFAULT_FILE.read_text(encoding="utf-8").partition("\n\n")[2]
    for line in body.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        above[len(found["indent"]) // 2 :] = [found["name"]]
        key = ".".join(above)
        lines.append(f"{found['indent']}{found['name']}: {scalar(left.pop(key))}" if key in left else line)
    for key in left:
        raise ConfigError(f"unknown configuration key {key}{nearest(key)}")
    return HEAD + "\n" + "\n".join(lines) + "\n"


def scalar(value: Any) -> str:
    """A value as this house's YAML reads it back.

    >>> scalar(["BTC/USD", "ETH/USD"]), scalar("no"), scalar(None), scalar("0.01")
    ('["BTC/USD", "ETH/USD"]', '"no"', 'null', '"0.01"')
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value):
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(_json(item) for item in value)}]"
    return _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def checked(key: str, value: Any) -> Any:
    """The value, where the configuration takes it. Raises ConfigError naming the key, never showing the value."""
    if key not in set(keys()):
        raise ConfigError(f"unknown configuration key {key}{nearest(key)}")
    *sections, name = key.split(".")
    above = "".join(f"{'  ' * depth}{section}:\n" for depth, section in enumerate(sections))
    read_back(f"{above}{'  ' * len(sections)}{name}: {scalar(value)}\n")
    return value


def read_back(text: str) -> Config:
    """The settings of a text, as an engine would read them from a file. Raises ConfigError as it would."""
    with tempfile.TemporaryDirectory(prefix="gal-friday-") as folder:
        file = Path(folder) / "settings"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        manager = ConfigurationManager(str(file), environ={})
        try:
            return manager.config
        except ConfigError as error:
            raise ConfigError(re.sub(rf"{re.escape(str(file))}, line \d+: ", "", str(error))) from None


def write_config(path: Path, text: str) -> Path | None:
    """Write it whole, for its owner only; the file that was there is kept beside it, whose name is returned.

    Raises ConfigError where the settings are not valid, StorageError where the disk refuses.
    """
    read_back(text)
    kept = path.with_name(f"{path.name}.before") if path.exists() else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # 0600 from the start
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            if kept is not None:
                path.replace(kept)
                kept.chmod(0o600)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}; choose another --path") from error
    return kept
