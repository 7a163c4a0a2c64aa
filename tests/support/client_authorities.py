"""Authorities of agents' client certificates, made for a test, and an environment that names them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from tests.support.certificates import Issued, issued

COMMON_NAME = "ci.agents.example.com"


@dataclass(frozen=True)
class TestAuthority:
    """A root, and what it signs."""

    __test__ = False

    name: str
    own: Issued

    @classmethod
    def made(cls, name: str, *, is_authority: bool = True) -> TestAuthority:
        return cls(name, issued(name, is_authority=is_authority, days=(-400, 3650)))

    @property
    def certificate(self) -> x509.Certificate:
        return self.own.certificate

    @property
    def pem(self) -> str:
        return self.own.pem.decode()

    def signed(self, common_name: str, folder: Path, *, hostname: str | None = None) -> Path:
        """A file with a certificate of that common name and its key; for a server with its host name."""
        names = [] if hostname is None else [hostname]
        return issued(common_name, names, by=self.own).write(folder / f"{self.name}-{common_name}.pem")


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
