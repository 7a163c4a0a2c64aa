"""cloudflared itself over the tunnels of rendered hosts, and over the ingress rules that are sent to Cloudflare.

    make cloudflared

`cloudflared tunnel ingress validate` takes each config.yml of a host whose tunnels are managed there, and each set of rules
of a tunnel that Cloudflare manages; `ingress rule` leads each public name to the gateway and every further name to 404. What
cloudflared refuses of broken rules, the rehearsal's provider refuses, and nothing else. Then each format's command lines
start as they stand, in a network of its own where nothing can be reached: each must find its tunnel and open its metrics.
A request without a token, or with one that is wrong in any of the ways below, is refused by cloudflared's own code with the
status that the tests' stand-in gives. cloudflared comes from the PATH or is built by Go, and that code is built by Go. Where
they are not to be had, nothing was shown, and that is a failure.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from components.edge.tunnel import config_yml, ingress_rules
from components.origin.host import build_host_bundle
from model.host_bundle import HostBundle
from model.project import load_environment, open_project
from model.stacks import PerimeterStack, ServerStack
from operations.host.render import Layout, render, write
from sandbox.cloudflare_rules import tunnel_config
from tests.cloudflared.assertions import misjudged
from tests.support.model_routes import FILE, ROUTE
from tests.support.projects import write_project

MODULE = "github.com/cloudflare/cloudflared@v0.0.0-20260713102814-2601f87b5728"
JUDGE = Path(__file__).with_name("judge.go")
TIMEOUT, BUILD_TIMEOUT = 60, 1800
TUNNEL = "11111111-2222-3333-4444-555555555555"
ACCOUNT, SECRET = "0af1" * 8, base64.b64encode(b"no secret: 32 bytes for a test..").decode()
#: What the operator puts on the host, as `cloudflared tunnel create` and `cloudflared tunnel token` write them.
CREDENTIALS = json.dumps({"AccountTag": ACCOUNT, "TunnelSecret": SECRET, "TunnelID": TUNNEL})
TOKEN = base64.b64encode(json.dumps({"a": ACCOUNT, "t": TUNNEL, "s": SECRET}).encode()).decode()
#: The provider's spelling and cloudflared's own.
SPELLING = {
    "origin_request": "originRequest",
    "connect_timeout": "connectTimeout",
    "http_host_header": "httpHostHeader",
    "team_name": "teamName",
    "aud_tags": "audTag",
}
#: The image's (cloudflared's Dockerfile); a command follows it.
ENTRYPOINT = ("--no-autoupdate",)
IMAGES, HELPERS = ("ringwall", "kong", "cloudflared"), ("pause", "socat")
CATCH_ALL = {"service": "http_status:404"}
#: Sets of rules, and whether they may stand.
RULES: tuple[tuple[list[dict[str, Any]], bool], ...] = (
    ([{"hostname": "a.example.com", "service": "http://127.0.0.1:8000"}, CATCH_ALL], True),
    ([{"hostname": "*.example.com", "service": "http://127.0.0.1:8000"}, CATCH_ALL], True),
    ([{"hostname": "a.example.com", "service": "unix:/run/kong.sock"}, CATCH_ALL], True),
    ([CATCH_ALL], True),
    ([{"hostname": "a.example.com", "service": "http://127.0.0.1:8000"}], False),
    ([CATCH_ALL, {"hostname": "a.example.com", "service": "http://127.0.0.1:8000"}], False),
    ([{"hostname": "a.*.com", "service": "http://127.0.0.1:8000"}, CATCH_ALL], False),
    ([{"hostname": "a.example.com", "service": "http://127.0.0.1:8000/"}, CATCH_ALL], False),
    ([{"hostname": "a.example.com", "service": "http://127.0.0.1:8000/mcp"}, CATCH_ALL], False),
    ([{"hostname": "a.example.com", "service": "127.0.0.1:8000"}, CATCH_ALL], False),
    ([{"hostname": "a.example.com", "service": "http_status:99"}, CATCH_ALL], False),
)


class Absent(Exception):
    """cloudflared is not to be had."""


class Source:
    """cloudflared's module in a folder of its own, with this run's small program beside its commands."""

    def __init__(self, folder: Path) -> None:
        """Raises Absent."""
        if (go := shutil.which("go")) is None:
            raise Absent("Go is not on the PATH")
        self._go, self._folder = go, folder / "source"
        fetched = subprocess.run([go, "mod", "download", "-json", MODULE], capture_output=True, text=True, check=False)
        if fetched.returncode:
            raise Absent(f"Go does not fetch {MODULE}: {' '.join((fetched.stdout + fetched.stderr).split())}")
        # Its go.mod replaces modules, so `go install` refuses it; in Go's cache nothing may be added.
        shutil.copytree(json.loads(fetched.stdout)["Dir"], self._folder, copy_function=shutil.copyfile)
        for place in (self._folder, *(path for path in self._folder.rglob("*") if path.is_dir())):
            place.chmod(0o755)
        (self._folder / "cmd" / "judge").mkdir()
        shutil.copy(JUDGE, self._folder / "cmd" / "judge" / "main.go")

    def built(self, name: str) -> str:
        """One of its commands; raises Absent."""
        program = self._folder / f"{name}.built"
        built = subprocess.run(
            [self._go, "build", "-buildvcs=false", "-mod=readonly", "-o", program, f"./cmd/{name}"],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT,
            check=False,
        )
        if built.returncode:
            raise Absent(f"Go does not build {name} of {MODULE}: {' '.join(built.stderr.split())}")
        return str(program)


class Program:
    """cloudflared."""

    def __init__(self, path: str) -> None:
        self.path = path

    def ask(self, *words: str | Path) -> tuple[int, str]:
        """The exit code of a command and what it said."""
        command = [self.path, "tunnel", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    def complaint(self, *words: str | Path) -> str:
        """What `ingress validate` has against a configuration, an unused key included; nothing where it is well."""
        code, said = self.ask(*words)
        return "" if code == 0 and said.splitlines()[-1] == "OK" else said

    def start(self, words: list[str], variables: dict[str, str]) -> str:
        """What is missing of a connector's start; nothing where it found its tunnel and opened its metrics."""
        # Nothing leaves this network, and the edge's address is none.
        command = ["unshare", "--user", "--map-root-user", "--net", self.path, *words]
        environment = {**os.environ, **variables, "TUNNEL_EDGE": "127.0.0.1:9", "TUNNEL_NO_PRECHECKS": "true"}
        missing = {f"Starting tunnel tunnelID={TUNNEL}", "Starting metrics server on 127.0.0.1:"}
        said = ""
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as running:
            assert running.stdout is not None
            deadline = threading.Timer(TIMEOUT, running.kill)
            deadline.start()
            for line in running.stdout:
                said += line
                missing = {sign for sign in missing if sign not in line}
                # Connections that fail come again and again: either it is there by now, or it will not be.
                if not missing or said.count("Unable to establish connection") > 1000:
                    break
            deadline.cancel()
            running.kill()
        return f"says nowhere {', '.join(sorted(missing))}: {said[:2000].strip()}" if missing else ""


@dataclass(frozen=True)
class Tunnels:
    """A project's tunnels: each stack, and the host bundle that it exports."""

    stacks: tuple[PerimeterStack, ...]
    bundles: list[HostBundle]

    @classmethod
    def of(cls, folder: Path, management: str) -> Tunnels:
        """A URL, a socket, a command and a hosted client's name on two hosts, and a model route."""
        root = write_project(folder, every_shape=True)
        (root / FILE).write_text(ROUTE, encoding="utf-8")
        file = root / "stacks" / "Pulumi.dev.yaml"
        text = file.read_text("utf-8").replace("dev-1: {}", f"dev-1: {{tunnel: {management}}}")
        file.write_text(
            text.replace("gateway_port: 8010", f"gateway_port: 8010\n        tunnel: {management}"), "utf-8"
        )
        stacks = tuple(load_environment(open_project(root), "dev").perimeters)
        configs = {stack.stack: _config(stack) if management == "local" else None for stack in stacks}
        return cls(stacks, [build_host_bundle(stack, TUNNEL, "{}\n", configs[stack.stack]) for stack in stacks])


def _config(stack: PerimeterStack) -> str:
    """config.yml as the edge ring writes it."""
    credentials = f"/etc/ringwall/{stack.stack}/tunnel-credentials.json"
    team = stack.settings.cloudflare.team
    return config_yml(stack.manifest, team, _gateway_port(stack), _audiences(stack), TUNNEL, credentials)


def _gateway_port(stack: PerimeterStack) -> int:
    return stack.settings.hosts[stack.manifest.host].gateway_port


def _audiences(stack: PerimeterStack) -> dict[str, str]:
    return {hostname: f"{number:064x}" for number, hostname in enumerate(stack.manifest.hostnames)}


def sent_rules(stack: PerimeterStack) -> str:
    """The rules of a tunnel that Cloudflare manages, as cloudflared reads them."""
    team = stack.settings.cloudflare.team
    return json.dumps(
        {"ingress": _respelt(ingress_rules(stack.manifest, team, _gateway_port(stack), _audiences(stack)))}
    )


def _respelt(value: Any) -> Any:
    if isinstance(value, dict):
        return {SPELLING.get(name, name): _respelt(inner) for name, inner in value.items()}
    return [_respelt(inner) for inner in value] if isinstance(value, list) else value


def misread(program: Program, stack: PerimeterStack, scratch: Path) -> Iterator[str]:
    """What cloudflared makes otherwise of a stack's rules."""
    config = scratch / f"{stack.stack}.yml"
    config.write_text(_config(stack), encoding="utf-8")
    for what, words in (
        ("config.yml", ["--config", config, "ingress", "validate"]),
        ("rules", ["ingress", "validate", "--json", sent_rules(stack)]),
    ):
        if said := program.complaint(*words):
            yield f"{stack.stack}: {what}: {said}"
    gateway = f"service: http://127.0.0.1:{_gateway_port(stack)}"
    wanted = {**dict.fromkeys(stack.manifest.hostnames, gateway), "else.example.com": "service: http_status:404"}
    for hostname, service in wanted.items():
        _, said = program.ask("--config", config, "ingress", "rule", f"https://{hostname}/mcp")
        if service not in said:
            yield f"{stack.stack}: {hostname} leads elsewhere: {said}"


def otherwise_judged(program: Program) -> Iterator[str]:
    """Rules that cloudflared and the rehearsal's provider judge in different ways."""
    for rules, wanted in RULES:
        said = program.complaint("ingress", "validate", "--json", json.dumps({"ingress": rules}))
        problems = [str(problem) for problem in tunnel_config({"config": {"ingresses": rules}})]
        if (not said, not problems) != (wanted, wanted):
            yield f"{rules}: cloudflared says {said or 'OK'}, the rehearsal {problems or 'OK'}"


@dataclass(frozen=True)
class Start:
    """A connector's command line in one format: `words` after the program's name, with each path where this run has it."""

    name: str
    words: list[str]
    variables: dict[str, str]


def starts(tunnels: Tunnels, scratch: Path) -> Iterator[Start]:
    """Every connector of every host in every format, with its files below `scratch`."""
    local = tunnels.bundles[0].cloudflared.mode == "local"
    secret = scratch / "secret"
    secret.write_text(CREDENTIALS if local else TOKEN, encoding="utf-8")
    servers = [stack.stack for stack in tunnels.stacks if isinstance(stack, ServerStack)]
    kubernetes = dict.fromkeys([*IMAGES, *servers], "registry.example/image:1")
    compose = kubernetes | dict.fromkeys(HELPERS, "registry.example/image:1")
    for layout, connectors, images in (
        (Layout.systemd, _units, {}),
        (Layout.compose, _services, compose),
        (Layout.kubernetes, _containers, kubernetes),
    ):
        for host, files in render(tunnels.bundles, layout, images).items():
            place = scratch / layout / host
            write(place, files)
            for start in connectors(place, secret):
                yield Start(f"{layout}, {host}: {start.name}", start.words, start.variables)


def _units(place: Path, secret: Path) -> Iterator[Start]:
    for file in sorted(place.rglob("ringwall-cloudflared-*.service")):
        lines = [line.partition("=") for line in file.read_text("utf-8").splitlines() if "=" in line]
        (command,) = [value for key, _, value in lines if key == "ExecStart"]
        variables = dict(value.split("=", 1) for key, _, value in lines if key == "Environment")
        words = [
            str(secret) if word.startswith("%d/") else str(place / "root") + word if word.startswith("/") else word
            for word in shlex.split(command)[1:]
        ]
        yield Start(file.name, words, variables)


def _services(place: Path, secret: Path) -> Iterator[Start]:
    services = yaml.safe_load((place / "compose.yaml").read_text("utf-8"))["services"]
    for name, service in services.items():
        if service.get("command", [""])[0] == "tunnel":
            paths = {mount["target"]: str(place / mount["source"]) for mount in service.get("volumes", ())}
            paths |= {mount["target"]: str(secret) for mount in service["secrets"]}
            yield Start(name, [*ENTRYPOINT, *(paths.get(word, word) for word in service["command"])], {})


def _containers(place: Path, secret: Path) -> Iterator[Start]:
    settings = yaml.safe_load((place / "settings.yaml").read_text("utf-8"))["data"]
    pod = yaml.safe_load((place / "host.yaml").read_text("utf-8"))["spec"]["template"]["spec"]
    for container in pod["containers"]:
        if container.get("args", [""])[0] == "tunnel":
            paths = {}
            for mount in container["volumeMounts"]:
                if mount["name"] == "settings":
                    file = place.parent / mount["subPath"]
                    file.write_text(settings[mount["subPath"]], encoding="utf-8")
                    paths[mount["mountPath"]] = str(file)
                else:
                    paths[f"{mount['mountPath']}/tunnel"] = str(secret)
            yield Start(container["name"], [*ENTRYPOINT, *(paths.get(word, word) for word in container["args"])], {})


def main() -> int:
    """The command line."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ringwall-cloudflared-") as folder:
        scratch = Path(folder)
        try:
            source = Source(scratch)
            program, judge = Program(shutil.which("cloudflared") or source.built("cloudflared")), source.built("judge")
        except Absent as absent:
            print(f"nothing was shown: {absent}")
            return 1
        faults += otherwise_judged(program)
        print(f"{len(RULES)} sets of rules, judged as the rehearsal judges them")
        requests, wrong = misjudged(judge)
        faults += wrong
        print(f"{requests} requests, judged as the tests' stand-in judges them")
        for management in ("local", "remote"):
            tunnels = Tunnels.of(scratch / management, management)
            for stack in tunnels.stacks:
                faults += misread(program, stack, scratch)
                print(f"{stack.stack}: its rules as config.yml and as they are sent, and where each of its names leads")
            for start in starts(tunnels, scratch / management):
                said = program.start(start.words, start.variables)
                print(f"{start.name}: {said or 'starts'}")
                faults += [f"{start.name}: {said}"] if said else []
    for fault in faults:
        print(f"fault: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
