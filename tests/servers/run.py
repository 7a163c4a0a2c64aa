"""Real MCP servers from npm and PyPI, onboarded and then called through their guard beside being called directly.

    make servers
    .venv/bin/python tests/servers/run.py [--only NAME] [--ringwall PATH] [--json FILE] [--page]

A row says whether `ringwall onboard` took the server, whether its lock held over two more starts (`ringwall lock diff`
twice), whether a client of the official SDK sees behind the guard what it sees directly once everything is granted and
every finding is accepted by the command that `onboard` names, and whether each call's answer is the same, in the newest
protocol era that the server speaks and, where that is 2026's, in 2025's too; then the first reason where something is
not. `--ringwall` tries another build, `--page` writes the table into docs/explain/real-servers.md. Whatever a server, npm
or pip does ends that server's row with a reason, never the run.
What is installed (pinned in catalogue.py, npm without install scripts) stays in the cache for the next run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from model.tool_lock import from_text
from tests.servers.catalogue import SERVERS, RealServer
from tests.servers.rows import Row, table, write_page
from tests.support.node import caches
from tests.support.ports import free_port
from tests.support.projects import write_project

HERE = Path(__file__).resolve().parent
#: Seconds for one package with all it needs.
INSTALL_TIMEOUT = 600
RINGWALL = Path(sys.executable).with_name("ringwall")
#: What a client's own program is given, nothing of the shell that runs this.
BARE = {key: os.environ[key] for key in ("HOME", "PATH", "LANG") if key in os.environ}


def install(server: RealServer) -> Path:
    """The folder with the package's programs; raises RuntimeError with the installer's last line."""
    target = caches() / "servers" / re.sub(r"[^a-z0-9.]+", "-", f"{server.registry} {server.package} {server.version}")
    programs = target / ("node_modules/.bin" if server.registry == "npm" else "bin")
    if (target / "complete").exists():
        return programs
    target.mkdir(parents=True, exist_ok=True)
    if server.registry == "npm":
        package = f"{server.package}@{server.version}"
        commands = [["npm", "install", "--prefix", str(target), "--ignore-scripts", "--no-audit", "--no-fund", package]]
    else:
        pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        packages = [f"{server.package}=={server.version}", *server.extra]
        commands = [[sys.executable, "-m", "venv", str(target)], [*pip, *packages]]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not installed: {server.registry} took over {INSTALL_TIMEOUT} s") from None
        except OSError as error:
            raise RuntimeError(f"not installed: {command[0]} cannot be run ({error.strerror})") from None
        if done.returncode:
            raise RuntimeError(f"not installed: {server.registry}: {installer_reason(done.stderr or done.stdout)}")
    (target / "complete").touch()
    return programs


def installer_reason(text: str) -> str:
    """The line that says why; npm ends with where its log is, and pip with a notice."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\berr(or)?\b", line, re.I) and "complete log" not in line]
    return (telling or lines or ["it gave no reason"])[0][:200]


def work_folder(folder: Path) -> Path:
    """Files that people's folders hold: a long text, a compose file, a page, a repository."""
    folder.mkdir(parents=True)
    (folder / "long.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 3700)
    (folder / "compose.yaml").write_text("services:\n  db:\n    image: postgres\n    ports: ['127.0.0.1:5432:5432']\n")
    (folder / "index.html").write_text("<h1>Report</h1><p>All is well.</p>\n")
    repo = folder / "repo"
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "README.md").write_text("# Repo\n")
    subprocess.run(["git", "-C", str(repo), "add", "."], check=True)
    dates = {**BARE, "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    subprocess.run(["git", "-C", str(repo), *identity, "commit", "-qm", "First"], check=True, env=dates)
    return folder


@contextlib.contextmanager
def running(command: list[str], environment: Mapping[str, str], port: int, log: Path) -> Iterator[None]:
    """A program that listens on `port`, ended with its whole group."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if process.poll() is not None:
                raise RuntimeError(f"ended with {process.returncode}: {last_line(log)}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"did not listen: {last_line(log)}")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"


class Given:
    """Streams opened elsewhere, in the shape of an SDK transport."""

    def __init__(self, streams: Any) -> None:
        self.streams = streams

    async def __aenter__(self) -> Any:
        return self.streams

    async def __aexit__(self, *_: object) -> None:
        return None


@contextlib.asynccontextmanager
async def connected(target: str | StdioServerParameters, mode: str) -> AsyncIterator[Client]:
    transport = (
        streamable_http_client(target)
        if isinstance(target, str)
        else stdio_client(target, errlog=open(os.devnull, "w"))  # noqa: SIM115 - lives as long as the process
    )
    async with transport as streams, Client(Given(streams), mode=mode, cache=None) as client:
        yield client


async def ask(
    target: str | StdioServerParameters, calls: list[tuple[str, dict[str, Any]]], mode: str
) -> dict[str, Any]:
    """Every list and each call's answer, as the SDK hands them to a user."""
    answers: dict[str, Any] = {"lists": {}, "calls": []}
    async with connected(target, mode) as client:
        answers["version"] = client.protocol_version
        capabilities = client.server_capabilities
        if capabilities.tools:
            # `execution` speaks of tasks alone, which the guard does not carry (docs/explain/guard.md).
            listed = (await client.list_tools()).tools
            answers["lists"]["tools"] = {t.name: t.model_dump(by_alias=True, exclude={"execution"}) for t in listed}
        if capabilities.prompts:
            answers["lists"]["prompts"] = {p.name: p.model_dump() for p in (await client.list_prompts()).prompts}
        if capabilities.resources:
            found = (await client.list_resources()).resources
            answers["lists"]["resources"] = {str(r.uri): r.model_dump(mode="json") for r in found}
        for name, arguments in calls:
            try:
                result = await asyncio.wait_for(client.call_tool(name, arguments), 60)
                answers["calls"].append(result.model_dump(mode="json", by_alias=True, exclude={"meta"}))
            except Exception as error:
                answers["calls"].append(f"{type(error).__name__}: {error}"[:300])
    return answers


def filled(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for key, place in places.items():
            value = value.replace(f"{{{key}}}", place)
        return value
    if isinstance(value, dict):
        return {key: filled(item, places) for key, item in value.items()}
    return [filled(item, places) for item in value] if isinstance(value, list | tuple) else value


def grant_everything(stack_file: Path, lock_file: Path) -> None:
    """Grant whatever the lock has, so that what the lock or the inspection costs is seen and not what grants leave out."""
    pinned = from_text(lock_file.read_text(), lock_file)
    lines = ["    grants:", "      - to: {domains: [example.com]}", "        read_only: false"]
    lines += ["        tools: ['*']"] if pinned.tools else []
    lines += ["        prompts: ['*']"] if pinned.prompts else []
    lines += ["        resources: ['**']"] if pinned.resources or pinned.resource_templates else []
    head = re.split(r"(?m)^    grants:", stack_file.read_text())[0]
    stack_file.write_text(head + "\n".join(lines) + "\n")


def acceptances(text: str) -> list[list[str]]:
    """The commands by which a reviewer accepts what `onboard` found, without the program's name."""
    return [shlex.split(command)[1:] for command in re.findall(r"until a reviewer accepts: `(.+)`", text)]


def try_server(server: RealServer, ringwall: Path, folder: Path) -> Row:
    row = Row(server.name, server.version)
    places = {"bin": str(install(server)), "here": str(HERE), "port": str(free_port())}
    log = folder / "server.log"
    project = write_project(folder / "project")
    # Each way begins with the same files, so that a call that writes answers alike.
    template = work_folder(folder / "template")
    places["dir"] = str(folder / "work")
    shutil.copytree(template, folder / "work")
    command = [filled(part, places) for part in server.command]
    environment = filled(server.environment, places)
    url = f"http://{server.host}:{places['port']}{server.http}" if server.http else None

    def cli(*arguments: str, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ringwall), *arguments],
            cwd=project,
            env={**BARE, **environment, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def fresh() -> None:
        shutil.rmtree(folder / "work")
        shutil.copytree(template, folder / "work")

    serve: Any = contextlib.nullcontext
    if url:
        variables = {**BARE, **environment}

        def serve() -> Any:
            return running(command, variables, int(places["port"]), log)

        origin = ["--url", url]
    else:
        origin = ["--command", " ".join(command)]
        origin += [part for name in environment for part in ("--pass-env", name)]
    stack = f"dev.{server.name}"
    with serve():
        done = cli(
            "onboard", server.name, "--env", "dev", "--host", "dev-1", "--domain", "example.com", "--timeout", "60",
            "-y", *origin, *(["--allow-exposed"] if server.exposed else []),
        )  # fmt: skip
    if done.returncode:
        row.reasons.append("onboard: " + (done.stderr.strip().splitlines() or ["?"])[-1][:300])
        return row
    row.onboard = True
    for arguments in acceptances(done.stderr):
        row.accepted += [value for flag, value in itertools.pairwise(arguments) if flag == "--accept"]
        with serve():
            accepted = cli(*arguments, "--timeout", "60", "--yes")
        if accepted.returncode:
            row.reasons.append("accept: " + (accepted.stderr.strip().splitlines() or ["?"])[-1][:300])
    fresh()
    differences = []
    for _ in range(2):
        with serve():
            done = cli("lock", "diff", stack, "--timeout", "60")
        if done.returncode:
            differences.append((done.stdout + done.stderr).strip().splitlines()[:3])
    row.stable = not differences
    row.reasons += [f"lock: {' / '.join(lines)}"[:300] for lines in differences[:1]]
    calls = [(name, filled(arguments, places)) for name, arguments in server.calls]
    grant_everything(project / "stacks" / f"Pulumi.{stack}.yaml", project / "stacks" / f"{stack}.lock.yaml")
    parameters = StdioServerParameters(command=command[0], args=command[1:], env={**BARE, **environment})
    for mode in ("auto", "legacy"):
        fresh()
        try:
            with serve():
                direct = answers_of("directly", url or parameters, calls, mode)
        except RuntimeError as error:
            row.reasons.append(f"the SDK itself cannot use it {str(error).splitlines()[0]}"[:300])
            return row
        fresh()
        port = free_port()
        local = [
            str(ringwall),
            "local",
            stack,
            "--as",
            "ada@example.com",
            "--port",
            str(port),
            "--project",
            str(project),
        ]
        guard_log = folder / "guard.log"
        with serve(), running(local, {**BARE, **environment}, port, guard_log):
            try:
                behind = answers_of("behind the guard", f"http://127.0.0.1:{port}/mcp", calls, mode)
            except RuntimeError as error:
                row.lists, row.calls = False, f"0/{len(calls)}"
                row.reasons.append(f"{error}; {last_line(guard_log)}"[:300])
                return row
        compare(row, direct, behind, calls)
        if direct["version"] not in MODERN_PROTOCOL_VERSIONS or not row.good:
            return row
    return row


def answers_of(way: str, target: str | StdioServerParameters, calls: list[Any], mode: str) -> dict[str, Any]:
    """What `ask` gives; raises RuntimeError with the first cause, whatever it is."""
    try:
        return asyncio.run(asyncio.wait_for(ask(target, calls, mode), 180))
    except Exception as error:
        cause: BaseException = error
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise RuntimeError(f"{way}: {type(cause).__name__}: {cause}") from error


def compare(row: Row, direct: Mapping[str, Any], behind: Mapping[str, Any], calls: list[Any]) -> None:
    tools, seen = direct["lists"].get("tools", {}), behind["lists"].get("tools", {})
    row.tools = f"{sum(seen.get(name) == tool for name, tool in tools.items())}/{len(tools)}"
    row.lists = direct["lists"] == behind["lists"]
    for kind, entries in direct["lists"].items():
        missing = sorted(set(entries) - set(behind["lists"].get(kind, {})))
        if missing:
            row.reasons.append(f"{kind} not listed: {', '.join(missing)}"[:300])
        elif entries != behind["lists"].get(kind):
            row.reasons.append(f"{kind} listed otherwise")
    same = 0
    for (name, _), plain, guarded in zip(calls, direct["calls"], behind["calls"], strict=True):
        if plain == guarded:
            same += 1
        else:
            row.reasons.append(f"{name}: {shown(guarded)} instead of {shown(plain)}"[:400])
    row.calls = f"{same}/{len(calls)}"
    row.versions.append(behind["version"])


def shown(answer: Any) -> str:
    if isinstance(answer, dict):
        texts = [part.get("text", part.get("type")) for part in answer.get("content", [])]
        return ("error " if answer.get("isError") else "") + repr(" ".join(map(str, texts)))[:150]
    return str(answer)[:150]


def main() -> int:
    parser = argparse.ArgumentParser(description="Real MCP servers behind the guard.")
    parser.add_argument("--only", action="append", default=[], help="a server of catalogue.py; repeatable")
    parser.add_argument("--ringwall", type=Path, default=RINGWALL, help="the program to try")
    parser.add_argument("--page", action="store_true", help="write the table into the page of the docs")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    options = parser.parse_args()
    if options.page and options.only:
        parser.error("--page is for a run of all servers")
    rows = []
    for server in SERVERS:
        if options.only and server.name not in options.only:
            continue
        print(f"{server.name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            try:
                row = try_server(server, options.ringwall.absolute(), Path(folder))
            except subprocess.TimeoutExpired as error:
                words = f"{Path(error.cmd[0]).name} {error.cmd[1]} took over {error.timeout:g} s"
                row = Row(server.name, server.version, reasons=[f"not tried to the end: {words}"])
            except Exception as error:  # one server's row, never the run
                reason = f"not tried to the end: {error or type(error).__name__}"
                row = Row(server.name, server.version, reasons=[reason[:300]])
        rows.append(row)
        print(*table([row]).splitlines()[1:-1], sep="\n", flush=True)
    print("\n" + table(rows))
    if options.page:
        write_page(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) | {"good": row.good} for row in rows], indent=2) + "\n")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
