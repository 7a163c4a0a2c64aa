"""What stands on a host and is no file of its stack any more: files that an earlier rendering placed, and folders of servers
that are gone, whose bundles the guard would go on serving. Each with the command that removes it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from operations.host.declared import CONFIGURATION, SCRIPT
from operations.host.machine import ETC, Machine
from operations.host.placing import EARLIER, PLACED

#: Where the files of a rendering are placed.
_FOLDERS = ("etc/ringwall", "etc/systemd/system", "etc/sysusers.d", "etc/tmpfiles.d", "usr/local/lib/ringwall")
#: Where systemd looks for the units of a machine (systemd.unit(5)).
UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system")
#: Placed by some renderings alone, and known by these names where somebody placed them by hand.
_BY_NAME = (f"{ETC}/{CONFIGURATION}", f"{ETC}/{SCRIPT}")
#: What makes a folder one of a server to `guard run --host`.
_BUNDLE = "guard.bundle.json"


@dataclass(frozen=True)
class Remnant:
    """A file or folder that no rendering of the stack has."""

    path: Path
    problem: str
    remedy: str


def remnants(machine: Machine, placed: Collection[Path], root: Path) -> Iterator[Remnant]:
    """Everything below `root` that is not among the `placed` files of this host and was, or would count as one."""
    units = [path for folder in UNIT_FOLDERS for path in (root / folder).glob("ringwall-*")]
    unit_files = {path for path in units if path.suffix in (".service", ".socket")}
    marked = {
        path.with_name(path.name.removesuffix(PLACED))
        for folder in _FOLDERS
        for path in (root / folder).rglob(f"*{PLACED}")
    }
    named = {path for name in _BY_NAME if (path := root / name.lstrip("/")).exists()}
    for path in sorted((unit_files | marked | named) - set(placed)):
        problem = "is no unit of this host" if path in unit_files else "is no file of this host any more"
        yield Remnant(path, problem, f"run `{_removal(path, is_unit=path in unit_files)}`")
    stacks = {member.stack for member in machine.members}
    for bundle in sorted((root / ETC.lstrip("/")).glob(f"*/{_BUNDLE}")):
        if bundle.parent.name not in stacks:
            problem = "is of no server of this host, and the guard would serve it"
            yield Remnant(bundle.parent, problem, f"run `rm -r {shlex.quote(str(bundle.parent))}`")


def _removal(path: Path, *, is_unit: bool) -> str:
    """The command that removes a file with what `install.sh` noted of it, and brings back what stood there before."""
    file, marker, before = (shlex.quote(f"{path}{ending}") for ending in ("", PLACED, EARLIER))
    commands = [f"systemctl disable --now {shlex.quote(path.name)}"] if is_unit and "@" not in path.name else []
    if path.with_name(path.name + EARLIER).exists():
        commands.append(f"mv {before} {file}")
        commands.append(f"rm -f {marker}")
    else:
        commands.append(f"rm -f {file} {marker}")
    return "; ".join([*commands, *(["systemctl daemon-reload"] if is_unit else [])])
