"""Install a lock into a virtual environment: `install.py VENV LOCK STAMP`, started by ./gal-friday.

Standard library only. One installation at a time (a file lock, gone with its process); the stamp is written
last, so an interrupted installation is made anew. uv does the work: the one on PATH, else one that pip
fetches. uv does not read pip's configuration, so pip's index, certificate and proxy are handed over to it.
"""

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv as venv_module
from pathlib import Path
from typing import IO

APT_HINT = "apt-get install python3-venv (or python3-pip), or put uv on PATH"
LOCK_NAME = "install.lock"
# pip's setting → uv's variable, and what joins several values.
HANDED_OVER = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_EXTRA_INDEX_URL", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
}


class CannotInstallError(Exception):
    """One line for the user."""


def install(venv: Path, lock: Path, stamp: str) -> None:
    """Make `venv` hold exactly what `lock` names. Raises CannotInstallError."""
    with exclusive(venv):
        finished = venv / "installed"
        if finished.exists() and finished.read_text(encoding="utf-8").strip() == stamp:
            return  # another start did it while we waited
        prepare(venv, finished)
        settings = pip_settings()
        environment = uv_environment(venv, settings)
        uv = find_uv(venv, lock.with_name("installer.lock"))
        count = len(re.findall(r"^\S+==", lock.read_text(encoding="utf-8"), re.MULTILINE))
        command = [uv, "pip", "sync", "--require-hashes", "--quiet", "--python", str(venv / "bin" / "python")]
        if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
            command.append("--no-index")
        run(
            [*command, str(lock)],
            f"installing about {count} packages into {venv} (once; 10-60 s)",
            environment,
        )
        finished.write_text(stamp + "\n", encoding="utf-8")


class exclusive:  # noqa: N801 - reads as a statement
    """Holds the environment's lock, waiting for another start that installs."""

    def __init__(self, venv: Path) -> None:
        self._venv = venv
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        try:
            self._venv.mkdir(exist_ok=True)
            self._file = (self._venv / LOCK_NAME).open("w")
        except OSError as error:
            raise CannotInstallError(
                f"cannot write {self._venv}: {error.strerror}; use a clone that you may write to"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is installing; waiting for it")
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def prepare(venv: Path, finished: Path) -> None:
    """An environment of this Python: kept when its last installation finished, else made from nothing."""
    python = venv / "bin" / "python"
    site = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    usable = finished.exists() and python.exists() and site.is_dir()
    finished.unlink(missing_ok=True)
    if usable:
        return
    for entry in venv.iterdir():
        if entry.name == "cache":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK_NAME:
            entry.unlink()
    # Without pip: uv needs none, and Debian's Python often has no ensurepip.
    venv_module.EnvBuilder(symlinks=True, with_pip=False).create(venv)


def find_uv(venv: Path, lock: Path) -> str:
    """The path of uv; fetched by pip into the environment's own folder when there is none."""
    on_path = shutil.which("uv")
    if on_path:
        return on_path
    folder = venv / "installer"
    fetched = folder / "bin" / "uv"
    if not fetched.exists():
        options = ["--target", str(folder), "--require-hashes", "--only-binary", ":all:", "--no-deps"]
        run(
            [*pip(venv), "install", "--quiet", "--upgrade", *options, "-r", str(lock)],
            "fetching the installer (uv)",
            {
                **os.environ,
                "PIP_USER": "0",
                "PIP_REQUIRE_VIRTUALENV": "0",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            },
        )
    return str(fetched)


def pip(venv: Path) -> list[str]:
    """A command that is pip: this Python's own, else one unpacked into the environment."""
    own = [sys.executable, "-m", "pip"]
    if succeeds([*own, "--version"]):
        return own
    inside = [str(venv / "bin" / "python"), "-m"]
    if succeeds([*inside, "ensurepip"]):
        return [*inside, "pip"]
    raise CannotInstallError(f"this Python has neither pip nor ensurepip: {APT_HINT}")


def uv_environment(venv: Path, settings: dict[str, str]) -> dict[str, str]:
    """Our environment with pip's settings as uv's; what is already set for uv stays."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    for name, (variable, joint) in HANDED_OVER.items():
        older_name_set = name == "index-url" and "UV_INDEX_URL" in environment
        if name in settings and not older_name_set:
            environment.setdefault(variable, joint.join(settings[name].split()))
    # As pip does: the best version of all indexes. Hashes decide what may be installed.
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uv"
    if not writable(cache):
        environment.setdefault("UV_CACHE_DIR", str(venv / "cache"))
    return environment


def pip_settings() -> dict[str, str]:
    """What pip is configured to, by option, from its files and from the environment, the stronger source winning."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^([^.=]+)\.([^=]+)=(.*)$", listed.stdout, re.MULTILINE)
    settings = {}
    for source in ("global", "install"):
        settings.update({name: str(ast.literal_eval(value)) for at, name, value in found if at == source})
    for name in (*HANDED_OVER, "no-index"):
        value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            settings[name] = value
    return settings


def run(command: list[str], doing: str, environment: dict[str, str]) -> None:
    """Run with one line of progress on standard error. Raises CannotInstallError with what the command said."""
    started = time.monotonic()
    live = sys.stderr.isatty()
    say(f"{doing} ...", end="" if live else "\n")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd="/")
        try:
            while running(process):
                if live:
                    say(f"{doing} ... {time.monotonic() - started:.0f} s", start="\r", end="")
        finally:
            if process.poll() is None:  # Ctrl-C: leave no installer behind
                process.terminate()
                process.wait()
        output.seek(0)
        said = output.read()
    if process.returncode != 0:
        raise CannotInstallError(f"{doing} failed: {without_addresses(said, environment)}")
    say(f"{doing} ... done in {time.monotonic() - started:.0f} s", start="\r" if live else "")


def running(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it still runs after at most a second."""
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return True
    return False


def without_addresses(text: str, environment: dict[str, str]) -> str:
    """The end of what an installer said, without the addresses and credentials of a private index."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "ALL_PROXY"):
        for value in environment.get(name, "").replace(",", " ").split():
            text = text.replace(value, f"({name})")
    text = re.sub(r"\w+://[^\s/]+", "(index)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[-8:]) or "no message"


def succeeds(command: list[str]) -> bool:
    """Whether the command ends with 0; its output is nobody's business."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def writable(folder: Path) -> bool:
    """Whether it is, or can be made, a folder that we may write to."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def say(line: str, *, start: str = "", end: str = "\n") -> None:
    """To standard error, since standard output belongs to the command that follows."""
    sys.stderr.write(f"{start}gal-friday: {line}{end}")
    sys.stderr.flush()


def main() -> int:
    """0 when the environment is ready, 2 with one line when it cannot be made."""
    venv, lock, stamp = sys.argv[1:]
    try:
        install(Path(venv), Path(lock), stamp)
    except CannotInstallError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("interrupted; the next start installs again")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
