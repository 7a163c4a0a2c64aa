"""Authorities of agents' client certificates, made for a test, and an environment that names them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

COMMON_NAME = "ci.agents.example.com"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class TestAuthority:
    """A root, and what it signs."""

    __test__ = False

    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def made(cls, name: str, *, days: int = 3650, is_authority: bool = True) -> TestAuthority:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(name, key, _signed(_name(name), key, _name(name), key, days=days, is_authority=is_authority))

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def signed(self, common_name: str, folder: Path, *, hostname: str | None = None) -> Path:
        """A file with a certificate of that common name and its key; for a server with its host name."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(_name(common_name), key, self.certificate.subject, self.key, hostname=hostname)
        file = folder / f"{self.name}-{common_name}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
        return file


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    days: int = 30,
    is_authority: bool = False,
    hostname: str | None = None,
) -> x509.Certificate:
    moment = datetime.now(UTC)
    public = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=400))
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(public), critical=False)
    )
    if hostname is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def add_authorities(root: Path, **certificates: str) -> Path:
    """Name these authorities in the project's environment, and have agent ci show a certificate; answers the file."""
    file = root / "stacks" / "Pulumi.dev.yaml"
    before = file.read_text(encoding="utf-8").partition("    client_authorities:\n")[0]
    text = (
        before
        if "common_name" in before
        else before.replace(
            "      ci:\n        countries: [SE]\n",
            f"      ci:\n        countries: [SE]\n        common_name: {COMMON_NAME}\n",
        )
    )
    assert "common_name" in text
    if certificates:
        text += "    client_authorities:\n"
    for name, pem in certificates.items():
        text += f"      {name}:\n        certificate: |\n{textwrap.indent(pem, ' ' * 10)}"
    file.write_text(text, encoding="utf-8")
    return file
