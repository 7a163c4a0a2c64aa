"""The text of systemd units, and what every unit of a host is denied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: A section's name and its lines.
Section = tuple[str, Sequence[tuple[str, str]]]

#: Where the units are, below a host's folder.
UNITS = "root/etc/systemd/system"
#: What no server may see, whatever its permissions: the guard's keys and logs, and the doors to other containers.
HIDDEN = (
    "-/etc/ringwall -/var/lib/ringwall -/var/log/ringwall -/run/dbus -/run/docker.sock -/run/containerd -/run/podman"
)
#: What each unit is denied (systemd.exec(5)). What a unit needs in spite of it is said in the unit's own lines.
CONFINEMENT: tuple[tuple[str, str], ...] = (
    ("NoNewPrivileges", "yes"),
    ("CapabilityBoundingSet", ""),
    ("AmbientCapabilities", ""),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("PrivateDevices", "yes"),
    # The one folder besides /tmp that every process may write, which PrivateDevices leaves as it is.
    ("TemporaryFileSystem", "/dev/shm:mode=1777"),  # noqa: S108 - inside the unit
    ("DevicePolicy", "closed"),
    ("PrivateIPC", "yes"),
    ("ProtectProc", "invisible"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("LockPersonality", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RemoveIPC", "yes"),
    ("KeyringMode", "private"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "~@privileged @resources"),
    ("SystemCallErrorNumber", "EPERM"),
)


def unit(comment: str, *sections: Section) -> str:
    """A unit file."""
    blocks = ["\n".join([f"[{name}]", *(f"{key}={value}" for key, value in lines)]) for name, lines in sections]
    return "\n\n".join([f"# {comment}", *blocks]) + "\n"


def command_line(arguments: Iterable[str]) -> str:
    """An ExecStart that runs exactly these arguments: no specifier, variable or escape of systemd's is expanded."""
    return " ".join(_quoted(argument) for argument in arguments)


def setting(text: str) -> str:
    """A value of a unit's line, such as a path, in which a percent sign is only itself."""
    return text.replace("%", "%%")


def endpoint(host: str, port: int) -> str:
    """Host and port as systemd and its programs read them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _quoted(argument: str) -> str:
    escaped = setting(argument).replace("\\", "\\\\").replace("$", "$$").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\t", "\\t")
    plain = argument and not any(character in argument for character in " \t\n'\"\\;#")
    return escaped if plain else f'"{escaped}"'
