"""The gateway node of a host: a data plane that its control plane knows by certificate, or one that reads a file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from model.errors import InputError
from model.host_bundle import HostBundle
from model.project import load_environment, open_project
from operations.gateway_file import GatewayFile, gateway_file
from operations.host.machine import Machine
from operations.host.needs import needs_of
from operations.host.render import Layout, render
from operations.host.sources import planned_bundles
from plan.offline import plan_stack, planned_contract
from tests.operations.host.conftest import bundles_of
from tests.operations.host.test_examples import EXAMPLES, GIVEN
from tests.support.command_line import ringwall
from tests.support.kong_gateway.declarative import declared_configuration
from tests.support.projects import write_project

VARIABLE = "DECK_MODELS_INNER_GUARD_KEY"
#: All that a shell, sed or YAML could take for more than itself, but for the one quote that the file cannot hold.
KEY = 'a"b\\n$HOME `id` ${x} & | # %s * é'.replace("é", "~")


def text_of(files: Mapping[str, str], name: str) -> str:
    (text,) = (text for path, text in files.items() if path.rpartition("/")[2] == name)
    return text


def written(
    bundles: list[HostBundle], layout: Layout, images: dict[str, str], declared: GatewayFile | None = None
) -> dict[str, str]:
    """The files of the one host, by their path."""
    (name,) = {bundle.host for bundle in bundles}
    return {
        file.path: file.content
        for file in render(bundles, layout, images, {name: declared} if declared else None)[name]
    }


# -- a data plane -----------------------------------------------------------------------------------------------------


def hybrid(tmp_path: Path, *lines: str) -> list[HostBundle]:
    root = write_project(tmp_path, topology="hybrid")
    file = root / "stacks" / "Pulumi.dev.yaml"
    cluster = "".join(f"        {line}\n" for line in lines)
    text = file.read_text()
    file.write_text(
        text.replace("    gateway:\n", f"    gateway:\n      cluster:\n{cluster}" if lines else "    gateway:\n")
    )
    assert not lines or file.read_text() != text
    return bundles_of(root)


def settings(bundles: list[HostBundle]) -> set[str]:
    lines = text_of(written(bundles, Layout.systemd, {}), "kong.conf").splitlines()
    return {line for line in lines if line.startswith(("cluster", "role", "database", "declarative", "admin_listen"))}


NODE = ("control_plane: kong.internal.example:18005", "telemetry_endpoint: kong.internal.example:18006")


def test_a_data_plane_proves_itself_by_files_of_its_own(tmp_path: Path) -> None:
    bundles = hybrid(tmp_path, *NODE, "server_name: control.internal.example")
    assert settings(bundles) == {
        "role = data_plane",
        "database = off",
        "admin_listen = off",
        "cluster_mtls = pki",
        "cluster_control_plane = kong.internal.example:18005",
        "cluster_telemetry_endpoint = kong.internal.example:18006",
        "cluster_server_name = control.internal.example",
        "cluster_cert = /etc/ringwall/kong-cluster.crt",
        "cluster_cert_key = /etc/ringwall/kong-cluster.key",
        "cluster_ca_cert = /etc/ringwall/kong-cluster-ca.crt",
    }
    needs = {
        need.path: need.owner for need in needs_of(Machine.of(bundles)) if "/kong" in need.path and not need.variable
    }
    assert needs == {
        "/usr/local/bin/kong": None,
        "/etc/ringwall/kong-cluster.crt": None,
        "/etc/ringwall/kong-cluster.key": "ringwall-kong",
        "/etc/ringwall/kong-cluster-ca.crt": None,
    }


def test_with_one_certificate_for_all_nodes_no_authority_is_asked_for(tmp_path: Path) -> None:
    bundles = hybrid(tmp_path, *NODE, "mtls: shared")
    assert "cluster_mtls = shared" in settings(bundles)
    assert not [line for line in settings(bundles) if line.startswith(("cluster_ca_cert", "cluster_server_name"))]


def test_a_control_plane_that_no_file_names_is_the_operators_to_name(tmp_path: Path) -> None:
    bundles = hybrid(tmp_path)
    assert not [line for line in settings(bundles) if line.startswith(("cluster_control", "cluster_telemetry"))]
    variables = {need.variable for need in needs_of(Machine.of(bundles)) if need.path == "/etc/ringwall/kong.env"}
    assert {"KONG_CLUSTER_CONTROL_PLANE", "KONG_CLUSTER_TELEMETRY_ENDPOINT"} <= variables


def test_containers_get_the_cluster_files_at_the_paths_that_kong_reads(tmp_path: Path) -> None:
    bundles = hybrid(tmp_path, *NODE)
    images = dict.fromkeys(("ringwall", "kong", "cloudflared", "dev.one"), "registry.example/image:1")
    compose = YAML(typ="safe").load(
        text_of(written(bundles, Layout.compose, {**images, "pause": "p:1", "socat": "s:1"}), "compose.yaml")
    )
    paths = [f"/etc/ringwall/kong-cluster{end}" for end in (".crt", ".key", "-ca.crt")]
    assert [item["target"] for item in compose["services"]["kong"]["secrets"]][-3:] == paths
    files = written(bundles, Layout.kubernetes, images)
    pod = YAML(typ="safe").load(files["host.yaml"])["spec"]["template"]["spec"]
    (kong,) = (container for container in pod["containers"] if container["name"] == "kong")
    mounts = [mount for mount in kong["volumeMounts"] if mount["name"] == "kong-cluster"]
    assert [(mount["mountPath"], mount["readOnly"]) for mount in mounts] == [(path, True) for path in paths]
    assert {"name": "kong-cluster", "secret": {"secretName": "ringwall-dev-1-cluster", "defaultMode": 0o440}} in pod[
        "volumes"
    ]
    policy = YAML(typ="safe").load(files["network-policy.yaml"])["spec"]["egress"][0]["ports"]
    assert {18005, 18006} <= {port["port"] for port in policy}
    assert not {8005, 8006} & {port["port"] for port in policy}


# -- a node that reads a file -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def production() -> tuple[list[HostBundle], GatewayFile]:
    """The example's host, and what its gateway node is to have."""
    project = open_project(EXAMPLES / "production")
    environment = load_environment(project, "prod")
    contract = planned_contract(project, environment)
    graphs = [plan_stack(project, stack, contract=contract) for stack in (environment, *environment.perimeters)]
    aud = {"aud": "0123456789abcdef"}
    known = {
        "prod.tickets": {"tickets-edge-application": aud, "tickets-edge-application-claude-ai": aud},
        "prod.models": {"models-edge-application": aud},
    }
    keys = {"prod-issuer-access": [{"algorithm": "RS256", "key": "kid", "rsa_public_key": "PEM\n"}]}
    file = gateway_file(graphs, known, environment="prod", keys=keys, db_less=True)
    return planned_bundles(project, environment.perimeters), file


@pytest.mark.parametrize("layout", Layout)
def test_every_format_gives_the_node_the_whole_configuration_and_no_cluster(
    production: tuple[list[HostBundle], GatewayFile], layout: Layout
) -> None:
    bundles, declared = production
    files = written(bundles, layout, GIVEN[layout], declared)
    if layout is Layout.kubernetes:
        files = YAML(typ="safe").load(files["settings.yaml"])["data"]
    assert text_of(files, "kong.yml") == declared.text
    lines = text_of(files, "kong.conf").splitlines()
    assert {"role = traditional", "database = off", "admin_listen = off", "status_listen = 127.0.0.1:8100"} <= set(
        lines
    )
    assert not [line for line in lines if line.startswith("cluster")]
    state = {Layout.systemd: "/var/lib/ringwall-kong", Layout.compose: "/run/kong", Layout.kubernetes: "/kong"}[layout]
    assert f"declarative_config = {state}/kong.yml" in lines


def test_the_files_are_the_same_without_a_secret_in_them(production: tuple[list[HostBundle], GatewayFile]) -> None:
    bundles, declared = production
    plain = GatewayFile("services: []\n", 0)
    files = written(bundles, Layout.systemd, {}, plain)
    assert "declarative_config = /etc/ringwall/kong.yml" in text_of(files, "kong.conf")
    assert not [path for path in files if path.endswith(".sh") and "kong" in path]
    assert declared.variables


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_secret_is_put_in_where_the_node_runs_for_its_owner_alone(
    production: tuple[list[HostBundle], GatewayFile], tmp_path: Path, shell: str
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here, so the script was NOT run by it")
    bundles, declared = production
    files = written(bundles, Layout.systemd, {}, declared)
    script, source, result = tmp_path / "declare.sh", tmp_path / "kong.yml", tmp_path / "run.yml"
    script.write_text(text_of(files, "kong-declare.sh"))
    source.write_text(declared.text)

    def declare(**variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(program), *map(str, (script, source, result)), "printf", "%s", "started"]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    for refused in ({}, {VARIABLE: ""}, {VARIABLE: "it's"}, {VARIABLE: "two\nlines"}, {VARIABLE: "é"}):
        done = declare(**refused)
        assert (done.returncode, done.stdout, result.exists()) == (1, "", False), refused
        assert f"error: {VARIABLE} " in done.stderr
        assert not refused.get(VARIABLE) or refused[VARIABLE] not in done.stderr
    done = declare(**{VARIABLE: KEY})
    assert (done.returncode, done.stdout, done.stderr) == (0, "started", "")
    assert result.stat().st_mode & 0o777 == 0o600
    assert result.read_text() == declared.text.replace(f'${{{{ env "{VARIABLE}" }}}}', KEY)
    (consumer,) = (item for item in declared_configuration(result.read_text()).consumers if item.keys)
    assert [credential.key for credential in consumer.keys] == [KEY]
    unit = text_of(files, "ringwall-kong.service")
    wanted = "/etc/ringwall/kong-declare.sh /etc/ringwall/kong.yml /var/lib/ringwall-kong/kong.yml"
    assert unit.index(f"ExecStartPre={wanted}\n") < unit.index("ExecStartPre=/usr/local/bin/kong prepare")
    assert unit.index(f"ExecReload={wanted}\n") < unit.index("ExecReload=/usr/local/bin/kong prepare")


@pytest.mark.parametrize("topology", ["colocated", "central"])
def test_a_gateway_that_up_writes_to_or_that_is_elsewhere_reads_no_file(tmp_path: Path, topology: str) -> None:
    root = write_project(tmp_path)
    bundles = bundles_of(root)
    if topology == "central":
        elsewhere = bundles[0].kong.model_copy(update={"role": "elsewhere", "settings": {}})
        bundles = [bundle.model_copy(update={"kong": elsewhere}) for bundle in bundles]
    with pytest.raises(InputError, match=r"--db-less: the gateway of dev-1 (is the one that|runs elsewhere)"):
        written(bundles, Layout.systemd, {}, GatewayFile("", 0))


def test_settings_that_no_config_map_holds_are_refused_with_another_way(
    production: tuple[list[HostBundle], GatewayFile],
) -> None:
    bundles, _ = production
    with pytest.raises(InputError, match="a ConfigMap holds 1048576; divide its servers among more hosts"):
        written(bundles, Layout.kubernetes, GIVEN[Layout.kubernetes], GatewayFile("#" * 2**20, 0))


def test_written_files_are_compared_with_the_same_kind_of_node(tmp_path: Path) -> None:
    root = EXAMPLES / "production"
    made = ringwall("host", "render", "prod", "-o", tmp_path, "--db-less", "--offline", "--project", root)
    assert made.code == 0, made.err
    assert "the issuers' signing keys are not in kong.yml, so a gateway with it lets nobody in" in made.err
    configuration = tmp_path / "tools-1" / "root/etc/ringwall/kong.yml"
    lines = configuration.read_text().splitlines(keepends=True)
    configuration.write_text("".join([*lines[:3], "# mine\n", *lines[3:]]))
    (tmp_path / "tools-1" / "root/etc/ringwall/kong.conf").write_text("role = data_plane\n")
    checked = ringwall("host", "check", tmp_path, "--offline", "--project", root, "--json")
    assert checked.code == 3
    problems = {Path(row["file"]).name: row["problem"] for row in checked.json["differences"]}
    assert problems.keys() == {"kong.yml", "kong.conf"}
    assert problems["kong.yml"].startswith("lacks ${")
