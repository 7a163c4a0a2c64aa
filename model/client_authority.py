"""An authority whose client certificates Cloudflare Access accepts from agents that have a `common_name`.

Its certificate is no secret, and stands in the stack file: whoever reviews a change of it sees whose certificates count.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, StringConstraints

from model.base import Model
from model.problems import Wrong

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_BEGIN = "-----BEGIN CERTIFICATE-----"
_PASTE = "paste the authority's own certificate, the text from BEGIN CERTIFICATE to END CERTIFICATE"


def _authority(text: str) -> str:
    """The certificate in the one spelling that PEM has for it, so that another line break changes nothing."""
    # 0.03 s that few files need.
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    if (count := text.count(_BEGIN)) != 1:
        raise Wrong("holds no certificate" if count == 0 else f"holds {count} certificates, not one", _PASTE)
    try:
        certificate = _read(text)
    except ValueError:
        raise Wrong("is no certificate that can be read", _PASTE) from None
    try:
        is_authority = certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except (ExtensionNotFound, ValueError):
        is_authority = False
    if not is_authority:
        raise Wrong("is the certificate of no authority (CA:TRUE is not in it), so it signs nobody's", _PASTE)
    return certificate.public_bytes(Encoding.PEM).decode()


def _read(text: str) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(text.encode())


def in_words(text: str) -> str:
    """An authority's certificate as a reviewer compares it with a command such as `openssl x509 -noout -fingerprint`."""
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate = _read(text)
    fingerprint = certificate.fingerprint(SHA256()).hex(":").upper()
    return f"{certificate.subject.rfc4514_string()}, until {certificate.not_valid_after_utc:%Y-%m-%d}, SHA-256 {fingerprint}"


class ClientAuthority(Model):
    """An authority that signs the client certificates of agents."""

    certificate: Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_authority)] = Field(
        description="Its certificate in PEM, the root itself. It is no secret."
    )

    @property
    def ends(self) -> datetime:
        """When its certificate ends, in UTC; no certificate that it signed counts after that."""
        return _read(self.certificate).not_valid_after_utc
