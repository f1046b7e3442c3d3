"""Measures the machine: interpreter, memory, limits, disk, compiled code."""

import importlib.util
import os
import resource
import shutil
import struct
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from gal_friday_core.config import Config
from gal_friday_core.doctor import machine
from gal_friday_core.doctor.check import Check, broken, doubtful, fine
from gal_friday_core.extensions.in_use import in_use
from gal_friday_live.pipeline_process import PIPELINE

MEGABYTE = 1_000_000


def python() -> Sequence[Check]:
    """The interpreter and the memory that it may have."""
    found = psutil.virtual_memory()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [
        machine.python(sys.version_info[:3], 8 * struct.calcsize("P")),
        machine.memory(found.available / MEGABYTE, found.total / MEGABYTE),
        machine.open_files(sys.maxsize if soft == resource.RLIM_INFINITY else soft),
        installed(PIPELINE),
    ]


def installed(modules: Sequence[str]) -> Check:
    """Whether the packages of the pipeline are here; an engine alone does without them."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return fine("packages", "engine and pipeline are installed")
    return doubtful(
        "packages",
        f"engine only: {', '.join(missing)} missing, so nothing can be trained here",
        "Where models are trained: pip install 'gal-friday[pipeline]'.",
    )


def extensions(config: Config) -> Sequence[Check]:
    """What the settings take from installed packages, loaded once. Raises ConfigError where one cannot be."""
    taken = in_use(config)
    named = ", ".join(f"{one.name} of {one.lineage}" for one in taken)
    return [fine("extensions", named or "none is used")]


def disk(config: Config, folder: Path) -> Sequence[Check]:
    """Room and the right to write where the product writes; the nearest folder that exists is asked."""
    present = nearest_folder(folder)
    monitoring = config.monitoring
    usage, counts = shutil.disk_usage(present), os.statvfs(present)
    room = machine.disk(
        usage.free / MEGABYTE,
        counts.f_favail if counts.f_files else None,
        min_mb=monitoring.min_disk_mb,
        halt_mb=monitoring.halt_disk_mb,
        folder=str(folder),
    )
    return [room, writable("data directory", folder, present)]


def writable(name: str, folder: Path, present: Path) -> Check:
    """Whether a file can be made there, by making one that has no name."""
    said = f"{folder} can be written" if present == folder else f"{folder} can be made in {present}"
    try:
        with tempfile.TemporaryFile(dir=present) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return broken(
            name,
            f"{present} cannot be written: {error.strerror}",
            "Fix its permissions, or set GAL_FRIDAY_DATA_DIR to a folder you may write.",
        )
    return fine(name, said)


def compiled_code() -> Sequence[Check]:
    """Where numba keeps machine code: NUMBA_CACHE_DIR, else beside our modules."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(machine.__file__).parents[1] / "__pycache__"
    may = os.access(nearest_folder(folder), os.W_OK)
    return [machine.compiled_code(str(folder), may)]


def nearest_folder(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    while not folder.is_dir():
        folder = folder.parent
    return folder
