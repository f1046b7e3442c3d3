"""Configuration from a commented YAML file and the environment, checked once, with errors that name the key.

Later sources win: the defaults of `gal_friday_core.config`, the file, then the environment
(`GAL_FRIDAY__RISK__RISK_PER_TRADE=0.01`, `GAL_FRIDAY_DATA_DIR`, `GAL_FRIDAY_DATABASE_URL`). A missing file,
an unknown key or a value of the wrong kind is an error, and no message ever shows a value.
"""

import difflib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from gal_friday_adapters.private_files import read_private, require_private
from gal_friday_core.config import Config, Section
from gal_friday_core.errors import ConfigError
from gal_friday_core.extensions.contracts import StrategyExtension, parameters_of
from gal_friday_core.extensions.in_use import in_use
from gal_friday_core.extensions.loading import extension
from gal_friday_core.extensions.offers import BUILT_IN
from gal_friday_core.risk.loosening import Change, changed_limits, only_limits, postponed
from gal_friday_core.strategies.registry import factory
from gal_friday_live.yaml_file import FileValues, read_yaml

PREFIX = "GAL_FRIDAY__"
SHORT_NAMES = {"GAL_FRIDAY_DATA_DIR": "storage.data_dir", "GAL_FRIDAY_DATABASE_URL": "storage.database_url"}
DEFAULT_FILE = Path(__file__).with_name("default_config.yaml")
"""Every key with its meaning, at its default value: a template to copy."""


def keys(section: type[Section] = Config, prefix: str = "") -> Iterator[str]:
    """Every leaf key, dotted.

    >>> "risk.risk_per_trade" in set(keys())
    True
    """
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def nearest(key: str) -> str:
    """The valid key that a wrong one most likely meant, as a hint; empty where nothing is close.

    >>> nearest("risk.risk_per_trad")
    ': did you mean risk.risk_per_trade?'
    """
    sections = list(Config.model_fields)
    close = difflib.get_close_matches(key, [*keys(), *sections], n=1, cutoff=0.5)
    leaf = key.rpartition(".")[2]
    close = close or [known for known in keys() if known.rpartition(".")[2] == leaf]
    return f": did you mean {close[0]}?" if close else ": see gal_friday_live/default_config.yaml"


def fingerprint(config: Config) -> str:
    """sha256 of every setting but where things are stored."""
    said = config.model_dump_json(exclude={"storage": True, "module_communication": {"database": True}})
    return hashlib.sha256(said.encode()).hexdigest()


class ConfigurationManager:
    """The configuration of one process (001 §2.11).

    `environ` is the environment to read; the process's own by default.
    """

    def __init__(self, config_path: str | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        self._path = Path(config_path).expanduser() if config_path is not None else None
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self._config: Config | None = None
        self._listeners: list[Callable[[Config], None]] = []
        self._source: Callable[[], Config] = self._read
        self.postponed: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, config: Config, *, again: Callable[[], Config] | None = None) -> Self:
        """Wrap values that are already validated: tests, assets, backtests, a market in fast time.

        `again` makes them anew for a reload; without it they never change.
        """
        manager = cls(None, environ={})
        manager._config = config
        manager._source = again or (lambda: config)
        return manager

    @property
    def config(self) -> Config:
        """The typed values; read and validated at the first use."""
        if self._config is None:
            self.load_config()
        assert self._config is not None
        return self._config

    def load_config(self) -> None:
        """Read file and environment. Raises ConfigError naming the file and line, or the variable, and the key."""
        self._config = self.read()

    def read(self) -> Config:
        """What file and environment say now; nothing of it is taken over. Raises as `load_config` does."""
        return self._source()

    def on_reload(self, listener: Callable[[Config], None]) -> None:
        """Who is told of limits that a reload tightened."""
        self._listeners.append(listener)

    def reload(self) -> list[Change]:
        """Read again and take over the limits that are tighter now; every other setting waits for the next start.

        `postponed` names those. Raises ConfigError, and changes nothing, where anything is wrong, or where a limit
        would be loosened: that needs a stop.
        """
        before, after = self.config, self.read()
        changes = changed_limits(before, after)
        loosened = [f"{each.key} ({each.before} to {each.after})" for each in changes if each.looser]
        if loosened:
            raise ConfigError(
                f"limits are not loosened while the engine runs: {', '.join(loosened)}; stop it, then start it anew"
            )
        self._config = only_limits(before, after)
        self.postponed = tuple(postponed(before, after))
        for listener in self._listeners:
            listener(self._config)
        return changes

    def _read(self) -> Config:
        file = read_yaml(self._path) if self._path else FileValues({}, {}, "")
        _refuse_unknown(file)
        _refuse_open_secret(file, self._path)
        values, origin = _environment(self._environ)
        try:
            config = _merge(file.values, values)
        except ValidationError as error:
            raise ConfigError(_explain(error, {**file.where, **origin})) from None
        in_use(config)  # what packages add is loaded whole before anything runs
        return config

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a dotted key; `default` stands in for an unset (None) one. Raises ConfigError on unknown keys."""
        value: Any = self.config
        for part in key.split("."):
            if not isinstance(value, Section) or part not in type(value).model_fields:
                raise ConfigError(f"unknown configuration key {key}{nearest(key)}")
            value = getattr(value, part)
        return default if value is None else value

    def get_trading_pairs(self) -> list[str]:
        return list(self.config.market.pairs)

    def get_risk_parameters(self) -> dict[str, Any]:
        return self.config.risk.model_dump()

    def get_strategy_parameters(self, strategy_id: str) -> dict[str, Any]:
        """Parameters of a strategy, what all of them share included. Raises ConfigError for an id there is not."""
        factory(strategy_id)
        shared = self.config.strategy.model_dump(exclude={"id"})
        if strategy_id == "threshold":
            return shared
        if strategy_id not in BUILT_IN["strategy"]:
            kind = extension("strategy", strategy_id, StrategyExtension, "strategy.id").contents.parameters
            return {**shared, **parameters_of(strategy_id, kind, self.config).model_dump()}
        own: Section = getattr(self.config, strategy_id)
        return {"max_signal_age_s": shared["max_signal_age_s"], **own.model_dump()}

    def get_api_keys(self) -> dict[str, SecretStr]:
        """`{"key": …, "secret": …}` of the exchange, or empty where none is set.

        From KRAKEN_API_KEY and KRAKEN_API_SECRET, or from the files that KRAKEN_API_KEY_FILE and
        KRAKEN_API_SECRET_FILE name; those must be readable by their owner only (0600).
        """
        return self._keys("KRAKEN_API")

    def get_exchange_keys(self, exchange: str) -> dict[str, SecretStr]:
        """The same of a package's exchange: `my-venue` has MY_VENUE_API_KEY and MY_VENUE_API_SECRET."""
        return self._keys(self.key_name(exchange))

    @staticmethod
    def key_name(exchange: str) -> str:
        """How the environment variables of an exchange's keys begin.

        >>> ConfigurationManager.key_name("my-venue")
        'MY_VENUE_API'
        """
        return f"{exchange.upper().replace('-', '_')}_API"

    def get_audit_keys(self) -> dict[str, SecretStr]:
        """The same of the key that only asks, for audits: KRAKEN_AUDIT_API_KEY and KRAKEN_AUDIT_API_SECRET."""
        return self._keys("KRAKEN_AUDIT_API")

    def _keys(self, prefix: str) -> dict[str, SecretStr]:
        found = {name: self._secret(f"{prefix}_{name.upper()}") for name in ("key", "secret")}
        present = {name: secret for name, secret in found.items() if secret is not None}
        if len(present) == 1:
            missing = f"{prefix}_SECRET" if "key" in present else f"{prefix}_KEY"
            raise ConfigError(f"{missing} is missing: set it or {missing}_FILE beside its other half")
        return present

    def _secret(self, name: str) -> SecretStr | None:
        if value := self._environ.get(name):
            return SecretStr(value)
        if not (path := self._environ.get(f"{name}_FILE")):
            return None
        return SecretStr(read_private(Path(path).expanduser(), f"{name}_FILE"))


def _refuse_unknown(file: FileValues) -> None:
    known, sections = set(keys()), set(_sections())
    known |= sections
    for key, where in file.where.items():
        if key.startswith("extensions."):
            continue  # whoever offers it knows its parameters: `in_use`
        if key not in known:
            raise ConfigError(f"{where}: unknown configuration key {key}{nearest(key)}")
        if key in sections and not isinstance(file.at(key), dict):
            raise ConfigError(f"{where}: {key} is a section: write its keys below it, indented")
        if isinstance(file.at(key), bool) and _kind(key) is not bool:
            raise ConfigError(f"{where}: {key} does not take true or false")


def _sections(section: type[Section] = Config, prefix: str = "") -> Iterator[str]:
    """Every section, dotted, those inside others too."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield f"{prefix}{name}"
            yield from _sections(kind, f"{prefix}{name}.")


def _kind(key: str) -> Any:
    """What a key takes, as its section declares it; None for a section."""
    section: Any = Config
    *outer, name = key.split(".")
    for part in outer:
        section = section.model_fields[part].annotation
    return section.model_fields[name].annotation


def _secret_keys() -> Iterator[str]:
    """What makes a file private that names it."""
    return (key for key in keys() if SecretStr in _parts(_kind(key)))


def _parts(kind: Any) -> Iterator[Any]:
    """A type, and what it is made of."""
    yield kind
    for part in get_args(kind):
        yield from _parts(part)


def _refuse_open_secret(file: FileValues, path: Path | None) -> None:
    for key in _secret_keys():
        if path is not None and key in file.where and file.at(key):
            require_private(path, key)


class _Settings(Config, BaseSettings):
    """The values as pydantic-settings sees them: it parses the nested environment names."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )


class _Environment(EnvSettingsSource):
    """pydantic-settings' reading of nested names, over the environment it is given."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._given = environ
        super().__init__(_Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._given.items()}


def _environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Overrides as a nested dict, and for each key the variable it came from."""
    known = set(keys())
    names: dict[str, str] = {}
    origin: dict[str, str] = {}
    for name, value in environ.items():
        if name in SHORT_NAMES and value:
            key = SHORT_NAMES[name]
        elif name.startswith(PREFIX):
            key = name.removeprefix(PREFIX).lower().replace("__", ".")
        else:
            continue
        if key not in known:
            hint = nearest(key)
            raise ConfigError(f"environment variable {name}: unknown configuration key {key}{hint}")
        names[PREFIX + key.upper().replace(".", "__")] = value
        origin[key] = f"environment variable {name}"
    try:
        return _Environment(names)(), origin
    except (SettingsError, RecursionError):
        listed = ", ".join(sorted(set(origin.values())))
        raise ConfigError(f'{listed}: a list is written as JSON, such as ["BTC/USD", "ETH/USD"]') from None


def _merge(file: dict[str, Any], environment: dict[str, Any]) -> Config:
    return Config.model_validate(_over(file, environment))


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        inner = merged.get(name)
        merged[name] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ValidationError, where: Mapping[str, str]) -> str:
    """The first problem in one line: where, key, what is expected; never the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
    prefix = f"{where[key]}: " if key in where else ""
    return f"{prefix}{key}: {first['msg'].removeprefix('Value error, ').removeprefix('Input ').replace('should be', 'must be')}"
