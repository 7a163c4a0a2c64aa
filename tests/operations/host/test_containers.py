"""The containers of a host: what each is denied, where a server is, and what the published schemas say of the files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from model.errors import InputError
from model.host_bundle import HostBundle
from operations.host.render import Layout, render, write
from tests.support.node import NotAvailable
from tests.support.venvs import venv

DIGEST = "@sha256:" + "a" * 64
IMAGES = {
    name: f"registry.example/{name}{DIGEST}" for name in ("ringwall", "kong", "cloudflared", "dev.one", "dev.external")
}
HELPERS = {"pause": f"registry.example/pause{DIGEST}", "socat": f"registry.example/socat{DIGEST}"}
SCHEMAS = Path(__file__).parents[2] / "support" / "requirements-schemas.lock"


@pytest.fixture(scope="module")
def first(bundles: list[HostBundle]) -> list[HostBundle]:
    return [bundle for bundle in bundles if bundle.host == "dev-1"]


@pytest.fixture(scope="module")
def compose(first: list[HostBundle]) -> dict[str, Any]:
    files = {file.path: file for file in render(first, Layout.compose, {**IMAGES, **HELPERS})["dev-1"]}
    assert files["start/dev.external"].content == "#!/bin/sh\nexec node server.js\n"
    return dict(YAML(typ="safe").load(files["compose.yaml"].content))


@pytest.fixture(scope="module")
def manifests(first: list[HostBundle]) -> dict[str, dict[str, Any]]:
    files = render(first, Layout.kubernetes, IMAGES)["dev-1"]
    loaded = [YAML(typ="safe").load(file.content) for file in files if file.path.endswith(".yaml")]
    return {document["kind"]: document for document in loaded}


def containers(manifests: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    chosen = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert len(chosen) == 6
    yield from chosen


def test_no_service_publishes_a_port_or_has_more_than_it_needs(compose: dict[str, Any]) -> None:
    assert len(compose["services"]) == 9
    for name, service in compose["services"].items():
        assert not {"ports", "expose", "privileged", "cap_add", "devices", "pid", "ipc"} & set(service), name
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith("0:"), name


def test_loopback_is_one_for_the_guard_kong_and_the_tunnels_and_none_for_a_server(compose: dict[str, Any]) -> None:
    modes = {name: service.get("network_mode") for name, service in compose["services"].items()}
    assert modes == {
        "network": None,
        "guard": "service:network",
        "kong": "service:network",
        "tunnel-one": "service:network",
        "tunnel-external": "service:network",
        "server-one": "none",
        "server-external": "none",
        "relay-one-server": "service:server-one",
        "relay-one-guard": "service:network",
    }


def test_a_server_and_its_relays_see_nothing_of_the_guard(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name.startswith(("server-", "relay-")):
            sources = [volume["source"] for volume in service.get("volumes", [])]
            assert not [source for source in sources if "guard" in source], name
            assert not [secret for secret in service.get("secrets", []) if "server" not in secret["source"]], name


def test_a_command_is_reached_through_a_socket_that_the_guard_alone_shares(compose: dict[str, Any]) -> None:
    server, guard = compose["services"]["server-external"], compose["services"]["guard"]
    assert "UNIX-LISTEN:/run/ringwall/stdio,fork,mode=0660,unlink-early" in server["command"]
    mounted = [volume["target"] for volume in guard["volumes"] if volume["source"] == "socket-external"]
    assert mounted == ["/run/ringwall/dev.external"]
    assert guard["command"][-2:] == ["--command-sockets", "/run/ringwall"]
    assert compose["volumes"]["socket-external"]["driver_opts"]["o"] == "mode=2770,uid=10010,gid=10001"


def test_secrets_are_files_and_no_variable(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("environment", {})) <= {"KONG_PREFIX"}, name
    assert compose["services"]["server-external"]["secrets"] == [
        {"source": "server-external-API_KEY", "target": "/run/secrets/variables/API_KEY"}
    ]


def test_an_image_that_is_not_named_is_never_guessed(first: list[HostBundle]) -> None:
    some = {name: image for name, image in {**IMAGES, **HELPERS}.items() if name not in ("kong", "socat")}
    with pytest.raises(
        InputError, match="--image: names no image of kong, socat; add --image kong=IMAGE --image socat"
    ):
        render(first, Layout.compose, some)
    with pytest.raises(InputError, match="no container is called konk"):
        render(first, Layout.compose, {**IMAGES, **HELPERS, "konk": "x"})


def test_an_image_without_a_digest_is_said_in_the_readme(first: list[HostBundle]) -> None:
    files = render(first, Layout.kubernetes, {**IMAGES, "kong": "kong/kong:3.9.3"})["dev-1"]
    readme = next(file.content for file in files if file.path == "README.md")
    assert "kong: `kong/kong:3.9.3`. Their bytes may change behind the tag." in readme


def test_every_container_of_the_pod_is_restricted(manifests: dict[str, dict[str, Any]]) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert (pod["automountServiceAccountToken"], pod["securityContext"]["runAsNonRoot"]) == (False, True)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
    for container in containers(manifests):
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}, container["name"]
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, container["name"]
        assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
        assert context["runAsNonRoot"]
        assert context["runAsUser"] > 0
        assert "ports" not in container
    labels = manifests["Namespace"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_nothing_comes_in_and_metadata_is_no_destination(manifests: dict[str, dict[str, Any]]) -> None:
    assert set(manifests) == {
        "Namespace",
        "ConfigMap",
        "PersistentVolumeClaim",
        "NetworkPolicy",
        "Deployment",
        "Kustomization",
    }
    policy = manifests["NetworkPolicy"]["spec"]
    assert (policy["policyTypes"], policy["ingress"]) == (["Ingress", "Egress"], [])
    assert policy["podSelector"]["matchLabels"] == manifests["Deployment"]["spec"]["selector"]["matchLabels"]
    for rule in policy["egress"]:
        assert [block["ipBlock"]["except"][0] for block in rule["to"]] == ["169.254.0.0/16", "fe80::/10"]
        assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
            *(("TCP", port) for port in (53, 443, 5432, 7844)),
            *(("UDP", port) for port in (53, 7844)),
        }


def test_a_server_in_the_pod_mounts_nothing_of_the_guard(manifests: dict[str, dict[str, Any]]) -> None:
    for container in containers(manifests):
        if container["name"].startswith("server-"):
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            assert mounts <= {"scratch", "settings", "socket-external"}, container["name"]


# -- the published schemas ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs() -> Path:
    try:
        return venv(SCHEMAS)
    except NotAvailable as reason:
        pytest.skip(f"the published schemas cannot be fetched, so they were NOT asked: {reason}")


def test_the_compose_specification_allows_the_file(first: list[HostBundle], programs: Path, tmp_path: Path) -> None:
    write(tmp_path, render(first, Layout.compose, {**IMAGES, **HELPERS})["dev-1"])
    command = [programs / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", tmp_path / "compose.yaml"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schemas_of_kubernetes_allow_every_manifest(
    first: list[HostBundle], programs: Path, tmp_path: Path
) -> None:
    write(tmp_path, render(first, Layout.kubernetes, IMAGES)["dev-1"])
    files = [path for path in sorted(tmp_path.glob("*.yaml")) if path.name != "kustomization.yaml"]
    assert len(files) == 5
    command = [programs / "kubernetes-validate", "--strict", "--kubernetes-version", "1.32", *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
