"""Certificates for a test, as RFC 5280 wants them: Python 3.13 and later refuse all others."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, file: Path) -> Path:
        """Both into one file, which is given back."""
        file.write_bytes(self.key_pem + self.pem)
        return file

    def server(self, file: Path) -> ssl.SSLContext:
        """A server's side of TLS; `file` is written on the way."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.write(file))
        return context


def issued(
    common_name: str | None,
    names: Sequence[str] = (),
    *,
    by: Issued | None = None,
    is_authority: bool = False,
    days: tuple[float, float] = (-400, 30),
    without: type[x509.ExtensionType] | None = None,
) -> Issued:
    """A certificate with a key of its own.

    Args:
        common_name: None leaves the subject empty.
        names: host names and addresses of a server.
        by: who signs it; None for itself.
        days: from now until it begins, and until it ends.
        without: an extension that is left out, against RFC 5280.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    subject = x509.Name(attributes)
    signer = by.key if by else key
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=by.certificate.subject if by else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now + timedelta(days=days[0]),
        not_valid_after=now + timedelta(days=days[1]),
    )
    usage = x509.KeyUsage(True, False, False, False, False, is_authority, is_authority, False, False)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=is_authority, path_length=None), True),
        (usage, True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    if names:
        extensions.append((x509.SubjectAlternativeName([_general_name(name) for name in names]), not attributes))
    for extension, critical in extensions:
        if without is None or not isinstance(extension, without):
            builder = builder.add_extension(extension, critical)
    return Issued(builder.sign(signer, hashes.SHA256()), key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
