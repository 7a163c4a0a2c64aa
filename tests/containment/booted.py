"""A machine of its own, in namespaces: real systemd as its first process, on a root that the operator's steps fill.

Around it is a street: who passes there can try the machine's address, and the machine can try to reach the metadata
address of clouds and a stranger on the internet. All of it ends with the process that made it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.containment.attempts import METADATA, STRANGER
from tests.support.waiting import eventually_sync

SOURCE = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SYSTEMD = Path("/lib/systemd/systemd")
#: The machine as the street sees it.
ADDRESS = "198.51.100.2"
_FOLDERS = """\
proc sys dev run usr old etc srv home var/lib var/log local/bin local/lib/ringwall opt/python
opt/ringwall/packages opt/ringwall/source opt/ringwall/bin"""
#: Ringwall as an operator installs it into /opt/ringwall, here from this repository.
_LAUNCHER = """\
#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH={path} PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python3 {what} "$@"
"""


def obstacle() -> str | None:
    """Why a machine cannot be booted here; None where it can."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    if os.geteuid() != 0:
        return "namespaces with several users need root"
    if not SYSTEMD.exists():
        return f"{SYSTEMD} is not here"
    lacking = [
        name for name in ("unshare", "nsenter", "ip", "pivot_root", "systemd-sysusers") if not shutil.which(name)
    ]
    if lacking:
        return f"{', '.join(lacking)} is not here"
    if _cgroups() is None:
        return "no cgroup2 hierarchy is mounted"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--cgroup", "--fork", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if tried.returncode == 0 else tried.stderr.strip()


def in_the_street(*arguments: str) -> list[str]:
    """The command of this Python in a network, process table and mounts of its own; what it starts ends with it."""
    alone = (
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "--mount-proc",
    )
    return [*alone, sys.executable, *arguments]


@contextlib.contextmanager
def cgroup() -> Iterator[Path]:
    """A control group for a machine, with whatever it makes below it."""
    place = _cgroups()
    if place is None:
        raise RuntimeError("no cgroup2 hierarchy is mounted")
    folder = place / f"ringwall-containment-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        below = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)

        def gone() -> bool:
            with contextlib.suppress(OSError):
                for path in below:
                    path.rmdir()
                folder.rmdir()
            return not folder.exists()

        below = [path for path in below if path.exists()]
        eventually_sync(gone, "the machine's control groups are empty", within=30)


def _cgroups() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return Path(fields.split()[4])
    return None


@dataclass
class Booted:
    """The running machine."""

    root: Path
    first: int
    log: Path

    def run(self, *command: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on the machine, as root."""
        inside = (
            "nsenter",
            f"--target={self.first}",
            "--mount",
            "--net",
            "--pid",
            "--uts",
            "--ipc",
            "--cgroup",
            "--root",
        )
        result = subprocess.run(
            [*inside, "--wd=/", *command], input=text, capture_output=True, text=True, check=False, timeout=120
        )
        if check and result.returncode:
            raise RuntimeError(f"{' '.join(command)}: {result.stderr}\n{self.log.read_text(errors='replace')[-2000:]}")
        return result

    def file(self, path: str) -> Path:
        """A file of the machine, as seen from here."""
        return Path(f"/proc/{self.first}/root{path}")


def lay_out(root: Path) -> None:
    """A root file system with nothing in it but users, and the programs that the host's units name."""
    for folder in _FOLDERS.split():
        (root / folder).mkdir(parents=True)
    for folder in ("root", "tmp", "var/tmp"):
        (root / folder).mkdir(mode=0o700 if folder == "root" else 0o1777)
        (root / folder).chmod(0o700 if folder == "root" else 0o1777)
    for link in ("bin", "sbin", "lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n")
    (root / "etc/group").write_text("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files systemd\ngroup: files systemd\nhosts: files\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{STRANGER} api.example.net files.example.net\n")
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    shutil.copy("/etc/ld.so.cache", root / "etc/ld.so.cache")
    packages, source = "/opt/ringwall/packages", "/opt/ringwall/source"
    _program(root / "opt/ringwall/bin/ringwall", f"{source}:{packages}", "-m cli.main")
    _program(root / "opt/ringwall/bin/hostile", packages, f"{source}/tests/containment/attempts.py")


def _program(file: Path, path: str, what: str) -> None:
    file.write_text(_LAUNCHER.format(path=path, what=what))
    file.chmod(0o755)


@contextlib.contextmanager
def booted(root: Path, group: Path, log: Path) -> Iterator[Booted]:
    """The machine on this root, and the street around it. The calling process is in the street's network already."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "street", "type", "veth", "peer", "name", "host0")
    _ip("address", "add", "198.51.100.1/24", "dev", "street")
    for address in (METADATA, STRANGER):
        _ip("address", "add", f"{address}/32", "dev", "lo")
    _ip("link", "set", "street", "up")
    _strangers()
    subprocess.run(["mount", "--bind", root, root], check=True)
    paths = (sys.base_prefix, sysconfig.get_path("purelib"), str(SOURCE))
    new = (
        "--mount",
        "--net",
        "--pid",
        "--uts",
        "--ipc",
        "--cgroup",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
    )
    with log.open("wb") as errors:
        process = subprocess.Popen(
            # Into its control group before the namespace of control groups is made, so that it sees itself as the root.
            ["sh", "-c", 'echo 0 > "$0/cgroup.procs"; exec "$@"', group, "unshare", *new, HERE / "boot.sh", root, *paths],
            stdin=subprocess.PIPE, stdout=errors, stderr=errors,
        )  # fmt: skip
    try:
        first = int(eventually_sync(lambda: _children(process, log), "it starts")[0])
        _ip("link", "set", "host0", "netns", str(first))
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        machine = Booted(root, first, log)

        def up() -> bool:
            _alive(process, log)
            return machine.run("systemctl", "is-active", "basic.target", check=False).stdout.strip() == "active"

        eventually_sync(up, "systemd reaches basic.target", within=60)
        try:
            yield machine
        except BaseException:
            units = machine.run("systemctl", "--no-pager", "list-units", "ringwall-*", check=False).stdout
            said = machine.run("journalctl", "--no-pager", "--lines=80", "--output=cat", check=False).stdout
            print(f"{units}\n{said}", file=sys.stderr)
            raise
    finally:
        process.kill()
        process.wait()


def _children(process: subprocess.Popen[bytes], log: Path) -> list[str]:
    _alive(process, log)
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


def _alive(process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the machine ended with {process.returncode}: {log.read_text(errors='replace')[-3000:]}")
    return True


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _strangers() -> None:
    """What the machine may reach in the street: the metadata service, and a stranger that answers whoever calls."""
    web = b"HTTP/1.0 200 OK\r\ncontent-length: 8\r\n\r\nrole-key"

    def metadata(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(web)

    def stranger(connection: socket.socket) -> None:
        connection.sendall(b"hello\n")

    for address, port, answer in ((METADATA, 80, metadata), (STRANGER, 80, stranger), (STRANGER, 443, stranger)):
        _serve(socket.create_server((address, port)), answer)
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind((STRANGER, 53))

    def resolve() -> None:
        while True:
            resolver.sendto(b"answer", resolver.recvfrom(512)[1])

    threading.Thread(target=resolve, daemon=True).start()


def _serve(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    def serve() -> None:
        while True:
            with listener.accept()[0] as connection, contextlib.suppress(OSError):
                answer(connection)

    threading.Thread(target=serve, daemon=True).start()
