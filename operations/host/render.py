"""Renders the files of every host of an environment, and compares written ones with them."""

from __future__ import annotations

import errno
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.files import read_bytes, write_atomically
from model.host_bundle import HostBundle
from operations.gateway_file import GatewayFile
from operations.host.compose import compose_files, compose_images
from operations.host.containers import needed_images
from operations.host.host_file import LIST, HostFile, with_list
from operations.host.images import Images, refuse_unfit
from operations.host.instructions import systemd_readme
from operations.host.kubernetes import kubernetes_files
from operations.host.machine import Machine
from operations.host.needs import lacking, needs_of
from operations.host.placing import install_script
from operations.host.remnants import UNIT_FOLDERS, remnants
from operations.host.systemd import systemd_files


class Layout(StrEnum):
    """What runs the processes of a host."""

    systemd = "systemd"
    compose = "compose"
    kubernetes = "kubernetes"


#: The drop-ins of every unit of a kind (systemd.unit(5)).
_FOR_ALL = ("service.d", "socket.d")


@dataclass(frozen=True)
class FileDifference:
    """A file that is not what the stack's host has, and the command that mends it, where one does."""

    file: Path
    problem: str
    remedy: str | None = None


def render(
    bundles: Sequence[HostBundle],
    layout: Layout,
    images: Mapping[str, str],
    declared: Mapping[str, GatewayFile] | None = None,
) -> dict[str, tuple[HostFile, ...]]:
    """The files of each host, by its name.

    Args:
        declared: the configuration of each host's gateway node, where the nodes have no control plane.
    """
    hosts: dict[str, list[HostBundle]] = {}
    for bundle in bundles:
        hosts.setdefault(bundle.host, []).append(bundle)
    machines = [Machine.of(members, declared[name] if declared else None) for name, members in sorted(hosts.items())]
    needed = {machine.name: _images(machine, layout) for machine in machines}
    if layout is not Layout.systemd:
        # One command renders every host of an environment, and each has servers of its own.
        refuse_unfit(images, dict.fromkeys(name for names in needed.values() for name in names))
    elif images:
        raise InputError("is for containers", key="--image", remedy="leave it out, or give --format")
    return {
        machine.name: _files(machine, layout, {name: images[name] for name in needed[machine.name]})
        for machine in machines
    }


def _images(machine: Machine, layout: Layout) -> list[str]:
    """The names of the images that the host needs."""
    match layout:
        case Layout.systemd:
            return []
        case Layout.compose:
            return compose_images(machine)
        case Layout.kubernetes:
            return needed_images(machine)


def _files(machine: Machine, layout: Layout, images: Mapping[str, str]) -> tuple[HostFile, ...]:
    match layout:
        case Layout.systemd:
            placed = systemd_files(machine)
            script = install_script(machine.name, sorted(placed, key=lambda file: file.path))
            files = [*placed, script, HostFile("README.md", systemd_readme(machine))]
        case Layout.compose:
            files = compose_files(machine, Images(images))
        case Layout.kubernetes:
            files = kubernetes_files(machine, Images(images))
    return with_list(
        files,
        environment=machine.environment,
        host=machine.name,
        layout=layout,
        images=images,
        db_less=machine.declared is not None,
    )


# -- written ones -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WrittenHost:
    """A folder that `render` wrote, by its list."""

    folder: Path
    environment: str
    host: str
    layout: Layout
    images: Mapping[str, str]
    files: tuple[str, ...]
    #: Whether its gateway node reads a file in place of asking a control plane.
    db_less: bool


def read_hosts(folder: Path) -> list[WrittenHost]:
    """The hosts in a folder, or the one that it is.

    Raises:
        InputError: it holds none, or a list of files is not one of `render`.
    """
    lists = [folder / LIST] if (folder / LIST).is_file() else sorted(folder.glob(f"*/{LIST}"))
    if not lists:
        raise InputError(
            f"holds no host's files: there is no {LIST}",
            file=folder,
            remedy="name the folder that `ringwall host render` wrote",
        )
    return [_read(path) for path in lists]


def _read(path: Path) -> WrittenHost:
    try:
        document: dict[str, Any] = json.loads(read_bytes(path))
        return WrittenHost(
            path.parent,
            str(document["environment"]),
            str(document["host"]),
            Layout(document["format"]),
            {str(name): str(image) for name, image in document["images"].items()},
            tuple(document["files"]),
            document.get("db_less") is True,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"is no list of a host's files ({type(error).__name__}: {error})"
        raise InputError(problem, file=path, remedy="render the host again") from None


def differences_of(
    written: WrittenHost, bundles: Sequence[HostBundle], declared: GatewayFile | None, placed: Path | None
) -> list[FileDifference]:
    """What differs of a host's files from what its stacks say.

    Args:
        placed: the root where install.sh placed them, to be compared too.
    """
    machine = Machine.of(bundles, declared)
    if stale := _other_containers(written, machine):
        return stale
    expected = _files(machine, written.layout, written.images)
    return compare(written, expected) + (compare_placed(machine, expected, placed) if placed is not None else [])


def _other_containers(written: WrittenHost, machine: Machine) -> list[FileDifference]:
    """Why the files are of other containers than the host has now, so that there is nothing to compare them with."""
    needed = _images(machine, written.layout)
    lacking = [name for name in needed if name not in written.images]
    surplus = [name for name in written.images if name not in needed]
    problems = [f"names no image of {', '.join(lacking)}"] if lacking else []
    problems += [f"names an image of {', '.join(surplus)}, which the host has no more"] if surplus else []
    if not problems:
        return []
    words = [word for name in needed for word in ("--image", f"{name}={written.images.get(name, 'IMAGE')}")]
    containers = " ".join([*words, *(["--db-less"] if written.db_less else [])])
    # A server's name renders its host alone.
    stack, folder = machine.members[0].stack, shlex.quote(str(written.folder.parent))
    remedy = f"run `ringwall host render {stack} -o {folder} --format {written.layout} {containers}`"
    return [FileDifference(written.folder / LIST, " and ".join(problems), remedy)]


def compare(written: WrittenHost, expected: Sequence[HostFile]) -> list[FileDifference]:
    """What differs, file by file: lacking, other content, other permissions, files of an earlier rendering, unknown ids."""
    differences = []
    for file in expected:
        path = written.folder / file.path
        problem = _problem(path, file)
        if problem is not None:
            differences.append(FileDifference(path, problem))
    names = {file.path for file in expected}
    for path in sorted(written.folder.rglob("*")):
        name = path.relative_to(written.folder).as_posix()
        if name not in names and (path.is_symlink() or not path.is_dir()):
            differences.append(FileDifference(path, "is no file of this host"))
    return differences


def _problem(path: Path, file: HostFile) -> str | None:
    if path.is_symlink():
        return "is a link"
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if file.unknown_ids:
        return f"lacks {', '.join(file.unknown_ids)}, which only a deployment knows"
    if content != file.content.encode():
        return f"has other content than the stack's: {_first_difference(content, file.content)}"
    if path.stat().st_mode & 0o777 != file.mode:
        return f"has mode {path.stat().st_mode & 0o777:04o}, not {file.mode:04o}"
    return None


def _first_difference(content: bytes, expected: str) -> str:
    """The first line that is not the stack's. What stands there instead is not shown: it may be a secret."""
    lines, required = content.decode(errors="replace").split("\n"), expected.split("\n")
    for number, (line, right) in enumerate(zip(lines, required, strict=False), 1):
        if line != right:
            return f"line {number} is to be {right!r}" if right else f"line {number} is to be empty"
    return (
        f"it ends before line {len(lines) + 1}"
        if len(lines) < len(required)
        else f"it goes on after line {len(required)}"
    )


def compare_placed(machine: Machine, expected: Sequence[HostFile], root: Path) -> list[FileDifference]:
    """What differs below `root` from a systemd host's files, what is not its own any more, and what is not provided."""
    placed = [(root / file.path.removeprefix("root/"), file) for file in expected if file.path.startswith("root/")]
    differences = [
        FileDifference(path, problem) for path, file in placed if (problem := _problem(path, file)) is not None
    ]
    for drop_ins in sorted(path for folder in UNIT_FOLDERS for path in (root / folder).glob("*.d")):
        if drop_ins.name in _FOR_ALL or drop_ins.name.startswith("ringwall-"):
            differences += [FileDifference(file, "changes a unit") for file in sorted(drop_ins.glob("*.conf"))]
    for item in remnants(machine, [path for path, _ in placed], root):
        differences.append(FileDifference(item.path, item.problem, item.remedy))
    for need in needs_of(machine):
        path = root / need.path.lstrip("/")
        problem = lacking(need, path)
        if problem is not None:
            differences.append(FileDifference(path, problem))
    return differences


def write(folder: Path, files: Sequence[HostFile]) -> list[Path]:
    """Write a host's files, each whole or not at all, and take away those of an earlier rendering; gives the paths of these.

    Raises:
        InputError: the folder holds something that no rendering wrote; nothing was written.
    """
    earlier = set(_read(folder / LIST).files) if (folder / LIST).is_file() else set()
    names = {file.path for file in files}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in names | earlier:
            raise InputError("is not of a host's files", file=path, remedy="move it away, or name another folder")
        if path.is_symlink():
            raise InputError("is a link", file=path, remedy="remove it")
    obsolete = [folder / name for name in sorted(earlier - names) if (folder / name).is_file()]
    try:
        for file in files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, file.content.encode(), file.mode)
    except OSError as error:
        remedy = "name a folder that you may write to" if error.errno != errno.ENOSPC else "make room, and render again"
        raise InputError(
            f"cannot be written ({error.strerror})", file=error.filename or folder, remedy=remedy
        ) from None
    for path in obsolete:
        path.unlink()
    return obsolete
