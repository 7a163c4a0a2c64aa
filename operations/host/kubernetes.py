"""A host as Kubernetes manifests with a Kustomization: one pod, no Service, and a policy that lets nothing in.

Containers of a pod share its network, so here a server is not kept from what the pod may reach, as it is by the units and
in Compose; it is kept from the guard's files. Secrets are named, never made.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from model.errors import InputError
from operations.host.containers import (
    CONNECTOR,
    GUARD,
    GUARD_GROUP,
    KONG,
    KONG_FOLDER,
    kong_command,
    kong_files,
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
from operations.host.machine import HOST_PORT, SOCKETS, HostMember, Machine
from operations.host.server_process import server_process

Resource = dict[str, Any]
#: Never a destination: the metadata services of clouds, and what else is on the node's own link.
_LINK_LOCAL = {"0.0.0.0/0": ["169.254.0.0/16"], "::/0": ["fe80::/10", "fd00:ec2::254/128"]}
#: What a node connects to by a setting of the operator's own: the control plane's two ports, or the database's
#: (kong.conf.default, PostgreSQL).
_OPERATOR_PORTS = {"cluster_control_plane": 8005, "cluster_telemetry_endpoint": 8006, "pg_host": 5432}
_KONG_PREFIX = "/kong"
#: Kubernetes' own limit of a ConfigMap's data, in bytes.
_CONFIG_MAP = 2**20
_READY = f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{HOST_PORT}/readyz', timeout=4)"


def kubernetes_files(machine: Machine, images: Images) -> list[HostFile]:
    """Every file of the host's folder.

    Raises:
        InputError: a server may call named hosts only, which a pod cannot hold it to.
    """
    for member in machine.servers:
        if member.bundle.origin and member.bundle.origin.egress:
            raise InputError(
                f"the containers of a pod share its network, and a NetworkPolicy knows no host names: {member.stack} could "
                "call any host on these ports",
                key="origin.egress",
                remedy="use --format systemd or compose, which let it call these names alone; or remove the key, and have"
                " the cluster's own policy by names (such as Cilium's toFQDNs) limit the pod",
            )
    builder = _Manifests(machine, images)
    manifests = {
        "namespace.yaml": builder.namespace(),
        "settings.yaml": builder.settings(),
        "storage.yaml": builder.storage(),
        "network-policy.yaml": builder.network_policy(),
        "host.yaml": builder.deployment(),
    }
    comment = f"What {machine.name} runs, made by `ringwall host render`."
    files = [HostFile(name, yaml_text(comment, resource)) for name, resource in manifests.items()]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(manifests),
    }
    files.append(HostFile("kustomization.yaml", yaml_text(comment, kustomization)))
    remarks = [
        "The containers share the network of their pod: a server can reach what the network policy lets the pod reach, and",
        "the loopback ports beside it. Where that is too much, use `--format systemd` or `--format compose`.",
        "",
        "The network policy holds only where the cluster's network plugin enforces it.",
        "",
        *_unknown_ports(machine),
        *pinning_advice(images),
    ]
    readme = container_readme(
        machine,
        ["kubectl apply --dry-run=server --kustomize .", "kubectl apply --kustomize ."],
        builder.needs(),
        remarks,
        renewal=f"`kubectl apply --kustomize .` and `{builder.restart}`",
    )
    return [*files, HostFile("README.md", readme)]


class _Manifests:
    def __init__(self, machine: Machine, images: Images) -> None:
        self._machine = machine
        self._images = images
        self._name = f"ringwall-{machine.name}"
        self._namespace = f"ringwall-{machine.environment}"
        self._labels = {"app.kubernetes.io/name": "ringwall", "app.kubernetes.io/instance": machine.name}

    @property
    def restart(self) -> str:
        """The command after which the pod reads its settings anew."""
        return f"kubectl -n {self._namespace} rollout restart deployment/{self._name}"

    def _resource(self, api: str, kind: str, name: str, **parts: Any) -> Resource:
        metadata: Resource = {"name": name, "labels": self._labels}
        if kind != "Namespace":
            metadata["namespace"] = self._namespace
        return {"apiVersion": api, "kind": kind, "metadata": metadata, **parts}

    def namespace(self) -> Resource:
        resource = self._resource("v1", "Namespace", self._namespace)
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        # Shared by the environment's hosts, so it names none of them.
        resource["metadata"]["labels"] = {"app.kubernetes.io/name": "ringwall", **restricted}
        return resource

    def settings(self) -> Resource:
        """Files without secrets. Their names have no slash: a key of a ConfigMap cannot."""
        data = {f"start-{member.stack}": start_script(member) for member in self._machine.commands}
        if self._machine.kong_runs_here:
            data |= {file.path: file.content for file in kong_files(self._machine, prefix=_KONG_PREFIX)}
        for member in self._machine.members:
            data |= {f"tunnel-{member.stack}.yml": item.content for item in member.bundle.files}
        size = sum(len(key.encode()) + len(text.encode()) for key, text in data.items())
        if size > _CONFIG_MAP:
            raise InputError(
                f"the settings of {self._machine.name} take {size} bytes, and a ConfigMap holds {_CONFIG_MAP}",
                key="--format",
                remedy="divide its servers among more hosts, or use --format systemd or compose",
            )
        return self._resource("v1", "ConfigMap", self._name, data=data)

    def storage(self) -> Resource:
        """What outlives the pod: the guards' last good bundles and keys, and their audit logs."""
        return self._resource(
            "v1",
            "PersistentVolumeClaim",
            self._name,
            spec={"accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": "10Gi"}}},
        )

    def network_policy(self) -> Resource:
        """Nothing comes in. What goes out is named by ports: a NetworkPolicy knows no host names."""
        tcp, udp = {53}, {53}
        if self._machine.kong_runs_here:
            tcp |= {_OPERATOR_PORTS[name] for name in operator_settings(self._machine) if name in _OPERATOR_PORTS}
        for member in self._machine.members:
            for item in member.bundle.egress:
                port = _port(item.destination)
                if port is not None:
                    tcp.add(port)
                if item.process == "cloudflared" and port is not None:
                    udp.add(port)  # QUIC
        ports = [{"protocol": "TCP", "port": port} for port in sorted(tcp)]
        ports += [{"protocol": "UDP", "port": port} for port in sorted(udp)]
        everywhere = [{"ipBlock": {"cidr": block, "except": holes}} for block, holes in _LINK_LOCAL.items()]
        return self._resource(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            self._name,
            spec={
                "podSelector": {"matchLabels": self._labels},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [],
                "egress": [{"to": everywhere, "ports": ports}],
            },
        )

    def deployment(self) -> Resource:
        machine = self._machine
        containers = [self._guard()] if machine.guarded else []
        if machine.kong_runs_here:
            containers += [self._kong(), *(self._tunnel(member) for member in machine.members)]
        containers += [self._server(member) for member in machine.servers]
        pod = {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": GUARD,
                "runAsGroup": GUARD,
                "fsGroup": GUARD_GROUP,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": containers,
            "volumes": self._volumes(),
        }
        return self._resource(
            "apps/v1",
            "Deployment",
            self._name,
            spec={
                "replicas": 1,
                # Two pods at once would write one audit log.
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": self._labels},
                "template": {"metadata": {"labels": self._labels}, "spec": pod},
            },
        )

    def needs(self) -> list[str]:
        """The Secrets that the operator makes in the namespace, each with its keys."""
        lines = []
        for member in self._machine.members:
            keys = [item.path.rpartition("/")[2] for item in member.bundle.provided]
            keys += [
                name
                for secret in member.secrets("guard")
                if (name := _name_in_folder(member, secret.reference.file)) is not None
            ]
            if keys:
                lines.append(f"Secret `{_secret(member)}`: {', '.join(f'`{key}`' for key in keys)}.")
            if self._machine.kong_runs_here:
                tunnel = next(iter(member.secrets("cloudflared")))
                lines.append(f"Secret `{_secret(member)}-tunnel`: `tunnel`, which {tunnel.purpose}.")
            if variables := server_process(member).variables:
                lines.append(f"Secret `{_secret(member)}-server`: {', '.join(f'`{name}`' for name in variables)}.")
        for reader, names in (("guard", self._variables("guard")), ("kong", self._variables("kong"))):
            if names:
                lines.append(f"Secret `{self._name}-{reader}`: {', '.join(f'`{name}`' for name in names)}.")
        if files := cluster_files(self._machine):
            listed = ", ".join(f"`{file.name}`, {file.purpose}" for file in files)
            lines.append(f"Secret `{self._name}-cluster`: {listed}.")
        return lines

    # -- containers -----------------------------------------------------------------------------------------------------

    def _confined(self, name: str, image: str, user: int, *mounts: Resource) -> Resource:
        return {
            "name": name,
            "image": self._images[image],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "runAsUser": user,
                "runAsGroup": user,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumeMounts": [{"name": "scratch", "mountPath": "/tmp", "subPath": name}, *mounts],  # noqa: S108
        }

    def _guard(self) -> Resource:
        machine = self._machine
        mounts = [
            _mount("storage", "/var/lib/ringwall", subPath="state"),
            _mount("storage", "/var/log/ringwall", subPath="audit"),
        ]
        for member in machine.guarded:
            mounts.append(_mount(f"guard-{short(member)}", member.folder, readOnly=True))
        for member in machine.servers:
            if member.command:
                mounts.append(_mount(f"socket-{short(member)}", f"{SOCKETS}/{member.stack}"))
            elif member.socket:
                mounts.append(_mount(f"socket-{short(member)}", member.socket.rpartition("/")[0]))
        return {
            **self._confined("guard", "ringwall", GUARD, *mounts),
            "command": ["ringwall", *machine.guard_arguments],
            "env": self._environment("guard"),
            # From inside, as everything listens on loopback alone.
            "readinessProbe": {"exec": {"command": ["python", "-c", _READY]}, "periodSeconds": 15, "timeoutSeconds": 5},
        }

    def _kong(self) -> Resource:
        machine = self._machine
        placed = [
            _mount("settings", f"{KONG_FOLDER}/{file.path}", subPath=file.path, readOnly=True)
            for file in kong_files(machine, prefix=_KONG_PREFIX)
        ]
        certificates = [
            _mount("kong-cluster", file.path, subPath=file.name, readOnly=True) for file in cluster_files(machine)
        ]
        logs = [
            _mount("storage", folder, subPath=f"kong-{number}")
            for number, folder in enumerate(machine.gateway_log_folders, 1)
        ]
        mounts = (*placed, *certificates, _mount("kong-prefix", _KONG_PREFIX), *logs)
        container = {
            **self._confined("kong", "kong", KONG, *mounts),
            "env": [{"name": "KONG_PREFIX", "value": _KONG_PREFIX}, *self._environment("kong")],
        }
        command = kong_command(machine, prefix=_KONG_PREFIX)
        return {**container, "command": command} if machine.declared else container

    def _tunnel(self, member: HostMember) -> Resource:
        name = f"tunnel-{short(member)}"
        mounts = [_mount(name, "/run/secrets/tunnel", readOnly=True)]
        arguments = ["tunnel", "--no-autoupdate", "--metrics", f"127.0.0.1:{member.metrics}"]
        if member.bundle.cloudflared.mode == "remote":
            arguments += ["run", "--token-file", "/run/secrets/tunnel/tunnel"]
        else:
            key = f"tunnel-{member.stack}.yml"
            mounts.append(_mount("settings", "/etc/cloudflared.yml", subPath=key, readOnly=True))
            arguments += ["--config", "/etc/cloudflared.yml", "run"]
            arguments += ["--credentials-file", "/run/secrets/tunnel/tunnel"]
        return {**self._confined(name, "cloudflared", CONNECTOR, *mounts), "args": arguments}

    def _server(self, member: HostMember) -> Resource:
        name, user, socket = f"server-{short(member)}", server_user(member), f"socket-{short(member)}"
        if member.url:
            return self._confined(name, member.stack, user)
        if member.socket:
            return self._confined(name, member.stack, user, _mount(socket, member.socket.rpartition("/")[0]))
        start = _mount("settings", "/run/start", subPath=f"start-{member.stack}", readOnly=True)
        return {
            **self._confined(name, member.stack, user, _mount(socket, SOCKETS), start),
            "command": ["socat", *socket_listener(f"{SOCKETS}/stdio", "EXEC:/bin/sh /run/start")],
            "env": [_variable(variable, f"{_secret(member)}-server") for variable in server_process(member).variables],
        }

    def _variables(self, reader: str) -> list[str]:
        settings = operator_settings(self._machine) if reader == "kong" and self._machine.kong_runs_here else ()
        return [*(f"KONG_{name.upper()}" for name in settings), *self._machine.variables(reader)]

    def _environment(self, reader: str) -> list[Resource]:
        return [_variable(name, f"{self._name}-{reader}") for name in self._variables(reader)]

    def _volumes(self) -> list[Resource]:
        machine = self._machine
        volumes: list[Resource] = [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "settings", "configMap": {"name": self._name, "defaultMode": 0o444}},
            {"name": "storage", "persistentVolumeClaim": {"claimName": self._name}},
        ]
        if machine.kong_runs_here:
            volumes.append({"name": "kong-prefix", "emptyDir": {}})
            if cluster_files(machine):
                volumes.append(_secret_volume("kong-cluster", f"{self._name}-cluster"))
        for member in machine.members:
            if member.bundle.guard is not None:
                volumes.append(_secret_volume(f"guard-{short(member)}", _secret(member)))
            if machine.kong_runs_here:
                volumes.append(_secret_volume(f"tunnel-{short(member)}", f"{_secret(member)}-tunnel"))
            if member.command or member.socket:
                volumes.append(
                    {"name": f"socket-{short(member)}", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
                )
        return volumes


def _unknown_ports(machine: Machine) -> list[str]:
    """What the README says of destinations that the gateway alone knows, so that no port of theirs is open."""
    unknown = {
        item.destination
        for member in machine.members
        for item in member.bundle.egress
        if _port(item.destination) is None
    }
    if not unknown:
        return []
    listed = ", ".join(f"`{destination}`" for destination in sorted(unknown))
    return [
        f"The port of {listed} stands in no stack file. Where the policy does not name it, add it in an overlay of the",
        "Kustomization.",
        "",
    ]


def _mount(name: str, path: str, **options: Any) -> Resource:
    return {"name": name, "mountPath": path, **options}


def _secret(member: HostMember) -> str:
    return f"ringwall-{member.bundle.server}"


def _secret_volume(name: str, secret: str) -> Resource:
    # The group of the pod reads it; each container mounts its own alone.
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}


def _variable(name: str, secret: str) -> Resource:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}


def _name_in_folder(member: HostMember, file: str | None) -> str | None:
    folder = f"{member.folder}/"
    return file.removeprefix(folder) if file and file.startswith(folder) else None


def _port(destination: str) -> int | None:
    """The port of a URL or of host:port; None where the gateway alone knows the destination."""
    if destination.startswith("{vault://"):
        return None
    parts = urlsplit(destination if "://" in destination else f"//{destination}")
    return parts.port or {"https": 443, "http": 80, "redis": 6379, "rediss": 6379}.get(parts.scheme)
