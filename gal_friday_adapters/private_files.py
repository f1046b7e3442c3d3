"""Files that hold secrets: read only where nobody but their owner may, made so that nobody else ever could.

Entry points: `read_private`, `require_private`, `create_private`.
"""

import os
import stat
import tempfile
from pathlib import Path

from gal_friday_core.errors import ConfigError, StorageError

OTHERS = 0o077
GROUP_READ = 0o040
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
LARGEST = 65_536
"""Bytes of a secret file: a longer one is not what it was meant to be."""


def require_private(file: Path, what: str) -> None:
    """Raises ConfigError naming `what` where others may read the file, or it is not there."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{what}: cannot read {file}: {error.strerror}") from None
    _check(mode, file, what)


def read_private(file: Path, what: str) -> str:
    """The text of a secret file, without the space around it.

    The mode is that of what is read, so no swap in between helps. Raises ConfigError naming `what`; no message
    shows any content.
    """
    try:
        with file.open("rb") as opened:
            _check(os.fstat(opened.fileno()).st_mode, file, what)
            content = opened.read(LARGEST + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{what}: cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:  # which would quote it
        raise ConfigError(f"{what}: cannot read {file}: it is not text in UTF-8") from None
    if len(content) > LARGEST:
        raise ConfigError(f"{what}: {file} is longer than {LARGEST} bytes: it is not a secret")
    return text.strip()


def create_private(file: Path, content: bytes) -> bool:
    """Make a file that only its owner may read, whole or not at all; False where one is there already.

    Raises StorageError where the disk refuses.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=file.parent)  # 0600 from the start
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            os.link(name, file)  # refuses where the name is taken: two makers agree on the first one's
        except FileExistsError:
            return False
        finally:
            Path(name).unlink()
    except OSError as error:
        raise StorageError(
            f"cannot write {file}: {error.strerror}; free space or fix its permissions"
        ) from error
    return True


def _check(mode: int, file: Path, what: str) -> None:
    if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
        raise ConfigError(f"{what}: {file} is not a file")
    if stat.S_IMODE(mode) & (OTHERS & ~GROUP_READ if _is_credential(file) else OTHERS):
        raise ConfigError(f"{what}: {file} holds a secret that others may read: run chmod 600 {file}")


def _is_credential(file: Path) -> bool:
    """What systemd loads for a service. Its user has access by an ACL, whose mask shows as the group's bits."""
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    return folder is not None and file.parent == Path(folder)
