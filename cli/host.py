"""`ringwall host`: writes what the hosts of an environment run, and compares written files with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from cli import console, invocation
from cli.declared_gateway import declared_gateway
from cli.project import current_project
from cli.target import target_of
from engine.state import outputs
from engine.workspace import Target
from model.errors import InputError, NoSuchStack
from model.host_bundle import HostBundle
from model.project import Project, load, load_environment
from model.stacks import PerimeterStack, Stack
from model.text import counted
from operations.gateway_file import GatewayFile
from operations.host.render import FileDifference, Layout, WrittenHost, differences_of, read_hosts, write
from operations.host.render import render as rendered
from operations.host.sources import deployed_bundles, planned_bundles


def render(
    stack: str, out: Path, *, layout: str, images: list[str], db_less: bool, offline: bool, sandbox: bool
) -> None:
    """What `ringwall host render` does; its flags and help are in `cli.flags.host`."""
    named = _images(images)
    bundles = _bundles(stack, offline=offline, sandbox=sandbox)
    declared = _declared(bundles, offline=offline, sandbox=sandbox) if db_less else None
    hosts = rendered(bundles, Layout(layout), named, declared)
    written = []
    for name, files in hosts.items():
        removed = write(out / name, files)
        unknown = sorted({known for file in files for known in file.unknown_ids})
        written.append({"host": name, "folder": str(out / name), "files": len(files), "unknown": unknown})
        console.say(f"wrote {counted(len(files), 'file')} to {out / name}")
        for path in removed:
            console.say(f"removed {path}, which this host has no more")
        for known in unknown:
            console.note(
                f"warning: {name}: {known} is known once the stack is deployed; `host check` refuses it till then"
            )
    if invocation.current().json:
        console.print_json({"version": 1, "stack": stack, "format": layout, "hosts": written})


def check(folder: Path, *, placed: Path | None, offline: bool, sandbox: bool) -> None:
    """What `ringwall host check` does; its flags and help are in `cli.flags.host`."""
    written = read_hosts(folder)
    if placed is not None:
        _refuse_root(placed, written)
    differences: list[FileDifference] = []
    for host in written:
        bundles = _bundles(host.environment, offline=offline, sandbox=sandbox, machine=host.host)
        declared = _declared(bundles, offline=offline, sandbox=sandbox) if host.db_less else None
        differences += differences_of(host, bundles, declared[host.host] if declared else None, placed)
    if invocation.current().json:
        rows = [{"file": str(item.file), "problem": item.problem, "remedy": item.remedy} for item in differences]
        console.print_json({"version": 1, "hosts": [host.host for host in written], "differences": rows})
    for item in differences:
        console.say(f"{item.file} {item.problem}" + (f"; {item.remedy}" if item.remedy else ""))
    names = ", ".join(host.host for host in written)
    summary = counted(len(differences), "difference") if differences else "the files are those of the stack"
    console.say(f"{names}: {summary}")
    if differences:
        raise typer.Exit(3)


def _refuse_root(placed: Path, written: Sequence[WrittenHost]) -> None:
    """Refuse a root that is no folder, or that cannot be the one host's."""
    if not placed.is_dir():
        raise InputError(
            "is no folder", key="--placed", remedy="name the root where install.sh placed the files, such as /"
        )
    if len(written) > 1 or written[0].layout is not Layout.systemd:
        remedy = "name the folder of one host, rendered with --format systemd"
        raise InputError("is for one host with systemd units", key="--placed", remedy=remedy)


def _bundles(stack: str, *, offline: bool, sandbox: bool, machine: str | None = None) -> list[HostBundle]:
    """The bundles of every host of an environment, of one `machine` of it, or of all servers on the host of one."""
    project = current_project()
    loaded = load(project, stack)
    members = _members(loaded, machine)
    if not members:
        place = f"host {machine}" if machine else "a host"
        raise InputError(f"nothing of {stack} runs on {place}", remedy="name an environment or a server that has one")
    if offline:
        with console.working(f"planning {stack}"):
            return planned_bundles(project, members)
    with target_of(project, sandbox=sandbox, plugins=False) as target, console.working("reading what is deployed"):
        return deployed_bundles(members, lambda name: _exported(project, name, target))


def _declared(bundles: Sequence[HostBundle], *, offline: bool, sandbox: bool) -> dict[str, GatewayFile]:
    """What the gateway node of each host reads: the environment's objects, and those of this host's servers alone."""
    project = current_project()
    environment = load_environment(project, bundles[0].environment)
    files = {}
    for name in sorted({bundle.host for bundle in bundles}):
        members = [environment, *(member for member in environment.perimeters if member.manifest.host == name)]
        kong = f"Kong {environment.settings.gateway.version}"
        remark = f"What {kong} on {name} reads, made by `ringwall host render`. No secret is in it."
        files[name], keys = declared_gateway(
            project, members, offline=offline, sandbox=sandbox, db_less=True, remark=remark
        )
        if not keys and (offline or sandbox):
            console.note(
                f"warning: {name}: the issuers' signing keys are not in kong.yml, so a gateway with it lets nobody in"
            )
    return files


def _exported(project: Project, stack: str, target: Target) -> Mapping[str, Any]:
    try:
        return outputs(project, stack, target=target)
    except NoSuchStack:
        return {}


def _members(loaded: Stack, machine: str | None) -> list[PerimeterStack]:
    if loaded.environment is None:
        return []
    if loaded is not loaded.environment:
        machine = loaded.perimeters[0].manifest.host
    return [member for member in loaded.environment.perimeters if machine in (None, member.manifest.host)]


def _images(options: list[str]) -> dict[str, str]:
    images: dict[str, str] = {}
    for option in options:
        name, separator, image = option.partition("=")
        if not separator or not name or not image or any(character.isspace() for character in option):
            raise InputError(
                f"{option} is not NAME=IMAGE", key="--image", remedy="write one such as kong=kong/kong:3.9.3"
            )
        if images.setdefault(name, image) != image:
            raise InputError(f"names two images for {name}", key="--image", remedy="leave one out")
    return images
