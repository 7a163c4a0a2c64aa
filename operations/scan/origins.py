"""The origins that a project's stack files name, so that a scan recognises a server that is already behind the rings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from model.errors import InputError
from model.project import Project, find_project, load_environment
from operations.scan.report import ScanTarget


@dataclass(frozen=True)
class Known:
    """Origins, server names and environments of the project's files; all empty without a project.

    `origins` maps port and path to a stack, `sockets` the path of a Unix socket to a stack.
    """

    origins: dict[tuple[int, str], str]
    sockets: dict[str, str]
    names: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def stack_of(self, place: ScanTarget, path: str) -> str | None:
        """The stack whose origin stands at this place; None for a named host, as origins are on loopback."""
        if place.socket is not None:
            return self.sockets.get(place.socket)
        return self.origins.get((place.port, path)) if place.named is None else None


def read(folder: Path | None) -> Known:
    """Read the project in `folder`, or the one around the current folder if there is one.

    An environment that cannot be read becomes a warning, and its servers count as unknown.
    """
    try:
        project = find_project(folder or Path.cwd())
    except InputError:
        if folder is not None:
            raise
        return Known({}, {})
    return _read(project)


def _read(project: Project) -> Known:
    origins: dict[tuple[int, str], str] = {}
    sockets: dict[str, str] = {}
    names: list[str] = []
    warnings: list[str] = []
    environments = project.environments()
    for name in environments:
        names += project.members_of(name)
        try:
            servers = load_environment(project, name).servers.values()
        except InputError as error:
            first = str(error).split("\n")[0]
            warnings.append(f"the servers of {name} are not recognised, as its files are not good: {first}")
            continue
        for server in servers:
            origin = server.manifest.origin
            if origin.url is not None and origin.port is not None:
                origins[(origin.port, urlsplit(origin.url).path or "/")] = server.stack
            elif origin.socket is not None:
                sockets[origin.socket] = server.stack
    return Known(origins, sockets, tuple(names), tuple(environments), tuple(warnings))
