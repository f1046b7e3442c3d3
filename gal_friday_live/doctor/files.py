"""Measures files: who may read secrets and change settings, keys, sockets and locks that were left behind."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from cryptography import x509

from gal_friday_adapters.paths import artifacts_dir, keys_dir, postgres_dir
from gal_friday_adapters.private_files import OTHERS, read_private
from gal_friday_adapters.signing import PRIVATE, PUBLIC, SigningKeys
from gal_friday_core.config import Config
from gal_friday_core.doctor.check import Check, broken, doubtful, fine, joined
from gal_friday_core.errors import ConfigError
from gal_friday_live.control_socket import control_path, is_served

WRITE_OTHERS = 0o022
SOON = timedelta(days=21)
"""Before its end a certificate is worth a look."""
SECRET_VARIABLES = (
    "KRAKEN_API_KEY_FILE",
    "KRAKEN_API_SECRET_FILE",
    "KRAKEN_AUDIT_API_KEY_FILE",
    "KRAKEN_AUDIT_API_SECRET_FILE",
)
PRIVATE_FOLDERS = ("keys", "halts", "audit")
"""Below the data directory: nobody else has a reason to write there."""


def permissions(folder: Path, config_path: Path | None, environ: Mapping[str, str]) -> Sequence[Check]:
    """Whether nobody else may change settings and data, or read what is secret."""
    found = [*_settings_file(config_path), *_secrets(environ), *_folders(folder)]
    return [joined("permissions", found, "settings, secrets and data are their owner's alone")]


def _settings_file(path: Path | None) -> Iterator[Check]:
    if path is not None and _mode(path) & WRITE_OTHERS:
        yield broken("", f"{path}: others may change the settings", f"Run chmod go-w {path}.")


def _secrets(environ: Mapping[str, str]) -> Iterator[Check]:
    for name in SECRET_VARIABLES:
        if value := environ.get(name):
            try:
                read_private(Path(value).expanduser(), name)
            except ConfigError as error:
                yield broken("", str(error), f"Run chmod 600 {value}, or correct {name}.")


def _folders(folder: Path) -> Iterator[Check]:
    for place in (folder, *(folder / name for name in PRIVATE_FOLDERS)):
        if not place.is_dir():
            continue
        if _mode(place) & stat.S_IWOTH:
            yield broken("", f"{place}: everybody may write here", f"Run chmod o-w {place}.")
        if place.stat().st_uid not in (os.geteuid(), 0):
            yield doubtful("", f"{place} belongs to user {place.stat().st_uid}", "Run as that user.")


def signing_keys(config: Config) -> Sequence[Check]:
    """Whether the key that signs models fits its public half and is trusted. None is made here."""
    folder = keys_dir(artifacts_dir(config), config)
    private, public = folder / PRIVATE, folder / PUBLIC
    pinned = config.storage.trusted_keys
    if not private.exists():
        if public.exists():
            fix = "Restore it from a backup, or train on another machine and pin its key as storage.trusted_keys."
            return [broken("signing key", f"{private} is gone, and {public.name} is there", fix)]
        told = f"trusts {len(pinned)} pinned keys, signs nothing" if pinned else "none yet: training makes it"
        return [fine("signing key", told)]
    key = SigningKeys(folder, pinned).public_key()
    if pinned and key not in pinned:
        fix = f"Add {key} to storage.trusted_keys, if this machine is to sign models."
        return [doubtful("signing key", "its public key is not among storage.trusted_keys", fix)]
    return [fine("signing key", f"{key[:12]}…, {'pinned' if pinned else 'trusted here'}")]


def certificate(config: Config, now: datetime) -> Sequence[Check]:
    """The dashboard's certificate of TLS, where it has one."""
    file, key = config.dashboard.tls_certificate, config.dashboard.tls_key
    if file is None or key is None:
        return [fine("certificate", "none: the dashboard is for this machine only")]
    new = "Renew it, and start the dashboard again."
    try:
        read_private(key, "dashboard.tls_key")
        ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    except (ConfigError, OSError, ValueError) as error:
        return [broken("certificate", f"{file}: {error}", "Correct dashboard.tls_certificate and tls_key.")]
    if ends <= now:
        return [broken("certificate", f"{file} ended on {ends:%Y-%m-%d}: browsers refuse it", new)]
    said = f"{file} is valid until {ends:%Y-%m-%d}"
    return [doubtful("certificate", said, new) if ends - now < SOON else fine("certificate", said)]


def locks(config: Config, folder: Path) -> Sequence[Check]:
    """Sockets and process files of engines and databases that are gone."""
    found = [*_control_socket(control_path(folder)), *_postmaster(postgres_dir(config), psutil.pid_exists)]
    return [joined("stale files", found, "no socket and no process file was left behind")]


def _control_socket(path: Path) -> Iterator[Check]:
    if not path.exists():
        return
    if not is_served(path):
        yield doubtful(
            "", f"{path} was left by an engine that is gone",
            "The next engine replaces it; look in the logs for why the last one ended so.",
        )  # fmt: skip
    elif _mode(path) & OTHERS:
        yield broken("", f"{path}: others may command the engine", f"Run chmod 600 {path}.")


def _postmaster(folder: Path, lives: Callable[[int], bool]) -> Iterator[Check]:
    file = folder / "cluster" / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if not lives(pid):
        yield doubtful(
            "", f"{file} names process {pid}, which is gone: the database was not shut down",
            "Nothing to do: PostgreSQL recovers at its next start.",
        )  # fmt: skip


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0
