"""A certificate authority of one's own, and certificates by it, as files."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)


def identity(folder: Path, name: str, passphrase: bytes | None = None) -> tuple[Path, Path, Path]:
    """Files of a new authority, of a certificate by it for this machine's loopback, and of the certificate's key."""
    folder.mkdir(parents=True)
    own, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _signed(name, own.public_key(), name, own)
    content = {
        "ca.pem": authority.public_bytes(Encoding.PEM),
        "node.pem": _signed("node", key.public_key(), name, own).public_bytes(Encoding.PEM),
        "node-key.pem": key.private_bytes(
            Encoding.PEM,
            PrivateFormat.PKCS8,
            BestAvailableEncryption(passphrase) if passphrase else NoEncryption(),
        ),
    }
    for file, data in content.items():
        (folder / file).write_bytes(data)
        (folder / file).chmod(0o600)
    ca, node, private = (folder / file for file in content)
    return ca, node, private


def _signed(
    name: str, key: ec.EllipticCurvePublicKey, issuer: str, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject, signer = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one)]) for one in (name, issuer)
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
    )
    if name != issuer:
        here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        made = made.add_extension(here, critical=False)
    return made.sign(by, hashes.SHA256())
