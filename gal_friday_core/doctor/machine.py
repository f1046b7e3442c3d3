"""Judges the machine: interpreter, memory, open files, disk, clock, the cache of compiled code."""

from typing import Final

from gal_friday_core.doctor.check import Check, broken, doubtful, fine

OLDEST: Final = (3, 11)
NEWEST_TRIED: Final = (3, 13)
ENGINE_MB: Final = 600
"""What an engine and its database hold together, with room."""
PLATFORM_MB: Final = 2_000
"""What `up` asks for: Dagster's web server, daemon and a training beside the engine."""
FEWEST_FILES: Final = 256
MANY_FILES: Final = 1_024
ROOMY: Final = 4
"""Disk is worth a look below so many times the limit at which entries stop."""
NTP_NOISE_S: Final = 0.1


def python(version: tuple[int, int, int], bits: int) -> Check:
    """The interpreter.

    >>> python((3, 10, 4), 64).detail
    'Python 3.10.4, 64 bits: older than 3.11'
    """
    said = f"Python {'.'.join(map(str, version))}, {bits} bits"
    other = "Install Python 3.11, 3.12 or 3.13 (64 bits) and name it in GAL_FRIDAY_PYTHON."
    if bits < 64:
        return broken("python", f"{said}: the compiled kernels need 64", other)
    if version[:2] < OLDEST:
        return broken("python", f"{said}: older than 3.11", other)
    if version[:2] > NEWEST_TRIED:
        return doubtful("python", f"{said}: newer than any that the tests run on", other)
    return fine("python", said)


def memory(available_mb: float, total_mb: float) -> Check:
    """Memory that may be had now."""
    said = f"{available_mb:,.0f} of {total_mb:,.0f} MB available"
    if available_mb < ENGINE_MB:
        return broken("memory", f"{said}; an engine needs {ENGINE_MB}", "End other programs, or add memory.")
    if available_mb < PLATFORM_MB:
        fix = "Enough for gal-friday live; run up and training where there is more."
        return doubtful("memory", f"{said}; the whole platform with a training needs {PLATFORM_MB}", fix)
    return fine("memory", said)


def open_files(soft: int) -> Check:
    """How many files and sockets a process may have open."""
    said = f"a process may open {soft:,} files"
    fix = f"Raise it: ulimit -n {4 * MANY_FILES}, or LimitNOFILE={4 * MANY_FILES} in the systemd unit."
    if soft < FEWEST_FILES:
        return broken("open files", f"{said}, needs {FEWEST_FILES}", fix)
    return doubtful("open files", said, fix) if soft < MANY_FILES else fine("open files", said)


def disk(free_mb: float, inodes_free: int | None, *, min_mb: int, halt_mb: int, folder: str) -> Check:
    """Free space where the product writes, against the limits at which entries and trading stop."""
    said = f"{free_mb:,.0f} MB free in {folder}"
    fix = "Free space, or move the data: GAL_FRIDAY_DATA_DIR or storage.data_dir names another folder."
    if inodes_free is not None and inodes_free < 1_000:
        return broken("disk", f"{said}, but only {inodes_free} more files fit", fix)
    if free_mb <= halt_mb:
        return broken("disk", f"{said}: trading halts at {halt_mb} (monitoring.halt_disk_mb)", fix)
    if free_mb <= min_mb:
        return broken("disk", f"{said}: no entries below {min_mb} (monitoring.min_disk_mb)", fix)
    if free_mb < ROOMY * min_mb:
        return doubtful("disk", f"{said}: entries stop below {min_mb}", fix)
    return fine("disk", said)


def compiled_code(folder: str, writable: bool) -> Check:
    """Where machine code is kept between starts."""
    if writable:
        return fine("compiled code", f"kept in {folder}")
    fix = "Make the folder writable, or set NUMBA_CACHE_DIR to one that is."
    return doubtful("compiled code", f"{folder} cannot be written: every start compiles for seconds", fix)


def clock(
    *, exchange_s: float | None, ntp_s: float | None, problem: str, entries_s: float, halt_s: float
) -> Check:
    """This machine's clock against the exchange's and a time server's, in seconds; None where it did not answer.

    >>> clock(exchange_s=0.0, ntp_s=None, problem="", entries_s=1, halt_s=10).detail
    'not certainly off the exchange’s clock; no time server answered'
    """
    if exchange_s is None and ntp_s is None:
        fix = "Check the network; without the exchange's time no entry is sent."
        return doubtful("clock", f"nobody told the time, so its offset is unknown: {problem}", fix)
    said = f"{_against('the exchange’s clock', exchange_s, 'the exchange did not answer')}; " + _against(
        "a time server’s", ntp_s, "no time server answered", NTP_NOISE_S
    )
    off = max(abs(offset) for offset in (exchange_s, ntp_s) if offset is not None)
    fix = "Let the system keep time: timedatectl set-ntp true, or install chrony."
    if off >= halt_s:
        return broken("clock", f"{said}: trading halts at {halt_s:g} s", fix)
    if off >= entries_s:
        return broken("clock", f"{said}: no entries from {entries_s:g} s on", fix)
    return doubtful("clock", said, fix) if off >= entries_s / 2 else fine("clock", said)


def _against(whose: str, offset_s: float | None, otherwise: str, noise_s: float = 0.0) -> str:
    if offset_s is None:
        return otherwise
    if abs(offset_s) <= noise_s:
        return f"not certainly off {whose}" if not noise_s else f"within {noise_s:g} s of {whose}"
    return f"{abs(offset_s):.3g} s {'behind' if offset_s < 0 else 'ahead of'} {whose}"
