"""Servers that try to get out of the host's units, which real systemd enforces, beside the same without any.

    make containment
    .venv/bin/python tests/containment/run.py [--check] [--json FILE]

A machine is booted in namespaces: systemd is its first process, and the files that `ringwall host render` writes are
placed, and taken away again, as their README says. Servers of every kind make every attempt in `attempts.py`, called through
the running guard; so does a process without a unit's settings, as root, which must succeed at each. Kong and cloudflared are
not on the machine. The table is written to docs/reference/containment.md; `--check` compares it. Exit code 1 where something
got out, 4 where no machine can be booted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.containment.attempts import ATTEMPTS, BANNER, LEFT
from tests.containment.booted import ADDRESS, SOURCE, Booted, booted, cgroup, in_the_street, lay_out, obstacle
from tests.containment.client import WORK
from tests.containment.stacks import GUARDED, Guarded, provide, start_scripts, write_project
from tests.support.waiting import eventually_sync

HERE = Path(__file__).resolve().parent
PAGE = SOURCE / "docs" / "reference" / "containment.md"
#: What is tried from the street, on a port of the machine.
OPEN = "be reached from outside on a port that it opens"
OWN = "be reached from outside on its own port"
#: Where the control opens a port.
_CONTROL_PORT = 7770
NOTE, NAMED, UNNAMED = WORK
Servers = Mapping[str, Guarded]


@dataclass(frozen=True)
class Outcome:
    """What came of every attempt, `succeeded: …` or `refused: …`: by server, and without a unit's settings.

    `enforced` are systemd's settings that need more than namespaces, each with whether it held here; `left` is what
    stood on the machine after everything was undone.
    """

    contained: dict[str, dict[str, str]]
    control: dict[str, str]
    enforced: dict[str, bool]
    left: list[str]

    @property
    def faults(self) -> list[str]:
        """What got out, what did not work that shall, what of the control did not get out, and what was left."""
        faults = []
        for server, answers in self.contained.items():
            allowed = {NOTE, *([NAMED] if GUARDED[server].egress else ())}
            for name, answer in answers.items():
                if answer.partition(":")[0] != ("succeeded" if name in allowed else "refused"):
                    faults.append(f"{GUARDED[server].title}: {name}: {answer}")
        for name, answer in self.control.items():
            if not answer.startswith("succeeded"):
                faults.append(f"without a unit: {name}: {answer}")
        return [*faults, *(f"left on the machine: {name}" for name in self.left)]


# -- in the street ------------------------------------------------------------------------------------------------------


def attempt_everything(scratch: Path, group: Path, names: Sequence[str]) -> Outcome:
    """Boot the machine, place the host's files, have these servers make every attempt, and take the files away."""
    servers = {name: GUARDED[name] for name in names}
    root, project, hosts = scratch / "machine", scratch / "project", scratch / "hosts"
    lay_out(root)
    write_project(project, servers)
    ringwall = Path(sys.executable).with_name("ringwall")
    render: list[str | Path] = [ringwall, "host", "render", "dev", "--offline", "--output", hosts, "--project", project]
    subprocess.run(render, check=True, stdout=subprocess.DEVNULL)
    (hosts / "dev-1").rename(root / "srv/dev-1")
    start_scripts(root, servers)
    readme = (root / "srv/dev-1/README.md").read_text()
    started = [unit for unit in _units(readme) if "kong" not in unit and "cloudflared" not in unit]
    with booted(root, group, scratch / "machine.log") as machine:
        for command in _commands(readme, "Place"):
            machine.run("sh", "-c", f"cd /srv/dev-1 && {command}")
        provide(machine, project, scratch)
        for unit in started:
            machine.run("systemctl", "enable", "--now", unit)
        eventually_sync(lambda: _listening(machine, servers), "every guard and server listens", within=90)
        with _conversation(machine, servers) as contained:
            _look_from_outside(machine, contained)
        control = _control(machine)
        return Outcome(contained, control, _enforced(machine), _undone(machine, started))


def _commands(readme: str, section: str) -> list[str]:
    """The commands below a heading of the README, in its order."""
    below = readme.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [line.strip() for line in below.splitlines() if line.startswith("    ")]


def _units(readme: str) -> list[str]:
    return [command.split()[-1] for command in _commands(readme, "Start")]


def _listening(machine: Booted, servers: Servers) -> bool:
    """Whether the guards' ports are open on the machine, and each server's with a URL in its own network.

    A connection to a port of systemd's starts the server behind it, so they are started by name here.
    """
    if not {server.guard_port for server in servers.values()} <= _ports(machine, "1"):
        return False
    for name, server in servers.items():
        unit = f"ringwall-server-dev.{name}.service"
        if server.port is not None:
            machine.run("systemctl", "start", unit)
            process = machine.run("systemctl", "show", "--value", "--property=MainPID", unit).stdout.strip()
            if server.port not in _ports(machine, process):
                return False
    return True


def _ports(machine: Booted, process: str) -> set[int]:
    """The TCP ports on which anything listens in the network of a process of the machine (proc_pid_net(5))."""
    text = machine.file(f"/proc/{process}/net/tcp")
    rows = [line.split() for line in text.read_text().splitlines()[1:]] if text.exists() else []
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}


@contextlib.contextmanager
def _conversation(machine: Booted, servers: Servers) -> Iterator[dict[str, dict[str, str]]]:
    """What each server's attempts came to, asked through its guard; the sessions stay open meanwhile."""
    ports = [str(server.guard_port) for server in servers.values()]
    process = subprocess.Popen(
        ["nsenter", f"--net=/proc/{machine.first}/ns/net", sys.executable, HERE / "client.py", *ports],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended with {process.wait()}")
        yield dict(zip(servers, json.loads(line), strict=True))
    finally:
        process.communicate("end\n", timeout=30)


def _look_from_outside(machine: Booted, contained: dict[str, dict[str, str]]) -> None:
    """Add what a passer-by sees of the servers' ports, and of the files that they left for others."""
    left = [folder for folder in LEFT if machine.file(f"{folder}/left").exists()]
    for name, answers in contained.items():
        server = GUARDED[name]
        answers[OPEN] = _from_outside(server.open_port)
        answers[OWN] = _from_outside(server.port) if server.port else "refused: it has none"
        trace = next(attempt for attempt in ATTEMPTS if attempt.startswith("leave a file"))
        if answers[trace].startswith("succeeded"):
            answers[trace] = f"succeeded: {', '.join(left)}" if left else "refused: the folders are its own"


def _from_outside(port: int) -> str:
    """Whether a port of the machine is reached from the street."""
    try:
        with socket.create_connection((ADDRESS, port), 2) as connection:
            return f"succeeded: {connection.recv(16).decode(errors='replace') if port == _CONTROL_PORT else port}"
    except OSError as error:
        return f"refused: {error.strerror or error}"


def _control(machine: Booted) -> dict[str, str]:
    """The same attempts of a process without a unit's settings."""
    report = ("--open", str(_CONTROL_PORT), "--report", "/srv/report.json")
    machine.run("systemd-run", "--quiet", "--unit=plain", "/opt/ringwall/bin/hostile", *report)
    file = machine.file("/srv/report.json")
    eventually_sync(file.exists, "the control has made its attempts", within=60)
    answers: dict[str, str] = json.loads(file.read_text())
    reached = _from_outside(_CONTROL_PORT)
    return answers | {OPEN: reached if BANNER.decode() in reached else "refused: nothing answers"}


def _enforced(machine: Booted) -> dict[str, bool]:
    """Whether the kernel and the control groups of this machine let systemd enforce what needs them."""
    bind = "import socket; socket.create_server(('127.0.0.1', 7769))"
    send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('203.0.113.1', 53))"
    run = ("systemd-run", "--quiet", "--wait", "--pipe")
    controllers = machine.file("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    return {
        "SocketBindDeny": machine.run(*run, "--property=SocketBindDeny=any", *_PYTHON, bind, check=False).returncode
        != 0,
        "IPAddressDeny": machine.run(*run, "--property=IPAddressDeny=any", *_PYTHON, send, check=False).returncode != 0,
        "TasksMax": "pids" in controllers,
    }


_PYTHON = ("/usr/bin/env", "LD_LIBRARY_PATH=/opt/python/lib", "/opt/python/bin/python3", "-c")


def _undone(machine: Booted, started: list[str]) -> list[str]:
    """What is still there after the README's way back."""
    machine.run("systemctl", "disable", "--now", *started)
    machine.run("systemctl", "stop", "ringwall-*")
    machine.run("sh", "-c", "cd /srv/dev-1 && ./install.sh --undo && systemctl daemon-reload")
    listed = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "ringwall-*").stdout
    files = [path for path in machine.file("/etc").rglob("*") if path.is_file() and "ringwall" in path.name]
    return [*(line.split()[0] for line in listed.splitlines()), *(path.name for path in files)]


# -- the page -----------------------------------------------------------------------------------------------------------

_HEAD = """\
# Containment

Made by `make containment`. It boots a machine in Linux namespaces: real systemd, and the files of `ringwall host render`
placed as their README says. Then servers of every kind try to get out, called through the running guard. The last column is
the same program without a unit's settings, as root: there each attempt succeeds, so a refusal is the units' doing.

| The server tries to | {columns} | without a unit |
|---|{rules}---|
"""
_FOOT = """
*Named* servers have `origin.egress`, with `api.example.net:443` in it. Once all is undone as the README says, nothing
is left on the machine.

{enforced}

Kong and cloudflared are not on the machine, so their units are judged by `systemd-analyze` alone. Compose and Kubernetes are
not run here.
"""


def page(outcome: Outcome) -> str:
    """The page of the documentation."""
    columns = " | ".join(GUARDED[name].title for name in outcome.contained)
    lines = []
    for row in (*ATTEMPTS, OPEN, OWN, NOTE, NAMED, UNNAMED):
        cells = [_cell(row, answers.get(row, "")) for answers in outcome.contained.values()]
        lines.append(f"| {' | '.join([row, *cells, _cell(row, outcome.control.get(row, ''))])} |")
    unenforced = " and ".join(f"`{name}`" for name, held in outcome.enforced.items() if not held)
    enforced = (
        f"Where this was run last, the kernel did not let systemd enforce {unenforced}. No refusal in the table rests on it."
        if unenforced
        else "Where this was run last, the kernel let systemd enforce every setting of the units."
    )
    head = _HEAD.format(columns=columns, rules="---|" * len(outcome.contained))
    return head + "\n".join(lines) + "\n" + _FOOT.format(enforced=enforced)


def _cell(row: str, answer: str) -> str:
    if not answer or answer == "refused: it has none":
        return "-"
    return "**succeeded**" if answer.startswith("succeeded") else "refused"


# -- outside of it ------------------------------------------------------------------------------------------------------


def contain(names: Sequence[str] = tuple(GUARDED)) -> Outcome:
    """Run it all in namespaces of its own, with these servers."""
    with tempfile.TemporaryDirectory(prefix="ringwall-containment-") as scratch, cgroup() as group:
        answer = Path(scratch, "outcome.json")
        subprocess.run(in_the_street(str(HERE / "run.py"), "--inside", scratch, str(group), *names), check=True)
        return Outcome(**json.loads(answer.read_text()))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--check", action="store_true", help="compare the page, do not write it")
    parser.add_argument("--json", type=Path, help="write the outcome there too")
    parser.add_argument("--inside", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        scratch, group, names = Path(options.inside[0]), Path(options.inside[1]), options.inside[2:]
        (scratch / "outcome.json").write_text(json.dumps(asdict(attempt_everything(scratch, group, names))))
        return 0
    if problem := obstacle():
        print(f"error: nothing was tried: {problem}", file=sys.stderr)
        return 4
    outcome = contain()
    if options.json:
        options.json.write_text(json.dumps(asdict(outcome), indent=2) + "\n")
    for fault in outcome.faults:
        print(f"error: {fault}", file=sys.stderr)
    text = page(outcome)
    print(text)
    same = PAGE.exists() and PAGE.read_text() == text
    if not same:
        print(f"{PAGE.name}: {'out of date, run `make containment`' if options.check else 'written'}", file=sys.stderr)
    if not same and not options.check:
        PAGE.write_text(text)
    return 1 if outcome.faults or (options.check and not same) else 0


if __name__ == "__main__":
    raise SystemExit(main())
