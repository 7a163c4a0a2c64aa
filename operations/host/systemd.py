"""A host as systemd units, with its users, folders and settings. Pure: the same bundles give the same bytes.

Each process has a user of its own. A server is in a network namespace without a way out: a command is reached through a Unix
socket that only the guard may open, a server with a port through `systemd-socket-proxyd(8)`, which listens on the host's
loopback and connects inside the server's namespace. So a server that binds every address is reached by nobody, and one that
calls out reaches nobody.
"""

from __future__ import annotations

from model.guardless import NO_GUARD
from model.host_bundle import tunnel_unit
from operations.host.declared import CONFIGURATION, SCRIPT, declare_script
from operations.host.host_file import HostFile
from operations.host.kong_conf import KONG_CONF, kong_conf
from operations.host.machine import ETC, SOCKETS, HostMember, Machine
from operations.host.passage_units import STARTERS, hosts_path, network_owner, passage_files, passage_lines
from operations.host.passages import passages
from operations.host.scraping import scrape_settings
from operations.host.server_process import MAX_CONNECTIONS, server_process, server_variables
from operations.host.unit_text import CONFINEMENT, HIDDEN, UNITS, Section, command_line, endpoint, setting, unit

GUARD_USER = "ringwall-guard"
KONG_USER = "ringwall-kong"
_KONG_STATE = "/var/lib/ringwall-kong"
_ONLINE = (("Wants", "network-online.target"), ("After", "network-online.target"))
_RESTART = (("Restart", "always"), ("RestartSec", "1"))
_BOOT: Section = ("Install", (("WantedBy", "multi-user.target"),))


def systemd_files(machine: Machine) -> list[HostFile]:
    """Every file but the README and the script that places them."""
    files = [*([_guard(machine)] if machine.guarded else ()), _users(machine), _folders(machine)]
    files.append(HostFile(f"root{ETC}/prometheus.yml", scrape_settings(machine)))
    if machine.kong_runs_here:
        files += [*_kong_files(machine), _kong(machine)]
    for member in machine.members:
        files += [HostFile(f"root{item.path}", item.content) for item in member.bundle.files]
        if member.bundle.guard is None:
            text = f"{member.stack} has no guard: Kong alone stands before its models.\n"
            files.append(HostFile(f"root{member.folder}/{NO_GUARD}", text))
        if machine.kong_runs_here:
            # With the gateway elsewhere the connector runs beside it.
            files.append(_cloudflared(member))
        if member.command:
            files += [_command_socket(member), _command(member)]
        elif member.socket:
            files.append(_socket_server(member))
        elif member.url:
            files += [_port_server(member), _port_socket(member), _port(member)]
        files += passage_files(member)
    return files


def started_units(machine: Machine) -> list[str]:
    """What `systemctl enable --now` is given; the rest is started by these."""
    names = ["ringwall-guard.service"] if machine.guarded else []
    if machine.kong_runs_here:
        names.append("ringwall-kong.service")
    for member in machine.members:
        if member.command:
            names.append(f"ringwall-server-{member.stack}.socket")
        elif member.url:
            names.append(f"ringwall-port-{member.stack}.socket")
        elif member.socket:
            names.append(f"ringwall-server-{member.stack}.service")
        if machine.kong_runs_here:
            names.append(tunnel_unit(member.stack))
    return names


def _guard(machine: Machine) -> HostFile:
    binds = [("SocketBindAllow", f"tcp:{port}") for port in machine.guard_ports]
    variables = [("EnvironmentFile", f"{ETC}/guard.env")] if machine.variables("guard") else []
    text = unit(
        f"The guard of every server of {machine.name}.",
        ("Unit", (("Description", "Ringwall guard"), *_ONLINE)),
        (
            "Service",
            (
                ("User", GUARD_USER),
                ("Group", GUARD_USER),
                ("ExecStart", command_line(("/opt/ringwall/bin/ringwall", *machine.guard_arguments))),
                ("ExecReload", "/bin/kill -HUP $MAINPID"),
                *variables,
                *_RESTART,
                ("TimeoutStopSec", "30"),
                ("LimitNOFILE", "65536"),
                ("StateDirectory", "ringwall"),
                ("StateDirectoryMode", "0700"),
                ("LogsDirectory", "ringwall"),
                ("LogsDirectoryMode", "0750"),
                ("UMask", "0027"),
                *CONFINEMENT,
                ("ProcSubset", "pid"),
                ("MemoryDenyWriteExecute", "yes"),
                ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
                ("SocketBindDeny", "any"),
                *binds,
            ),
        ),
        _BOOT,
    )
    return HostFile(f"{UNITS}/ringwall-guard.service", text)


def _kong_files(machine: Machine) -> list[HostFile]:
    """kong.conf, and the configuration of a node without a control plane."""
    if machine.declared is None:
        return [HostFile(f"root{KONG_CONF}", kong_conf(machine))]
    script, placed = declare_script(machine), f"{ETC}/{CONFIGURATION}"
    files = [
        HostFile(
            f"root{KONG_CONF}", kong_conf(machine, declared_at=f"{_KONG_STATE}/{CONFIGURATION}" if script else placed)
        ),
        HostFile(f"root{placed}", machine.declared.text),
    ]
    return [*files, HostFile(f"root{ETC}/{SCRIPT}", script, 0o755)] if script else files


def _kong(machine: Machine) -> HostFile:
    prefix = _KONG_STATE
    declare = f"{ETC}/{SCRIPT} {ETC}/{CONFIGURATION} {prefix}/{CONFIGURATION}" if declare_script(machine) else None
    nginx = "/usr/local/openresty/nginx/sbin/nginx"
    text = unit(
        # LuaJIT writes the code that it runs, so MemoryDenyWriteExecute is left out.
        f"Kong {machine.kong.version}, {machine.kong.role.replace('_', ' ')}.",
        ("Unit", (("Description", "Kong behind the Cloudflare tunnel"), *_ONLINE)),
        (
            "Service",
            (
                ("User", KONG_USER),
                ("Group", KONG_USER),
                ("Environment", "KONG_NGINX_DAEMON=off"),
                ("EnvironmentFile", f"-{ETC}/kong.env"),
                *([("ExecStartPre", declare)] if declare else []),
                ("ExecStartPre", f"/usr/local/bin/kong prepare -p {prefix} -c {KONG_CONF}"),
                ("ExecStart", f"{nginx} -p {prefix} -c nginx.conf"),
                *([("ExecReload", declare)] if declare else []),
                ("ExecReload", f"/usr/local/bin/kong prepare -p {prefix} -c {KONG_CONF}"),
                ("ExecReload", f"{nginx} -p {prefix} -c nginx.conf -s reload"),
                ("KillSignal", "SIGQUIT"),
                ("KillMode", "mixed"),
                *_RESTART,
                ("LimitNOFILE", "65536"),
                ("StateDirectory", "ringwall-kong"),
                ("StateDirectoryMode", "0700"),
                ("UMask", "0077"),
                *(("ReadWritePaths", setting(folder)) for folder in machine.gateway_log_folders),
                *CONFINEMENT,
                ("InaccessiblePaths", "-/var/lib/ringwall -/var/log/ringwall"),
                ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
                # UDP is left to Kong's own resolver, which binds ports of its choice.
                ("SocketBindDeny", "tcp"),
                *(("SocketBindAllow", f"tcp:{port}") for port in machine.kong_ports),
            ),
        ),
        _BOOT,
    )
    return HostFile(f"{UNITS}/ringwall-kong.service", text)


def _cloudflared(member: HostMember) -> HostFile:
    settings = member.bundle.cloudflared
    base = ("/usr/local/bin/cloudflared", "tunnel", "--no-autoupdate")
    if settings.config_file is not None:
        secret, name = settings.credentials_file, "tunnel-credentials.json"
        arguments = command_line((*base, "--config", settings.config_file, "run")) + f" --credentials-file %d/{name}"
    else:
        secret, name = settings.token_file, "tunnel-token"
        arguments = command_line((*base, "run")) + f" --token-file %d/{name}"
    text = unit(
        f"The Cloudflare tunnel of {member.stack}.",
        ("Unit", (("Description", f"Cloudflare Tunnel of {member.stack}"), *_ONLINE)),
        (
            "Service",
            (
                ("DynamicUser", "yes"),
                ("LoadCredential", f"{name}:{secret}"),
                ("ExecStart", arguments),
                ("Environment", f"TUNNEL_METRICS=127.0.0.1:{member.metrics}"),
                *_RESTART,
                ("UMask", "0077"),
                *CONFINEMENT,
                ("PrivateUsers", "yes"),
                ("ProcSubset", "pid"),
                ("MemoryDenyWriteExecute", "yes"),
                ("InaccessiblePaths", "-/var/lib/ringwall -/var/log/ringwall"),
                ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
                # QUIC binds UDP ports of its choice.
                ("SocketBindDeny", "tcp"),
                ("SocketBindAllow", f"tcp:{member.metrics}"),
            ),
        ),
        _BOOT,
    )
    return HostFile(f"{UNITS}/{tunnel_unit(member.stack)}", text)


# -- the server -------------------------------------------------------------------------------------------------------


def _command_socket(member: HostMember) -> HostFile:
    text = unit(
        f"Starts the command of {member.stack} for each connection; only the guard may connect.",
        ("Unit", (("Description", f"Socket of the MCP server {member.stack}"),)),
        (
            "Socket",
            (
                ("ListenStream", f"{SOCKETS}/{member.stack}/stdio"),
                ("Accept", "yes"),
                ("SocketUser", GUARD_USER),
                ("SocketGroup", GUARD_USER),
                ("SocketMode", "0600"),
                ("DirectoryMode", "0755"),
                ("MaxConnections", str(MAX_CONNECTIONS)),
                ("RemoveOnStop", "yes"),
            ),
        ),
        ("Install", (("WantedBy", "sockets.target"),)),
    )
    return HostFile(f"{UNITS}/ringwall-server-{member.stack}.socket", text)


def _command(member: HostMember) -> HostFile:
    process = server_process(member)
    lines: tuple[tuple[str, str], ...] = (
        ("User", member.user),
        ("ExecStart", command_line(process.command or ())),
        ("StandardInput", "socket"),
        ("StandardOutput", "socket"),
        ("StandardError", "journal"),
        # A guard that went away closes the socket; what does not end then ends after a day.
        ("RuntimeMaxSec", "1d"),
        *_server_lines(member),
    )
    text = unit(
        f"One connection of the guard to the command of {member.stack}.",
        (
            "Unit",
            (
                ("Description", f"MCP server {member.stack}"),
                ("CollectMode", "inactive-or-failed"),
                *passage_lines(member),
            ),
        ),
        ("Service", lines),
    )
    return HostFile(f"{UNITS}/ringwall-server-{member.stack}@.service", text)


def _port_server(member: HostMember) -> HostFile:
    text = unit(
        f"The MCP server {member.stack}, in a network of its own.",
        ("Unit", (("Description", f"MCP server {member.stack}"), *passage_lines(member))),
        (
            "Service",
            (
                ("User", member.user),
                ("ExecStart", f"{STARTERS}/{member.stack}"),
                *_RESTART,
                *_server_lines(member),
            ),
        ),
    )
    return HostFile(f"{UNITS}/ringwall-server-{member.stack}.service", text)


def _port_socket(member: HostMember) -> HostFile:
    host, port = member.address
    text = unit(
        f"The loopback port of {member.stack}, where the guard connects.",
        ("Unit", (("Description", f"Port of the MCP server {member.stack}"),)),
        ("Socket", (("ListenStream", endpoint(host, port)), ("Backlog", "512"))),
        ("Install", (("WantedBy", "sockets.target"),)),
    )
    return HostFile(f"{UNITS}/ringwall-port-{member.stack}.socket", text)


def _port(member: HostMember) -> HostFile:
    server = f"ringwall-server-{member.stack}.service"
    text = unit(
        f"Hands connections to the port of {member.stack} on to the server, inside the server's network.",
        (
            "Unit",
            (
                ("Description", f"Port of the MCP server {member.stack}"),
                ("Requires", server),
                ("After", server),
                ("JoinsNamespaceOf", network_owner(member)),
            ),
        ),
        (
            "Service",
            (
                ("DynamicUser", "yes"),
                ("ExecStart", f"/usr/lib/systemd/systemd-socket-proxyd {endpoint(*member.address)}"),
                ("PrivateNetwork", "yes"),
                ("UMask", "0077"),
                *CONFINEMENT,
                # JoinsNamespaceOf shares /tmp along with the network; the proxy reads and writes no file.
                ("ProcSubset", "pid"),
                ("MemoryDenyWriteExecute", "yes"),
                ("InaccessiblePaths", HIDDEN),
                ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
                ("IPAddressDeny", "any"),
                ("IPAddressAllow", "localhost"),
            ),
        ),
    )
    return HostFile(f"{UNITS}/ringwall-port-{member.stack}.service", text)


def _socket_server(member: HostMember) -> HostFile:
    folder = str(member.socket).rpartition("/")[0]
    text = unit(
        f"The MCP server {member.stack}, which opens {member.socket} itself.",
        ("Unit", (("Description", f"MCP server {member.stack}"), *passage_lines(member))),
        (
            "Service",
            (
                ("User", member.user),
                ("ExecStart", f"{STARTERS}/{member.stack}"),
                *_RESTART,
                ("ReadWritePaths", setting(folder)),
                *_server_lines(member),
            ),
        ),
        _BOOT,
    )
    return HostFile(f"{UNITS}/ringwall-server-{member.stack}.service", text)


def _server_lines(member: HostMember) -> tuple[tuple[str, str], ...]:
    process, home = server_process(member), f"%S/{member.user}"
    variables = [("EnvironmentFile", f"{member.folder}/server.env")] if process.variables else []
    # A socket's folder belongs to a user that is there before the server runs.
    dynamic = [] if member.socket else [("DynamicUser", "yes")]
    hosts = [("BindReadOnlyPaths", f"{hosts_path(member)}:/etc/hosts")] if passages(member) else []
    return (
        ("WorkingDirectory", setting(process.directory) if process.directory else home),
        *dynamic,
        *variables,
        *hosts,
        ("StateDirectory", member.user),
        *(("Environment", f"{name}={value}") for name, value in server_variables(home).items()),
        ("TasksMax", "512"),
        ("UMask", f"{process.umask:04o}"),
        *CONFINEMENT,
        # MemoryDenyWriteExecute is left out: Node and Java write the code that they run.
        ("PrivateUsers", "yes"),
        ("PrivateNetwork", "yes"),
        ("InaccessiblePaths", HIDDEN),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
        ("IPAddressDeny", "any"),
        ("IPAddressAllow", "localhost"),
    )


# -- users and folders ------------------------------------------------------------------------------------------------


def _users(machine: Machine) -> HostFile:
    lines = [
        "# Users of this host's units (sysusers.d(5)). Servers without a socket of their own get one while they run."
    ]
    names = [(GUARD_USER, "Ringwall guard")] if machine.guarded else []
    if machine.kong_runs_here:
        names.append((KONG_USER, "Kong behind the Cloudflare tunnel"))
    names += [(member.user, f"MCP server {member.stack}") for member in machine.servers if member.socket]
    lines += [f'u {name} - "{purpose}"' for name, purpose in names]
    return HostFile("root/etc/sysusers.d/ringwall.conf", "\n".join(lines) + "\n")


def _folders(machine: Machine) -> HostFile:
    lines = ["# Folders of this host's units (tmpfiles.d(5)).", f"d {ETC} 0755 root root"]
    lines += [f"d {member.folder} 0755 root root" for member in machine.members]
    lines.append(f"d {STARTERS} 0755 root root")
    if machine.kong_runs_here:
        lines += [f'd "{setting(folder)}" 0750 {KONG_USER} {KONG_USER}' for folder in machine.gateway_log_folders]
    for member in machine.servers:
        if member.socket:
            # Set-group-ID: the socket that the server makes in it is the guard's group's, so the guard may connect.
            folder = setting(member.socket.rpartition("/")[0])
            lines.append(f'd "{folder}" 2750 {member.user} {GUARD_USER}')
    return HostFile("root/etc/tmpfiles.d/ringwall.conf", "\n".join(lines) + "\n")
