"""One prefix of a bucket through obstore: whole objects, conditional puts, every wait bounded, errors that say what to do.

Keys come from where every S3 client looks: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` (`AWS_SESSION_TOKEN`), a web
identity, the machine's own role; or the profile of a file that `AWS_SHARED_CREDENTIALS_FILE` names. No message shows any.
"""

import os
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import stamina
from obstore import exceptions
from obstore.store import S3Store

from gal_friday_adapters.credentials_file import shared_keys
from gal_friday_adapters.locations import ObjectUrl
from gal_friday_adapters.loopback import is_loopback
from gal_friday_core.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import S3Config

Result = TypeVar("Result")

ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
REGION: Final = "us-east-1"
METADATA: Final = ("169.254.169.254", "/latest/api/token", "/latest/meta-data/iam")
PART: Final = 16 << 20
"""Bytes that are asked for at a time of what is downloaded."""
BROKEN: Final = "the answer broke off"
WHOLE_ONLY: Final = "non-partial response"
"""How the library says that a server heard nothing of a range, or that the object is empty."""
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")


class Conflict(Exception):  # noqa: N818 # not an error: another writer was first
    """The object is not what the writer took it for."""


class UnansweredError(StorageError):
    """No answer, or half of one: what was asked may or may not have happened."""


class CutShortError(UnansweredError):
    """An answer began, and did not end."""


class NoPartError(StorageError):
    """A part cannot be had: the object was replaced in between, or the server gives whole ones only."""


class Held(NamedTuple):
    """What an object holds, and the tag of this content."""

    content: bytes
    tag: str


class Tail(NamedTuple):
    """The end of an object of so many bytes, and the tag of this content."""

    content: bytes
    size: int
    tag: str


class Listed(NamedTuple):
    """One object of a list: bytes, and the tag of its content."""

    name: str
    size: int
    tag: str


class ObjectStore:
    """Names are below the URL's prefix. Every method raises StorageError where the server refuses or is silent."""

    def __init__(self, url: ObjectUrl, environ: Mapping[str, str] = os.environ) -> None:
        self.url = url
        self._attempts = url.reach.retries + 1
        self._endpoint = endpoint(url, environ)
        self._store = S3Store(url.bucket, **_options(url, self._endpoint, environ))

    def show(self, name: str = "") -> str:
        return str(self.url / name) if name else str(self.url)

    def get(self, name: str) -> Held | None:
        """The whole object, asked for again where the answer breaks off; None where there is none."""
        return self._again(lambda: self._get(name))

    def tail(self, name: str, count: int) -> Tail | None:
        """Its last bytes, all where it has no more; None where there is no such object. Raises NoPartError."""
        return self._again(lambda: self._tail(name, count))

    def part(self, name: str, tag: str, start: int, end: int) -> bytes:
        """Bytes of the object that has this tag. Raises NoPartError where it has another."""
        return self._again(lambda: self._part(name, tag, start, end))

    def head(self, name: str) -> Mapping[str, Any] | None:
        """`size` in bytes and `e_tag`; None where there is no such object."""
        with self._told("read", name) as told:
            try:
                return dict(self._store.head(self._key(name)))
            except FileNotFoundError as error:
                told.require_bucket(error)
                return None

    def create(self, name: str, content: bytes) -> str:
        """Its tag. Raises Conflict where there is an object of that name."""
        return self._put(name, content, "create")

    def swap(self, name: str, content: bytes, tag: str) -> str:
        """Replace the object that has this tag; the new one's. Raises Conflict where it has another."""
        return self._put(name, content, {"e_tag": tag})

    def put(self, name: str, content: bytes | Path) -> None:
        """Whatever is there; a file goes in parts."""
        with self._told("write", name):
            self._store.put(self._key(name), content)

    def names(self, folder: str) -> list[str]:
        """Of all objects below a folder, ascending."""
        return sorted(one.name for one in self.listed(folder))

    def listed(self, folder: str) -> list[Listed]:
        """All objects below a folder."""
        return self._again(lambda: self._listed(folder))

    def folders(self, folder: str) -> list[str]:
        """The names of the folders right below."""
        with self._told("list", folder) as told:
            try:
                found = self._store.list_with_delimiter(self._key(folder))
            except FileNotFoundError as error:
                told.require_bucket(error)
                return []
        return sorted(prefix.rsplit("/", 1)[-1] for prefix in found["common_prefixes"])

    def download(self, name: str, target: Path) -> None:
        """Into a new file, a part at a time, all of one version. Raises StorageError where there is no such object."""
        found = self.head(name)
        if found is None:
            raise StorageError(f"{self.show(name)}: not there")
        with target.open("xb") as file:
            for start in range(0, found["size"], PART):
                end = min(start + PART, found["size"])
                file.write(self.part(name, str(found["e_tag"]), start, end))

    def _tail(self, name: str, count: int) -> Tail | None:
        with self._told("read", name) as told:
            try:
                found = self._store.get(self._key(name), options={"range": {"suffix": count}})
                content = bytes(found.bytes())
            except FileNotFoundError as error:
                told.require_store(error)
                return None
            except exceptions.GenericError as error:
                if WHOLE_ONLY in str(error):
                    raise NoPartError(f"{self.show(name)}: the server gives it whole only") from None
                raise
        if len(content) != min(count, found.meta["size"]):
            raise CutShortError(f"{self.show(name)}: {len(content)} of its last {count} bytes came")
        return Tail(content, found.meta["size"], found.meta["e_tag"] or "")

    def _part(self, name: str, tag: str, start: int, end: int) -> bytes:
        with self._told("read", name):
            try:
                found = self._store.get(self._key(name), options={"range": (start, end), "if_match": tag})
                content = bytes(found.bytes())
            except exceptions.PreconditionError:
                raise NoPartError(f"{self.show(name)}: replaced while it was read; read it again") from None
        if len(content) != end - start:
            raise CutShortError(f"{self.show(name)}: {len(content)} of {end - start} bytes came")
        return content

    def _key(self, name: str) -> str:
        return f"{self.url.prefix}/{name}".strip("/")

    def _get(self, name: str) -> Held | None:
        with self._told("read", name) as told:
            try:
                found = self._store.get(self._key(name))
                content = bytes(found.bytes())
            except FileNotFoundError as error:
                told.require_store(error)
                return None
            if len(content) != found.meta["size"]:
                raise CutShortError(f"{self.show(name)}: {len(content)} of {found.meta['size']} bytes came")
            return Held(content, found.meta["e_tag"] or "")

    def _put(self, name: str, content: bytes, mode: "PutMode") -> str:
        with self._told("write", name):
            try:
                return self._store.put(self._key(name), content, mode=mode)["e_tag"] or ""
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
                raise Conflict from error
            except FileNotFoundError as error:
                if _code(error) != "NoSuchBucket":  # the object to be replaced is gone
                    raise Conflict from error
                raise

    def _listed(self, folder: str) -> list[Listed]:
        skipped = len(self.url.prefix) + 1 if self.url.prefix else 0
        with self._told("list", folder) as told:
            try:
                listed = list(self._store.list(self._key(folder) or None, chunk_size=1_000))
            except FileNotFoundError as error:
                told.require_bucket(error)
                return []
        return [
            Listed(one["path"][skipped:], one["size"], one["e_tag"] or "")
            for chunk in listed
            for one in chunk
        ]

    def _again(self, ask: Callable[[], Result]) -> Result:
        """What only reads is asked again where its answer broke off."""
        for attempt in stamina.retry_context(
            on=CutShortError, attempts=self._attempts, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt:
                return ask()
        raise AssertionError  # pragma: no cover # the last attempt returns or raises

    @contextmanager
    def _told(self, verb: str, name: str) -> "Iterator[_Teller]":
        teller = _Teller(verb, self.show(name), self._endpoint)
        try:
            yield teller
        except FileNotFoundError as error:
            teller.require_bucket(error)
            raise StorageError(f"{self.show(name)}: not there") from None
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise teller.failure(error) from None


class _Teller(NamedTuple):
    """Says what went wrong without what the library says, which may name keys and signatures."""

    verb: str
    shown: str
    endpoint: str | None

    def require_bucket(self, error: Exception) -> None:
        """An absent object is one thing, an absent bucket another. Raises StorageError for that."""
        if _code(error) == "NoSuchBucket":
            raise self._no_bucket() from None

    def require_store(self, error: Exception) -> None:
        """Servers of pages also say that something is not there. Raises StorageError for what is no S3 server."""
        self.require_bucket(error)
        if _code(error) != "NoSuchKey":
            raise StorageError(
                f"{self.shown}: {self._server} answers 404 as no S3 server does; correct object_store.endpoint_url"
            ) from None

    def failure(self, error: Exception) -> StorageError:
        status, code = _STATUS.search(str(error)), _code(error)
        if code == "NoSuchBucket":
            return self._no_bucket()
        if any(mark in str(error) for mark in METADATA):  # asked last, for the machine's own role
            return StorageError(
                f"cannot {self.verb} {self.shown}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "name a file of them in AWS_SHARED_CREDENTIALS_FILE"
            )
        said = " ".join(part for part in (status.group(1) if status else "", code) if part)
        refused = isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError)
        if refused or (said[:3] in ("400", "401", "403") and "Key" in code + "Signature"):
            return StorageError(
                f"cannot {self.verb} {self.shown}: {self._server} refuses the credentials ({said or 'refused'}); set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of one who may read, write and list there"
            )
        if said:
            return StorageError(f"cannot {self.verb} {self.shown}: {self._server} answers {said}")
        cause = _cause(str(error))
        kind = CutShortError if cause == BROKEN else UnansweredError
        return kind(
            f"cannot {self.verb} {self.shown}: {cause} at {self._server}; is it up, and object_store.endpoint_url "
            "right? Nothing half was stored"
        )

    def _no_bucket(self) -> StorageError:
        return StorageError(
            f"{self.shown}: no such bucket at {self._server}; make it there, or correct the URL"
        )

    @property
    def _server(self) -> str:
        return self.endpoint or "AWS"


def endpoint(url: ObjectUrl, environ: Mapping[str, str]) -> str | None:
    """The server's URL, None for AWS. Raises ConfigError for plain HTTP over a network that was not permitted."""
    named = (environ.get(variable) for variable in ENDPOINT_VARIABLES)
    found = url.reach.endpoint_url or next((value for value in named if value), None)
    if found is None:
        return None
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ConfigError(
            "object_store.endpoint_url: write https://HOST or http://127.0.0.1:PORT, without keys"
        )
    shown = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme == "http" and not (is_loopback(parts.hostname) or url.reach.allow_http):
        raise ConfigError(
            f"{shown}: plain HTTP is for this machine only, since whoever is on the way can change models and data; "
            "use https://, or set object_store.allow_http for a network that is yours alone"
        )
    return shown


def _options(url: ObjectUrl, server: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    reach = url.reach
    named = (environ.get(variable) for variable in REGION_VARIABLES)
    options: dict[str, Any] = {
        "region": reach.region or next((value for value in named if value), REGION),
        "client_options": {
            "allow_http": server is not None and server.startswith("http://"),
            "connect_timeout": timedelta(seconds=reach.connect_timeout_s),
            "timeout": timedelta(seconds=reach.request_timeout_s),
        }
        | _authority(reach.authority),
        "retry_config": {
            "max_retries": reach.retries,
            "retry_timeout": timedelta(seconds=reach.retry_timeout_s),
            "backoff": {
                "init_backoff": timedelta(seconds=0.1),
                "max_backoff": timedelta(seconds=10),
                "base": 4,  # each pause is drawn between the first and this many of the last: 2 hardly grows
            },
        },
    }
    if server is not None:
        options["endpoint"] = server
    return options | _keys(environ)


def _authority(file: Path | None) -> dict[str, bytes]:
    """Raises ConfigError for a file that is no certificate."""
    if file is None:
        return {}
    try:
        ssl.create_default_context(cafile=file.expanduser())
        return {"root_certificate": file.expanduser().read_bytes()}
    except OSError:
        raise ConfigError(
            f"object_store.authority: {file} is not a certificate in PEM that can be read"
        ) from None


def _keys(environ: Mapping[str, str]) -> "S3Config":
    """Those of a credentials file, where one is named and the environment has none."""
    file = environ.get("AWS_SHARED_CREDENTIALS_FILE")
    if not file or environ.get("AWS_ACCESS_KEY_ID"):
        return {}
    return shared_keys(Path(file).expanduser(), environ.get("AWS_PROFILE") or "default")


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found.group(1) if found else ""


def _cause(text: str) -> str:
    if "InvalidCertificate" in text:
        return "a certificate that nobody here vouches for (object_store.authority)"
    if any(mark in text for mark in ("kind: Timeout", "TimedOut", "timed out")):
        return "no answer in time"
    return "no connection" if "kind: Connect" in text else BROKEN
