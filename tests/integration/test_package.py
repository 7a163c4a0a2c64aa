"""Ringwall as a component package: another program, another project, the real engine, the host that the engine starts."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
import pytest
from pulumi.automation import LocalWorkspace, Stack
from pulumi.automation.errors import CommandError
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from components.providers import load_sdks
from engine.command import pulumi_command
from engine.events import Steps
from engine.locate import require
from model.loader import read
from tests.support.engine_project import EngineProject
from tests.support.plugin_host import write_plugin_host
from tests.support.projects import server_text, write_server

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

PACKAGE = Path(__file__).parents[2] / "package"
EXAMPLES = Path(__file__).parents[2] / "examples"
PERIMETER = ("hostname", "urls", "tunnelId", "audiences", "guardConfig", "guardConfigSha256", "hostBundle")
ENVIRONMENT = ("contract", "agentExpiresAt", "agentCredentials")


class Remote(pulumi.ComponentResource):
    """What a generated SDK makes of a component: its inputs, and its outputs by name."""

    def __init__(
        self,
        kind: str,
        name: str,
        inputs: dict[str, Any],
        outputs: tuple[str, ...],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"ringwall:index:{kind}", name, {**inputs, **dict.fromkeys(outputs)}, opts, remote=True)
        for output in outputs:
            pulumi.export(f"{name}.{output}", getattr(self, output))


@dataclass
class Caller:
    """A program in a project of its own that uses the package, on the backend of the environment."""

    engine_project: EngineProject
    folder: Path
    steps: Steps = field(default_factory=Steps)
    printed: list[str] = field(default_factory=list)

    def run(self, operation: str, program: Callable[[], None], stack: str = "test") -> Any:
        self.steps = Steps()
        with self._stack(program, stack) as selected:
            return getattr(selected, operation)(
                on_event=self.steps.on_event, on_output=self.printed.append, color="never"
            )

    def refused(self, program: Callable[[], None]) -> str:
        """The error of an `up` that must fail."""
        with pytest.raises(CommandError):
            self.run("up", program)
        return "\n".join(error for error in self.steps.errors if error != "resource monitor shut down")

    def state(self) -> list[dict[str, Any]]:
        """What the backend holds, as it holds it."""
        (file,) = [
            path for path in self.engine_project.backend_files() if path.parts[-3:] == ("stacks", "caller", "test.json")
        ]
        resources: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["checkpoint"]["latest"][
            "resources"
        ]
        return resources

    @contextmanager
    def _stack(self, program: Callable[[], None], name: str = "test") -> Iterator[Stack]:
        workspace = LocalWorkspace(
            work_dir=str(self.folder),
            program=program,
            env_vars=self.engine_project.environment | {"PATH": f"{self.folder.parent / 'hosts'}:{os.environ['PATH']}"},
            pulumi_command=pulumi_command(require()),
        )
        yield Stack.create_or_select(name, workspace)


@pytest.fixture
def caller(engine_project: EngineProject, tmp_path: Path) -> Caller:
    write_plugin_host(tmp_path / "hosts")
    folder = tmp_path / "caller"
    folder.mkdir()
    state = engine_project.project.root / ".ringwall" / "state"
    (folder / "Pulumi.yaml").write_text(
        f"name: caller\nruntime: python\nbackend:\n  url: file://{state}\n"
        f"plugins:\n  providers:\n    - name: ringwall\n      path: {PACKAGE}\n",
        encoding="utf-8",
    )
    load_sdks()
    return Caller(engine_project, folder)


@contextmanager
def hosted() -> Iterator[Any]:
    """The host as a process, asked as an engine asks it."""
    command = [sys.executable, str(PACKAGE), "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        try:
            with grpc.insecure_channel(f"127.0.0.1:{int(host.stdout.readline())}") as channel:
                yield provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            host.terminate()


def inputs_of(project: Path, server: str = "one", **extra: Any) -> dict[str, Any]:
    return {"project": str(project), "environment": "dev", "server": server, **extra}


def exact_outputs(engine: EngineProject, outputs: dict[str, Any], server: str) -> None:
    guard = json.loads(outputs[f"{server}.guardConfig"])
    bundle = json.loads(outputs[f"{server}.hostBundle"])
    (tunnel,) = [
        r for r in engine.sandbox.resources("*:ZeroTrustTunnelCloudflared") if r.outputs["name"] == f"dev-{server}"
    ]
    (application,) = [
        r for r in engine.sandbox.resources("*:ZeroTrustAccessApplication") if r.outputs["name"] == f"dev-{server}"
    ]
    text = outputs[f"{server}.guardConfig"]
    assert outputs[f"{server}.hostname"] == f"{server}.example.com"
    assert outputs[f"{server}.urls"] == [f"https://{server}.example.com/mcp"]
    assert outputs[f"{server}.tunnelId"] == tunnel.id
    assert outputs[f"{server}.audiences"] == {f"{server}.example.com": application.outputs["aud"]}
    assert outputs[f"{server}.guardConfigSha256"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert guard["identity"]["access"]["front_doors"][0]["audience"] == application.outputs["aud"]
    assert bundle["guard"]["config_sha256"] == outputs[f"{server}.guardConfigSha256"]


def test_perimeters_come_up_stay_and_go_from_another_program(caller: Caller, tmp_path: Path) -> None:
    engine = caller.engine_project
    root = engine.project.root
    write_server(root, "dev.two", server_text("two", 1))
    engine.run("dev", "up")
    before = engine.sandbox.resources()

    def program(folder: Path = root) -> None:
        for server in ("one", "two"):
            Remote("ServerPerimeter", server, inputs_of(folder, server), PERIMETER)

    outputs = {name: output.value for name, output in caller.run("up", program).outputs.items()}
    assert sorted(outputs) == sorted(f"{server}.{name}" for server in ("one", "two") for name in PERIMETER)
    exact_outputs(engine, outputs, "one")
    exact_outputs(engine, outputs, "two")
    assert set(caller.run("up", program).summary.resource_changes) == {"same"}

    # Another checkout of the same files is no change: no path is recorded.
    elsewhere = shutil.copytree(root, tmp_path / "elsewhere", ignore=shutil.ignore_patterns(".ringwall"))
    assert set(caller.run("up", lambda: program(elsewhere)).summary.resource_changes) == {"same"}

    caller.run("destroy", program)
    assert engine.sandbox.resources() == before


def test_a_perimeter_is_what_ringwall_itself_makes(caller: Caller) -> None:
    engine = caller.engine_project
    engine.run("dev", "up")
    engine.run("dev.one", "up")
    ringwall_resources = json.loads(engine.pulumi("stack", "export", "--stack", "dev.one").stdout)["deployment"][
        "resources"
    ]
    engine.run("dev.one", "destroy")

    def program() -> None:
        Remote("ServerPerimeter", "one", inputs_of(engine.project.root), PERIMETER)

    caller.run("up", program)
    hosted = caller.state()

    extra = ("pulumi:pulumi:StackReference", "pulumi:providers:ringwall")

    def identities(resources: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
        custom = [r for r in resources if r["custom"] and r["type"] not in extra]
        return sorted((r["type"], _own_name(r), _inputs(r)) for r in custom)

    assert identities(hosted) == identities(ringwall_resources)
    parents = {r["urn"].rsplit("::", 1)[1]: r.get("parent", "") for r in hosted if r["type"].startswith("pulumi:prov")}
    assert {name for name, parent in parents.items() if "ServerPerimeter::one" in parent} == {
        "one-cloudflare",
        "one-kong",
    }


def _own_name(resource: dict[str, Any]) -> str:
    """A provider is named after the perimeter it serves, and by Ringwall itself after its package."""
    name: str = resource["urn"].rsplit("::", 1)[1]
    return name.removeprefix("one-") if resource["type"].startswith("pulumi:providers:") else name


def _inputs(resource: dict[str, Any]) -> str:
    """Inputs without what every deployment makes anew: ids of the tunnel and of what hangs on it."""
    text = json.dumps(resource.get("inputs"), sort_keys=True)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"[0-9a-f]{64}", "AUD", text)
    return re.sub(r'"version": "[^"]*"', "", text)


def test_providers_that_the_program_hands_in_are_used(caller: Caller) -> None:
    import pulumi_cloudflare
    import pulumi_kong

    engine = caller.engine_project
    engine.run("dev", "up")

    def program(kong_too: bool = True) -> None:
        handed: list[pulumi.ProviderResource] = [pulumi_cloudflare.Provider("mine", base_url="https://api.example.com")]
        if kong_too:
            handed.append(pulumi_kong.Provider("mine", kong_admin_uri="http://127.0.0.1:8009"))
        opts = pulumi.ResourceOptions(providers=handed)
        Remote("ServerPerimeter", "one", inputs_of(engine.project.root), PERIMETER, opts)

    caller.run("up", program)
    assert _providers_used(caller.state()) == {("cloudflare", "mine"), ("kong", "mine")}
    assert set(caller.run("up", program).summary.resource_changes) == {"same"}
    caller.run("destroy", program)
    caller.run("up", lambda: program(kong_too=False))
    assert _providers_used(caller.state()) == {("cloudflare", "mine"), ("kong", "one-kong")}


def _providers_used(resources: list[dict[str, Any]]) -> set[tuple[str, str]]:
    used = set()
    for resource in resources:
        if resource["custom"] and resource["type"].startswith(("cloudflare:", "kong:")):
            urn = resource["provider"].rsplit("::", 1)[0]
            used.add((resource["type"].split(":")[0], urn.rsplit("::", 1)[1]))
    return used


def test_an_environment_comes_up_from_another_program_and_its_credentials_stay_secret(caller: Caller) -> None:
    engine = caller.engine_project
    root = engine.project.root

    def program() -> None:
        environment = {"project": str(root), "environment": "dev"}
        component = Remote("Environment", "dev", environment, ENVIRONMENT)
        pulumi.export("contract", component.contract)  # type: ignore[attr-defined]

    outputs = caller.run("up", program).outputs
    assert {name for name, output in outputs.items() if output.secret} == {"dev.agentCredentials"}
    credentials = outputs["dev.agentCredentials"].value
    assert {agent: sorted(value) for agent, value in credentials.items()} == {
        "ci": ["client_id", "client_secret"],
        "nightly": ["client_id", "client_secret"],
    }
    assert sorted(outputs["contract"].value["agents"]) == ["ci", "nightly"]
    assert set(caller.run("up", program).summary.resource_changes) == {"same"}
    files = [path.read_text(encoding="utf-8") for path in engine.backend_files()]
    for value in credentials.values():
        assert len(value["client_secret"]) > 20
        assert not any(value["client_secret"] in text for text in files)

    def server() -> None:
        Remote("ServerPerimeter", "one", inputs_of(root, environmentStack="organization/caller/test"), PERIMETER)

    outputs = caller.run("up", server, stack="server").outputs
    assert outputs["one.hostname"].value == "one.example.com"


def test_what_ringwall_refuses_the_package_refuses_in_one_line(caller: Caller) -> None:
    engine = caller.engine_project
    root = engine.project.root
    engine.run("dev", "up")
    records = engine.sandbox.resources()

    def refused(secret: str | None = None, **changed: Any) -> str:
        def program() -> None:
            inputs = inputs_of(root) | changed
            if secret is not None:
                inputs["tunnelSecret"] = pulumi.Output.secret(secret)
            Remote("ServerPerimeter", "one", inputs, PERIMETER)

        return caller.refused(program)

    def message(line: str) -> str:
        return f"ringwall:index:ServerPerimeter resource 'one' has a problem: {line}"

    assert refused(project="stacks") == message("project: stacks is a relative path; hand in an absolute one")
    assert refused(server="nine") == message(
        "there is no server nine in environment dev; did you mean dev.one? (known: dev.one)"
    )
    assert refused(environmentStack="dev") == message(
        "environmentStack: dev is no full stack name; write organization/project/stack"
    )
    assert refused(secret="c2VjcmV0") == message("tunnelSecret: host dev-1 has a remotely managed tunnel; leave it out")
    file = engine.project.stack_file("dev.one")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("guard_port", "gard_port"), "utf-8")
    assert refused() == message(
        f"{file}:7: config.ringwall:server.gard_port: unknown key; write guard_port, which is required"
    )
    file.write_text(text, "utf-8")
    dev = engine.project.stack_file("dev")
    dev_text = dev.read_text(encoding="utf-8")
    dev.write_text(
        dev_text.replace("    countries:", "    quotas:\n      service_tokens: 1\n    countries:", 1), "utf-8"
    )
    assert refused() == message(
        f"{dev}:18: config.ringwall:environment.quotas.service_tokens: the files ask for 2 service tokens, the account has"
        " 1; share more, remove some, or raise the quota here when your contract allows more"
    )
    dev.write_text(dev_text.replace("team: example", "team: another"), "utf-8")
    assert refused().endswith("environment dev as deployed differs from Pulumi.dev.yaml; run `ringwall up dev` first")
    # The SDK of the calling program prints a trace of its own; the host prints none.
    assert not any(str(PACKAGE.parent / "components") in line for line in caller.printed)
    assert engine.sandbox.resources() == records


def test_a_tunnel_secret_is_carried_and_stays_secret_even_when_handed_in_clear(caller: Caller) -> None:
    engine = caller.engine_project
    dev = engine.project.stack_file("dev")
    dev.write_text(
        dev.read_text(encoding="utf-8").replace("dev-1: {}", "dev-1:\n        tunnel: local"), encoding="utf-8"
    )
    engine.run("dev", "up")
    secret = base64.b64encode(b"planted tunnel secret, 32 bytes!").decode()

    def program() -> None:
        Remote("ServerPerimeter", "one", inputs_of(engine.project.root, tunnelSecret=secret), PERIMETER)

    caller.run("up", program)
    (tunnel,) = engine.sandbox.resources("*:ZeroTrustTunnelCloudflared")
    assert tunnel.outputs["configSrc"] == "local"
    assert "$sha256" in tunnel.outputs["tunnelSecret"]
    assert not any(secret in path.read_text(encoding="utf-8") for path in engine.backend_files())


def test_the_schema_names_what_programs_hand_in_and_get() -> None:
    with hosted() as stub:
        schema = json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    assert (schema["name"], sorted(schema["resources"])) == (
        "ringwall",
        ["ringwall:index:Environment", "ringwall:index:ServerPerimeter"],
    )
    perimeter = schema["resources"]["ringwall:index:ServerPerimeter"]
    environment = schema["resources"]["ringwall:index:Environment"]
    text = {"type": "string"}
    texts = {"type": "object", "additionalProperties": text}
    plain = {**text, "plain": True}
    assert perimeter["isComponent"]
    assert types(perimeter["inputProperties"]) == {
        "project": plain,
        "environment": plain,
        "server": plain,
        "environmentStack": plain,
        "tunnelSecret": text,
    }
    assert perimeter["requiredInputs"] == ["environment", "project", "server"]
    assert types(perimeter["properties"]) == {
        **dict.fromkeys(PERIMETER, text),
        "urls": {"type": "array", "items": text},
        "audiences": texts,
    }
    assert perimeter["required"] == sorted(PERIMETER)
    assert types(environment["inputProperties"]) == {"project": plain, "environment": plain}
    assert types(environment["properties"]) == {
        "contract": {"type": "object", "additionalProperties": {"$ref": "pulumi.json#/Any"}},
        "agentExpiresAt": texts,
        "agentCredentials": {"type": "object", "additionalProperties": texts},
    }

    example: Any = read(EXAMPLES / "yaml" / "Pulumi.yaml").value
    (resource,) = example["resources"].values()
    assert set(perimeter["requiredInputs"]) <= set(resource["properties"]) <= set(perimeter["inputProperties"])
    used = {value.removeprefix("${tickets.").removesuffix("}") for value in example["outputs"].values()}
    assert (resource["type"], used) == ("ringwall:index:ServerPerimeter", {"urls", "hostBundle"})
    assert used <= set(perimeter["properties"])


def types(properties: Any) -> Any:
    """A part of a schema without its prose."""
    if not isinstance(properties, dict):
        return properties
    return {key: types(value) for key, value in properties.items() if key != "description"}


def test_the_python_example_runs(caller: Caller) -> None:
    engine = caller.engine_project
    engine.run("dev", "up")
    config = {"folder": str(engine.project.root), "server": "one"}

    def program() -> None:
        pulumi.runtime.set_all_config({f"caller:{key}": value for key, value in config.items()})
        runpy.run_path(str(EXAMPLES / "python"), run_name="__main__")

    outputs = caller.run("up", program).outputs
    assert outputs["urls"].value == ["https://one.example.com/mcp"]
    assert json.loads(outputs["host_bundle"].value)["hostnames"] == ["one.example.com"]
