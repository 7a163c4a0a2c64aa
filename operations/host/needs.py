"""What the operator provides on a host besides the files that are placed: programs, secrets, signed configurations."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.files import read_bytes
from operations.host.kong_conf import cluster_files, operator_settings
from operations.host.machine import ETC, HostMember, Machine
from operations.host.passage_units import STARTERS

_KONG = "/usr/local/bin/kong"


@dataclass(frozen=True)
class Need:
    """One thing that the operator provides, at a path of the host.

    `variable` is a line of it, where it is a file of variables. `owner` is who alone may read it, where it is a secret.
    """

    path: str
    purpose: str
    owner: str | None = None
    variable: str | None = None
    executable: bool = False

    @property
    def text(self) -> str:
        """As the README says it."""
        if self.owner is None:
            return f"`{self.path}`: {self.purpose}."
        mode = "root's, mode 0600" if self.owner == "root" else f"of `{self.owner}`, mode 0400"
        if self.variable is None:
            return f"`{self.path}`, {mode}: {self.purpose}."
        return f"`{self.path}`, {mode}: a line `{self.variable}=…`, {self.purpose}."


def needs_of(machine: Machine) -> list[Need]:
    """Everything that the host needs under systemd, in the order of the README."""
    return [*_programs(machine), *_files(machine)]


def _programs(machine: Machine) -> Iterator[Need]:
    if machine.guarded:
        yield Need("/opt/ringwall/bin/ringwall", "Ringwall, of the version that made these files", executable=True)
    if machine.kong_runs_here:
        yield Need(_KONG, f"Kong {machine.kong.version}", executable=True)
        yield Need("/usr/local/bin/cloudflared", "the tunnels' connector", executable=True)
    for member in machine.servers:
        if not member.command:
            purpose = f"the program or script that starts {member.stack} at `{member.url or member.socket}`"
            yield Need(f"{STARTERS}/{member.stack}", purpose, executable=True)


def _files(machine: Machine) -> Iterator[Need]:
    for member in machine.members:
        for item in member.bundle.provided:
            yield Need(item.path, item.purpose)
        for secret in member.bundle.secrets:
            if secret.reader == "cloudflared":
                if machine.kong_runs_here:
                    yield Need(str(secret.reference.file), f"{secret.purpose}. {_tunnel_advice(member)}", "root")
            elif secret.reader == "server":
                name = secret.purpose.removeprefix("the server's ")
                yield Need(f"{member.folder}/server.env", f"for {member.stack}", "root", name)
            elif secret.reference.file:
                yield Need(secret.reference.file, secret.purpose, f"ringwall-{secret.reader}")
    if machine.kong_runs_here:
        for file in cluster_files(machine):
            yield Need(file.path, file.purpose, "ringwall-kong" if file.secret else None)
        for name in operator_settings(machine):
            yield Need(f"{ETC}/kong.env", f"Kong's {name}", "root", f"KONG_{name.upper()}")
    for reader in ("guard", "kong"):
        for name, purpose in machine.variables(reader).items():
            if reader == "guard" or machine.kong_runs_here:
                yield Need(f"{ETC}/{reader}.env", purpose, "root", name)


def _tunnel_advice(member: HostMember) -> str:
    if member.bundle.cloudflared.mode == "local":
        return "`cloudflared tunnel token --cred-file FILE TUNNEL` writes it"
    return f"`cloudflared tunnel token TUNNEL` prints it; TUNNEL is `ringwall outputs {member.stack} tunnel_id`"


def lacking(need: Need, path: Path) -> str | None:
    """What is wrong with what stands there for a need; None where nothing is. No content is in it."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return f"is no file; it is to hold {need.purpose}"
        if need.executable:
            return None if mode & 0o111 else "cannot be executed"
        # A group may read what its user reads; root's group is nobody's business.
        if need.owner is not None and mode & (0o077 if need.owner == "root" else 0o037):
            return f"is a secret that others than {need.owner} may read (mode {stat.S_IMODE(mode):04o})"
        if need.variable is None:
            return None if path.stat().st_size else "is empty"
        text = read_bytes(path).decode(errors="replace")
    except FileNotFoundError:
        return (
            f"is missing: {need.purpose}" if need.variable is None else f"is missing, with its line {need.variable}=…"
        )
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if re.search(rf"^\s*{re.escape(need.variable)}=\S", text, re.MULTILINE):
        return None
    return f"has no line {need.variable}=…: {need.purpose}"
