"""Start a program as another user than root, from root: PostgreSQL refuses user id 0.

Run by its path, it takes `drop UID GID COMMAND…`, `drop+reach UID GID COMMAND…` or `namespace UID GID COMMAND…`
and replaces itself with the command. It imports nothing of ours, so it starts in a few milliseconds.

- `drop`: plain change of user.
- `drop+reach`: the same, but the command keeps the capability to pass folders that only root may enter (as
  ambient capabilities, capabilities(7)), since binaries and data may lie under a home folder of mode 0700.
- `namespace`: a user namespace in which our user has the given id (user_namespaces(7)); files stay root's own.
"""

import ctypes
import os
import sys
from pathlib import Path

# linux/capability.h and linux/prctl.h
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CLONE_NEWUSER = 0x10000000


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilitySet(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


_libc = ctypes.CDLL(None, use_errno=True)


def drop(uid: int, gid: int) -> None:
    """Become the user for good, without any of root's groups. Raises OSError."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def drop_and_reach(uid: int, gid: int) -> None:
    """Become the user, keeping as ambient those of the two file capabilities that we hold. Raises OSError."""
    held = _get_capabilities()[0].permitted & ((1 << _CAP_DAC_OVERRIDE) | (1 << _CAP_DAC_READ_SEARCH))
    if not held:
        raise OSError("this root holds neither CAP_DAC_OVERRIDE nor CAP_DAC_READ_SEARCH")
    # Keeps capabilities over the change of user, and makes access(2) respect them, by which PostgreSQL
    # looks for its own programs.
    _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    drop(uid, gid)
    low, high = _CapabilitySet(held, held, held), _CapabilitySet(0, 0, 0)
    _check(_libc.capset(ctypes.byref(_header()), (_CapabilitySet * 2)(low, high)))
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if held & (1 << capability):
            _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def enter_namespace(uid: int, gid: int) -> None:
    """Enter a user namespace where our own user and group carry the given ids. Raises OSError."""
    outer_uid, outer_gid = os.getuid(), os.getgid()
    _check(_libc.unshare(_CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1", encoding="ascii")


def _header() -> _CapabilityHeader:
    return _CapabilityHeader(_CAPABILITY_VERSION_3, 0)


def _get_capabilities() -> "ctypes.Array[_CapabilitySet]":
    sets = (_CapabilitySet * 2)()
    _check(_libc.capget(ctypes.byref(_header()), sets))
    return sets


def _prctl(option: int, first: int, second: int = 0) -> None:
    arguments = (ctypes.c_ulong(first), ctypes.c_ulong(second), ctypes.c_ulong(0), ctypes.c_ulong(0))
    _check(_libc.prctl(option, *arguments))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


WAYS = {"drop": drop, "drop+reach": drop_and_reach, "namespace": enter_namespace}


def main(arguments: list[str]) -> int:
    """Change the user as told and become the command; returns only when that fails."""
    way, uid, gid, *command = arguments
    try:
        WAYS[way](int(uid), int(gid))
        os.execv(command[0], command)  # noqa: S606 - the caller passes the path of a PostgreSQL binary
    except OSError as error:
        sys.stderr.write(f"{way}: {error}\n")
    return 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
