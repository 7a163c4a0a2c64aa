"""Advice for a server that a scan found: steps in words, then the one command that puts it behind the rings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from operations.scan.report import ScannedServer

#: Whoever pastes the command names themselves: as it stands it is no address, so it admits nobody by mistake.
YOURSELF = "YOU@..."
_SWITCH = "make it speak streamable HTTP: Ringwall's guard speaks that or stdio to a server"


@dataclass(frozen=True)
class Advice:
    """The steps to take, and the `ringwall onboard` command after them; None where there is nothing to onboard."""

    steps: tuple[str, ...]
    command: str | None


def advise(
    server: ScannedServer,
    *,
    environments: Sequence[str] = (),
    used_names: frozenset[str] = frozenset(),
    project: str | None = None,
) -> Advice:
    """Say how to put a server behind the rings.

    Args:
        environments: those of the project; the command names the first, or `dev` where there is none yet.
        used_names: names of servers that exist already, or that were given to other servers of the same scan.
        project: the folder that the user gave as `--project`, None where none was given.
    """
    if server.onboarded is not None and server.state == "behind rings":
        return Advice((), None)
    steps = [_host_step(server)] if server.place.named and server.place.socket is None else []
    if server.guard and not server.place.beyond_loopback:
        return Advice((), None)
    if server.guard:
        return Advice((*steps, "let this guard listen on 127.0.0.1, or by mutual TLS as topology central does"), None)
    if server.place.beyond_loopback and not server.place.named:
        steps.append("bind it to 127.0.0.1 (often --host 127.0.0.1) and start it again")
    if server.onboarded is not None:
        return Advice((*steps, f"it is the origin of {server.onboarded} already"), None)
    if server.transport != "streamable-http":
        steps.append(_SWITCH)
    if server.scheme == "https":
        steps.append("let it serve plain HTTP on loopback: the rings bring their own TLS")
    if server.demands:
        steps.append("switch its own authentication off once it is on loopback: the rings verify who calls")
    project_option = [] if project is None else ["--project", project]
    if not environments:
        steps.append(f"make an environment first: {shlex.join(['ringwall', 'init', 'dev', *project_option])}")
    if len(environments) > 1:
        steps.append(f"choose its environment: {', '.join(environments)}")
    words = ["ringwall", "onboard", name_for(server, used_names), "--env", environments[0] if environments else "dev"]
    path = server.path if server.transport == "streamable-http" else "/mcp"
    if server.place.socket is not None:
        words += ["--socket", server.place.socket, *(["--path", path] if path != "/mcp" else [])]
    else:
        words += ["--url", f"http://{_loopback(server)}:{server.place.port}{path}"]
    return Advice(tuple(steps), shlex.join([*words, "--people", YOURSELF, *project_option]))


def _loopback(server: ScannedServer) -> str:
    """The server's address on its own host: the one it is bound to, or the one that the first step binds it to."""
    if server.place.beyond_loopback:
        return "127.0.0.1"
    return f"[{server.place.address}]" if ":" in server.place.address else server.place.address


def _host_step(server: ScannedServer) -> str:
    if server.place.beyond_loopback:
        return f"on {server.place.address} itself: run `ringwall scan` there, bind the server to 127.0.0.1"
    return "run this on the machine it listens on"


def name_for(server: ScannedServer, used_names: frozenset[str] = frozenset()) -> str:
    """Make a server name of lower-case letters, digits and - from the name that the server gives itself."""
    slug = re.sub(r"[^a-z0-9]+", "-", server.name.lower()).strip("-")
    slug = re.sub(r"^[^a-z]+", "", slug)[:32].strip("-") or "server"
    return slug if slug not in used_names else f"{slug}-{server.place.port}"
