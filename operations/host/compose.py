"""A host as a Compose file. Pure: the same bundles and images give the same bytes.

No port is published. The guard, Kong and the connectors share one network namespace, so that loopback means loopback. A
server has none of it: it is reached through a Unix socket in a folder that it shares with the guard, or, where it has a
port, with two relays.
"""

from __future__ import annotations

from typing import Any

from model.host_bundle import Secret
from operations.host.containers import (
    CONNECTOR,
    GUARD,
    GUARD_GROUP,
    KONG,
    KONG_FOLDER,
    READ_VARIABLES,
    kong_command,
    kong_files,
    needed_images,
    server_user,
    short,
    socket_listener,
    start_script,
    yaml_text,
)
from operations.host.host_file import HostFile
from operations.host.images import Images, pinning_advice
from operations.host.instructions import container_readme
from operations.host.kong_conf import cluster_files, operator_settings
from operations.host.machine import ETC, SOCKETS, HostMember, Machine
from operations.host.passages import Passage, hosts_file, passages
from operations.host.scraping import scrape_settings
from operations.host.server_process import server_process

Service = dict[str, Any]
#: Where a relay and a server with a port meet.
_RELAY = "/run/relay/port"
_KONG_PREFIX = "/run/kong"


def compose_images(machine: Machine) -> list[str]:
    """The names of the images that the host needs."""
    relayed = any(member.url or passages(member) for member in machine.servers)
    return needed_images(machine, "pause", *(("socat",) if relayed else ()))


def compose_files(machine: Machine, images: Images) -> list[HostFile]:
    """Every file of the host's folder."""
    builder = _Compose(machine, images)
    files = [
        HostFile("compose.yaml", builder.text()),
        HostFile("prometheus.yml", scrape_settings(machine)),
        *(HostFile(f"start/{member.stack}", start_script(member), 0o755) for member in machine.commands),
    ]
    files += [HostFile(_hosts(member), hosts_file(member)) for member in machine.servers if passages(member)]
    if machine.kong_runs_here:
        files += kong_files(machine, prefix=_KONG_PREFIX)
    for member in machine.members:
        files += [HostFile(f"tunnels/{member.stack}.yml", item.content) for item in member.bundle.files]
    readme = container_readme(
        machine,
        ["docker compose config --quiet", "docker compose up --detach"],
        builder.needs(),
        pinning_advice(images),
        renewal="`docker compose up --detach --force-recreate kong`",
    )
    return [*files, HostFile("README.md", readme)]


class _Compose:
    def __init__(self, machine: Machine, images: Images) -> None:
        self._machine = machine
        self._images = images
        self._secrets: dict[str, dict[str, str]] = {}
        self._volumes: dict[str, Any] = {"guard-state": {}, "guard-audit": {}} if machine.guarded else {}
        self._purposes: list[str] = []

    def text(self) -> str:
        services = self._services()
        document = {
            "name": f"ringwall-{self._machine.environment}-{self._machine.name}",
            "services": services,
            "volumes": self._volumes,
        }
        if self._secrets:
            document["secrets"] = self._secrets
        return yaml_text(f"What {self._machine.name} runs, made by `ringwall host render`.", document)

    def needs(self) -> list[str]:
        """What the operator provides, in the folder of the Compose file."""
        lines = []
        for member in self._machine.guarded:
            names = " and ".join(f"`{item.path.rpartition('/')[2]}`" for item in member.bundle.provided)
            lines.append(f"`guards/{member.stack}/`, readable by user {GUARD}: {names} of {member.stack}.")
            for secret in member.secrets("guard"):
                if secret.reference.file and secret.reference.file.startswith(f"{member.folder}/"):
                    name = secret.reference.file.removeprefix(f"{member.folder}/")
                    lines.append(f"`guards/{member.stack}/{name}`, readable by user {GUARD} alone: {secret.purpose}.")
        if self._machine.kong_runs_here:
            lines += [
                f"`logs/{number}/`, of user {KONG} and writable to it alone: {folder} of Kong, for its log."
                for number, folder in self._log_folders()
            ]
        return [*lines, *self._purposes]

    def _log_folders(self) -> list[tuple[int, str]]:
        return list(enumerate(self._machine.gateway_log_folders, 1))

    # -- services -------------------------------------------------------------------------------------------------------

    def _services(self) -> dict[str, Service]:
        services: dict[str, Service] = {
            "network": {**self._confined("pause", 65535), "networks": ["default"]},
        }
        if self._machine.guarded:
            services["guard"] = self._guard()
        if self._machine.kong_runs_here:
            services["kong"] = self._kong()
            services |= {f"tunnel-{short(member)}": self._tunnel(member) for member in self._machine.members}
        for member in self._machine.servers:
            services[f"server-{short(member)}"] = self._server(member)
            if member.url:
                services |= self._relays(member)
            for passage in passages(member):
                services |= self._passage(member, passage)
        return services

    def _confined(self, image: str, user: int) -> Service:
        return {
            "image": self._images[image],
            "user": f"{user}:{user}",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "pids_limit": 512,
            "restart": "unless-stopped",
        }

    def _inside(self, image: str, user: int) -> Service:
        """In the namespace that the guard, Kong and the connectors share."""
        return {**self._confined(image, user), "network_mode": "service:network"}

    def _guard(self) -> Service:
        machine = self._machine
        folders = [_bind(f"./guards/{member.stack}", member.folder) for member in machine.guarded]
        sockets = [_volume(self._socket_folder(member), f"{SOCKETS}/{member.stack}") for member in machine.commands]
        sockets += [
            _volume(self._socket_folder(member), str(member.socket).rpartition("/")[0])
            for member in machine.servers
            if member.socket
        ]
        variables = {
            name: self._secret(f"guard-{name}", purpose, GUARD) for name, purpose in machine.variables("guard").items()
        }
        service = {
            **self._inside("ringwall", GUARD),
            **_with_variables(["ringwall", *machine.guard_arguments], variables),
            "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
            "volumes": [
                *folders,
                _volume("guard-state", "/var/lib/ringwall"),
                _volume("guard-audit", "/var/log/ringwall"),
                *sockets,
            ],
            "stop_grace_period": "30s",
        }
        outside = [
            {"source": self._secret(f"guard-file-{number}", secret.purpose, GUARD), "target": secret.reference.file}
            for number, secret in enumerate(_files_elsewhere(machine))
        ]
        if outside:
            service["secrets"] = [*service.get("secrets", []), *outside]
        return service

    def _kong(self) -> Service:
        machine = self._machine
        names = {f"KONG_{name.upper()}": f"Kong's {name}" for name in operator_settings(machine)}
        variables = {
            name: self._secret(f"kong-{name}", purpose, KONG)
            for name, purpose in {**names, **machine.variables("kong")}.items()
        }
        self._volumes["kong-prefix"] = _memory(f"mode=0700,uid={KONG},gid={KONG}")
        logs = [_bind(f"./logs/{number}", folder, writable=True) for number, folder in self._log_folders()]
        placed = [_bind(f"./{file.path}", f"{KONG_FOLDER}/{file.path}") for file in kong_files(machine, prefix="")]
        service = {
            **self._inside("kong", KONG),
            "environment": {"KONG_PREFIX": _KONG_PREFIX},
            **_with_variables(kong_command(machine, prefix=_KONG_PREFIX), variables),
            "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
            "volumes": [*placed, _volume("kong-prefix", _KONG_PREFIX), *logs],
        }
        certificates = [
            {"source": self._secret(file.name, file.purpose, KONG), "target": file.path}
            for file in cluster_files(machine)
        ]
        if certificates:
            service["secrets"] = [*service.get("secrets", []), *certificates]
        return service

    def _tunnel(self, member: HostMember) -> Service:
        settings = member.bundle.cloudflared
        tunnel = next(iter(member.secrets("cloudflared")))
        source = self._secret(f"tunnel-{short(member)}", f"{tunnel.purpose}, of {member.stack}", CONNECTOR)
        base = ["tunnel", "--no-autoupdate", "--metrics", f"127.0.0.1:{member.metrics}"]
        service = {
            **self._inside("cloudflared", CONNECTOR),
            "secrets": [{"source": source, "target": "/run/secrets/tunnel"}],
        }
        if settings.mode == "remote":
            return {**service, "command": [*base, "run", "--token-file", "/run/secrets/tunnel"]}
        return {
            **service,
            "command": [*base, "--config", "/etc/cloudflared.yml", "run", "--credentials-file", "/run/secrets/tunnel"],
            "volumes": [_bind(f"./tunnels/{member.stack}.yml", "/etc/cloudflared.yml")],
        }

    # -- a server -------------------------------------------------------------------------------------------------------

    def _server(self, member: HostMember) -> Service:
        user = server_user(member)
        variables = {
            name: self._secret(f"server-{short(member)}-{name}", f"{name} of {member.stack}", user)
            for name in server_process(member).variables
        }
        service: Service = {
            **self._confined(member.stack, user),
            "network_mode": "none",
            "tmpfs": ["/tmp"],  # noqa: S108 - inside the container
        }
        volumes = [_bind(f"./{_hosts(member)}", "/etc/hosts")] if passages(member) else []
        if any(passage.port < 1024 for passage in passages(member)):
            # The relays in this network namespace listen where the server calls, and are not root either.
            service["sysctls"] = {"net.ipv4.ip_unprivileged_port_start": "0"}
        if member.socket:
            volumes.append(_volume(self._socket_folder(member), member.socket.rpartition("/")[0]))
        if member.command:
            arguments = ["socat", *socket_listener(f"{SOCKETS}/stdio", "EXEC:/run/start")]
            service |= _with_variables(arguments, variables)
            volumes += [
                _volume(self._socket_folder(member), SOCKETS),
                _bind(f"./start/{member.stack}", "/run/start"),
            ]
        return {**service, "volumes": volumes} if volumes else service

    def _socket_folder(self, member: HostMember) -> str:
        name = f"socket-{short(member)}"
        # Set-group-ID: the socket that the server makes in it is the guard's group's, so the guard may connect.
        self._volumes[name] = _memory(f"mode=2770,uid={server_user(member)},gid={GUARD_GROUP}")
        return name

    def _relays(self, member: HostMember) -> dict[str, Service]:
        """One relay in the server's namespace, one in the guard's; a socket that only both have joins them."""
        host, port = member.address
        name, user = f"relay-{short(member)}", server_user(member)
        self._volumes[name] = _memory(f"mode=0700,uid={user},gid={user}")
        address = f"[{host}]" if ":" in host else host
        family = "TCP6" if ":" in host else "TCP4"
        listen = f"{family}-LISTEN:{port},bind={address},fork,reuseaddr"
        mounted = {"volumes": [_volume(name, "/run/relay")]}
        return {
            f"{name}-server": {
                **self._confined("socat", user),
                "network_mode": f"service:server-{short(member)}",
                "command": socket_listener(_RELAY, f"{family}:{address}:{port}"),
                **mounted,
            },
            f"{name}-guard": {
                **self._inside("socat", user),
                "command": [listen, f"UNIX-CONNECT:{_RELAY}"],
                **mounted,
            },
        }

    def _passage(self, member: HostMember, passage: Passage) -> dict[str, Service]:
        """One relay in the server's namespace, where it finds the destination; one that reaches the real one."""
        name, user = f"out-{short(member)}-{passage.number}", server_user(member)
        self._volumes[name] = _memory(f"mode=0700,uid={user},gid={user}")
        mounted = {"volumes": [_volume(name, "/run/relay")]}
        return {
            f"{name}-server": {
                **self._confined("socat", user),
                "network_mode": f"service:server-{short(member)}",
                "command": [
                    f"TCP4-LISTEN:{passage.port},bind={passage.address},fork,reuseaddr",
                    f"UNIX-CONNECT:{_RELAY}",
                ],
                **mounted,
            },
            name: {
                **self._confined("socat", user),
                "networks": ["default"],
                "command": socket_listener(_RELAY, f"TCP:{passage.name}:{passage.port}"),
                **mounted,
            },
        }

    def _secret(self, name: str, purpose: str, user: int) -> str:
        self._secrets[name] = {"file": f"./secrets/{name}"}
        self._purposes.append(f"`secrets/{name}`, readable by user {user} alone: {purpose}.")
        return name


def _with_variables(command: list[str], variables: dict[str, str]) -> Service:
    """The command, with its variables read from secrets; the entry point of the image is replaced."""
    if not variables:
        return {"entrypoint": command[:1], "command": command[1:]}
    script = READ_VARIABLES.replace("$", "$$")  # Compose would replace variables of its own
    return {
        "entrypoint": ["/bin/sh", "-c", script, "start"],
        "command": command,
        "secrets": [
            {"source": source, "target": f"/run/secrets/variables/{name}"} for name, source in variables.items()
        ],
    }


def _hosts(member: HostMember) -> str:
    return f"hosts/{member.stack}"


def _files_elsewhere(machine: Machine) -> list[Secret]:
    """Secrets of the guard that its stack file looks for outside the server's own folder."""
    return [
        secret
        for member in machine.members
        for secret in member.secrets("guard")
        if secret.reference.file and not secret.reference.file.startswith(f"{ETC}/{member.stack}/")
    ]


def _bind(source: str, target: str, *, writable: bool = False) -> dict[str, Any]:
    bind = {"create_host_path": False}
    return {"type": "bind", "source": source, "target": target, "read_only": not writable, "bind": bind}


def _volume(source: str, target: str) -> dict[str, Any]:
    return {"type": "volume", "source": source, "target": target}


def _memory(options: str) -> dict[str, Any]:
    return {"driver": "local", "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": options}}
