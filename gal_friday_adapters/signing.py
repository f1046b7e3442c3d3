"""Ed25519 signatures by which this installation vouches for what it stored, and knows it again.

The private key is made at the first signature, in a file that only its owner may read; the public key stands
beside it. What is trusted: the public keys that the configuration pins, else that one. Entry point: `SigningKeys`.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gal_friday_adapters.private_files import create_private, read_private
from gal_friday_core.errors import ArtifactError, ConfigError, StorageError

PRIVATE, PUBLIC = "signing.key", "signing.pub"
ARTIFACT = "model artifact v1"
CERTIFICATE = "promotion certificate v1"
OVERRIDE = "promotion override v1"
"""The purposes of signatures over an artifact's manifest, over a certificate, and over a decision against one. Each
kind of document has a purpose of its own, so that a signature over one never stands for another."""
_KEY = re.compile(r"[0-9a-f]{64}")


class Signature(NamedTuple):
    """`key` is the public key in hex, 64 digits; `value` the 64 bytes of the signature."""

    key: str
    value: bytes


class SigningKeys:
    """Signs with the key in `folder`; believes the `trusted` public keys, or that one alone where none is given.

    Raises ConfigError for a trusted key that is not 64 hexadecimal digits.
    """

    def __init__(self, folder: Path, trusted: Iterable[str] = ()) -> None:
        self._folder = folder
        self._pinned = frozenset(trusted)
        for key in self._pinned:
            if not _KEY.fullmatch(key):
                raise ConfigError(
                    f"storage.trusted_keys: {key[:80]!r} is no public key: 64 hexadecimal digits are"
                )

    def public_key(self) -> str:
        """Of the key that signs here; it is made where there is none. Raises ConfigError, StorageError."""
        return _public(self._private())

    def trusted(self) -> frozenset[str]:
        """The public keys whose signatures are believed; empty where none is pinned and none was made."""
        if self._pinned:
            return self._pinned
        try:
            return frozenset({(self._folder / PUBLIC).read_text(encoding="ascii").strip()})
        except FileNotFoundError:
            return frozenset()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"cannot read {self._folder / PUBLIC}: {type(error).__name__}; restore it"
            ) from None

    def sign(self, purpose: str, content: bytes) -> Signature:
        """Raises ConfigError where the key may not be used, or is not among those that are trusted here."""
        private = self._private()
        key = _public(private)
        if key not in self.trusted():
            raise ConfigError(
                f"{self._folder / PRIVATE}: its public key {key} is not among those trusted here; "
                "add it to storage.trusted_keys, or sign where a trusted key is"
            )
        return Signature(key, private.sign(_message(purpose, content)))

    def check(self, purpose: str, content: bytes, signatures: Iterable[Signature]) -> str:
        """The trusted key that signed. Raises ArtifactError where none did, or its signature does not verify."""
        trusted = self.trusted()
        given = [signature for signature in signatures if signature.key in trusted]
        if not given:
            raise ArtifactError(
                "no signature by a key that is trusted here; register the model again, "
                "or add the key that signed it to storage.trusted_keys"
            )
        for signature in given:
            _verify(purpose, content, signature)
        return given[0].key

    def _private(self) -> Ed25519PrivateKey:
        file = self._folder / PRIVATE
        if not file.exists():
            fresh = Ed25519PrivateKey.generate()
            create_private(file, fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        private = _parsed(read_private(file, "the signing key"), file)
        self._publish(_public(private))
        return private

    def _publish(self, key: str) -> None:
        file = self._folder / PUBLIC
        try:
            if not file.exists():
                create_private(file, f"{key}\n".encode())
                file.chmod(0o644)
            found = file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise StorageError(f"cannot write {file}: {error.strerror}; fix its permissions") from error
        if found != key:
            raise ConfigError(
                f"{file} is not the public key of {self._folder / PRIVATE}: one of them was replaced; "
                "restore both, or remove both and register the models again"
            )


def _message(purpose: str, content: bytes) -> bytes:
    """The purpose cannot contain the zero byte that ends it, so two purposes never sign the same bytes."""
    return f"gal-friday {purpose}".encode() + b"\0" + content


def _public(private: Ed25519PrivateKey) -> str:
    return private.public_key().public_bytes_raw().hex()


def _parsed(text: str, file: Path) -> Ed25519PrivateKey:
    try:
        private = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):  # no cause: it may quote the key
        raise ConfigError(f"{file}: not a private key in PEM without a passphrase; restore it") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"{file}: not an Ed25519 key; restore it")
    return private


def _verify(purpose: str, content: bytes, signature: Signature) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.key)).verify(
            signature.value, _message(purpose, content)
        )
    except (InvalidSignature, ValueError):
        raise ArtifactError(
            f"the signature by {signature.key[:12]}… does not verify: what it stands for was altered; "
            "restore it or register the model again"
        ) from None
