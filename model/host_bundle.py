"""The host bundle: every process, listener, file, secret and destination that one server needs on its origin host.

It is the contract of the fourth ring. systemd and Compose files are rendered from it elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from model.base import AbsolutePath, Hostname, Many, Model, Name, SecretRef, Version1, Words
from model.server import Origin

Text = Annotated[str, StringConstraints(min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


#: The purpose of the gateway's port where its /metrics are served.
GATEWAY_METRICS = "health and metrics of the gateway"


def tunnel_unit(stack: str) -> str:
    """The unit of a tunnel's connector, where systemd runs the host."""
    return f"ringwall-cloudflared-{stack}.service"


class Listener(Model):
    """A socket that the host may have open. No other socket may be open."""

    process: Literal["cloudflared", "kong", "guard", "server"] = Field(description="Who listens.")
    address: Text = Field(description="127.0.0.1:8000, or the path of a Unix socket.")
    purpose: Text = Field(description="What for.")


class Cloudflared(Model):
    """The tunnel's connector."""

    mode: Literal["remote", "local"] = Field(description="How the tunnel is managed.")
    tunnel_id: Text = Field(description="Tunnel.")
    arguments: Words = Field(description="Command line.")
    token_file: AbsolutePath | None = Field(None, description="remote: 0600, written by the operator on the host.")
    config_file: AbsolutePath | None = Field(None, description="local: its config.yml.")
    credentials_file: AbsolutePath | None = Field(None, description="local: 0600, written by the operator on the host.")


class Kong(Model):
    """Settings of the gateway node on this host, as kong.conf keys."""

    version: Text = Field(description="Kong version.")
    role: Literal["traditional", "data_plane", "elsewhere"] = Field(description="What this host's node is.")
    settings: dict[str, str] = Field(description="kong.conf keys and values.")


class GuardProcess(Model):
    arguments: Words = Field(description="Command line.")
    config_file: AbsolutePath = Field(description="Its configuration, signed.")
    config_sha256: Sha256 = Field(description="Digest of what it signs: output guard_config_sha256.")
    public_key_file: AbsolutePath = Field(description="What it checks the signature with.")
    state_directory: AbsolutePath = Field(description="0700, the guard's own: last good configuration, keys it makes.")
    audit_log: AbsolutePath = Field(description="Its audit log.")


class File(Model):
    """A file to place on the host, without secrets."""

    path: AbsolutePath = Field(description="Where.")
    mode: Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")] = Field(description="Permissions, octal.")
    sha256: Sha256 = Field(description="Digest of the content.")
    content: str = Field(description="The text.")


class ProvidedFile(Model):
    """A file that is not made here but that the host needs: the operator puts it there. It holds no secret."""

    path: AbsolutePath = Field(description="Where.")
    purpose: Text = Field(description="What for, and where it comes from.")


class Secret(Model):
    """A secret the operator must provide on the host, and who reads it."""

    reader: Literal["cloudflared", "kong", "guard", "server"] = Field(description="Who reads it.")
    reference: SecretRef = Field(description="Where it must be.")
    purpose: Text = Field(description="What for.")


class Egress(Model):
    """A destination that must be reachable from the host; everything else may be closed."""

    process: Literal["cloudflared", "kong", "guard", "server"] = Field(description="Who connects.")
    destination: Text = Field(description="URL, host:port or gateway-side reference.")
    purpose: Text = Field(description="What for.")


class HostBundle(Model):
    """Everything one host runs for one server or model route."""

    version: Version1 = Field(description="Format of this document.")
    environment: Name = Field(description="Environment.")
    server: Name = Field(description="Server or model route.")
    host: Name = Field(description="Host that runs it.")
    hostnames: Many[Hostname] = Field(description="Public names.")
    listeners: Many[Listener] = Field(description="Every socket that may be open.")
    cloudflared: Cloudflared = Field(description="The tunnel's connector.")
    kong: Kong = Field(description="The gateway node.")
    guard: GuardProcess | None = Field(description="The guard; none where a model route has none.")
    origin: Origin | None = Field(
        description="The server; none for a model route, whose models are behind the gateway."
    )
    files: Many[File] = Field(description="Files to place.")
    provided: Many[ProvidedFile] = Field((), description="Files the operator provides beside them.")
    secrets: Many[Secret] = Field((), description="Secrets to provide.")
    egress: Many[Egress] = Field((), description="Destinations to allow.")
    gateway_logs: Many[AbsolutePath] = Field(
        (), exclude_if=lambda value: not value, description="Files to which the gateway node writes its log."
    )
