"""A YAML configuration file read with the line of every key, and without YAML 1.1's surprises.

An unquoted `NO` is false, `12:30` is 750 and `010` is 8 to a YAML 1.1 reader. Here words that could be
either are an error, numbers are plain decimal numbers, and everything else is text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gal_friday_core.errors import ConfigError

_AMBIGUOUS = re.compile(r"y|n|yes|no|on|off", re.IGNORECASE)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,38})")
_REAL = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?")
_PLAIN = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class FileValues:
    """`values` as nested dicts; `where` says file and line of each dotted key, sections included."""

    values: dict[str, Any]
    where: dict[str, str]
    name: str

    def at(self, key: str) -> Any:
        """What stands at a dotted key that the file has."""
        value: Any = self.values
        for part in key.split("."):
            value = value[part]
        return value


def read_yaml(path: Path) -> FileValues:
    """Read a file of sections. Raises ConfigError naming file and line."""
    try:
        root = _composed(path)
        where: dict[str, str] = {}
        if root is None:
            return FileValues({}, where, str(path))
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(f"{path}, line 1: expected sections such as 'risk:' with keys below them")
        values = dict(_mapping(root, "", str(path), where))
    except RecursionError:  # also an alias inside what it stands for
        raise ConfigError(f"configuration file {path}: nested too deeply to be one") from None
    return FileValues(
        {key: {} if value is None else value for key, value in values.items()}, where, str(path)
    )


def _composed(path: Path) -> yaml.Node | None:
    try:
        root: yaml.Node | None = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"configuration file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"configuration file {path}: not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}, line {line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError:
        raise ConfigError(f"configuration file {path}: not valid YAML (a control character?)") from None
    return root


def _mapping(
    node: yaml.MappingNode, prefix: str, name: str, where: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    for key_node, value_node in node.value:
        place = f"{name}, line {key_node.start_mark.line + 1}"
        key = f"{prefix}{key_node.value}"
        if key in where:
            raise ConfigError(f"{place}: {key} is written twice (first: {where[key]})")
        where[key] = place
        yield str(key_node.value), _value(value_node, key, name, where)


def _value(node: yaml.Node, key: str, name: str, where: dict[str, str]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return dict(_mapping(node, f"{key}.", name, where))
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, key, name, {}) for item in node.value]
    return _scalar(node, key, name)


def _scalar(node: Any, key: str, name: str) -> Any:
    text: str = node.value
    if node.style is not None:  # quoted or a block: text, whatever it looks like
        return text
    if _AMBIGUOUS.fullmatch(text):
        raise ConfigError(
            f"{name}, line {node.start_mark.line + 1}: {key}: the unquoted word {text} means true or false "
            f'to YAML: write "{text}" in quotes for the text'
        )
    if text.lower() in _PLAIN:
        return _PLAIN[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text
