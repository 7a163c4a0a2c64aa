"""What to do about a server that a scan found: first steps in words, then the one command that puts it behind the rings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from operations.scan.report import Server

_SWITCH = "make it speak streamable HTTP: Ringwall's guard speaks that or stdio to a server"


@dataclass(frozen=True)
class Advice:
    """`command` is None where there is nothing to onboard."""

    steps: tuple[str, ...]
    command: str | None


def advise(
    server: Server,
    *,
    environments: Sequence[str] = (),
    taken: frozenset[str] = frozenset(),
    project: str | None = None,
) -> Advice:
    """The way behind the rings. `environments` are those of the project, the first of which the command names; where there
    is none yet, `dev` stands for it.

    `taken` are names of servers that exist already or that other findings of the same scan got. `project` is the folder
    that was named for it, where one was.
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
    where = [] if project is None else ["--project", project]
    if not environments:
        steps.append(f"make an environment first: {shlex.join(['ringwall', 'init', 'dev', *where])}")
    if len(environments) > 1:
        steps.append(f"choose its environment: {', '.join(environments)}")
    words = ["ringwall", "onboard", name_for(server, taken), "--env", environments[0] if environments else "dev"]
    path = server.path if server.transport == "streamable-http" else "/mcp"
    if server.place.socket is not None:
        words += ["--socket", server.place.socket, *(["--path", path] if path != "/mcp" else [])]
    else:
        words += ["--url", f"http://{_loopback(server)}:{server.place.port}{path}"]
    return Advice(tuple(steps), shlex.join([*words, *where]))


def _loopback(server: Server) -> str:
    """Where it is on its own host: as it is bound there, or as the first step binds it."""
    if server.place.beyond_loopback:
        return "127.0.0.1"
    return f"[{server.place.address}]" if ":" in server.place.address else server.place.address


def _host_step(server: Server) -> str:
    if server.place.beyond_loopback:
        return f"on {server.place.address} itself: run `ringwall scan` there, bind the server to 127.0.0.1"
    return "run this on the machine it listens on"


def name_for(server: Server, taken: frozenset[str] = frozenset()) -> str:
    """A server name out of what it calls itself: lower-case letters, digits and -."""
    bare = re.sub(r"[^a-z0-9]+", "-", server.name.lower()).strip("-")
    bare = re.sub(r"^[^a-z]+", "", bare)[:32].strip("-") or "server"
    return bare if bare not in taken else f"{bare}-{server.place.port}"
