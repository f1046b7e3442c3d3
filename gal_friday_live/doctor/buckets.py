"""Measures the buckets that settings name: whether they can be written and read, and keep two writers apart."""

from collections.abc import Callable, Sequence

from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.object_store import Conflict, ObjectStore
from gal_friday_adapters.paths import artifacts_dir, lake_dir, reports_place, statements_dir
from gal_friday_core.config import Config
from gal_friday_core.doctor.check import Check, broken, fine, joined
from gal_friday_core.errors import ConfigError, StorageError

NAME = "object storage"
PROBE = "gal-friday-probe"
"""The one object that is written; it stays, since nobody need have the right to remove."""
CONTENT = b"written by gal-friday doctor\n"
NO_TAG = f'"{"0" * 32}"'


def buckets(config: Config) -> Sequence[Check]:
    """Each prefix: put, read back, and whether the server refuses what others have changed meanwhile."""
    places = dict.fromkeys(
        place for named in (lake_dir, artifacts_dir, reports_place, statements_dir)
        if isinstance(place := named(config), ObjectUrl)
    )  # fmt: skip
    if not places:
        return [fine(NAME, "none: everything is on this machine's disks")]
    found = [trouble for place in places if (trouble := _trouble(place)) is not None]
    return [joined(NAME, found, f"{len(places)} prefixes can be written, and keep two writers apart")]


def _trouble(place: ObjectUrl) -> Check | None:
    try:
        return _kept_apart(ObjectStore(place))
    except (ConfigError, StorageError) as error:
        told, _, advice = str(error).partition("; ")
        return broken("", told, f"{advice[:1].upper()}{advice[1:]}.")


def _kept_apart(store: ObjectStore) -> Check | None:
    """Puts that must be refused, and were not. Raises StorageError where nothing can be put or read."""
    _taken(lambda: store.create(PROBE, CONTENT))
    held = store.get(PROBE)
    if held is None or held.content != CONTENT:
        return broken("", f"{store.show(PROBE)} is not what was just written", "Use another server.")
    over = _taken(lambda: store.create(PROBE, CONTENT))
    if over or _taken(lambda: store.swap(PROBE, CONTENT, NO_TAG)):
        return broken(
            "",
            f"{store.show()}: the server ignores If-{'None-' if over else ''}Match, so writers undo each other's work",
            "Use a server that honours conditional puts (AWS, MinIO), or one writer.",
        )
    return None


def _taken(put: Callable[[], str]) -> bool:
    try:
        put()
    except Conflict:
        return False
    return True
