"""The origin of a server as named by command-line flags, and whether clients can reach it past the rings.

The schema of an origin is `model.server.Origin`; reading the kernel's socket table is in `operations.sockets`.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.errors import InputError
from model.problems import Wrong
from model.server import Origin
from operations.sockets import Exposure, exposure

_FLAGS = {
    "url": "--url",
    "socket": "--socket",
    "path": "--path",
    "command": "--command",
    "environment": "--pass-env",
    "headers": "--header",
}
_HEADER = re.compile(r"([^=]+)=(?:(\w+) )?([A-Za-z_]\w*)", re.ASCII)


def from_flags(
    url: str | None,
    socket: str | None,
    path: str | None,
    command: str | None,
    pass_env: list[str],
    header: list[str] | None = None,
) -> dict[str, Any] | None:
    """Build the manifest's `origin` value from the flags; None when no flag names an origin.

    Raises:
        InputError: two flags name an origin, or the origin is not valid. The error names the flag.
    """
    flags = [
        flag for flag, value in (("--url", url), ("--socket", socket), ("--command", command)) if value is not None
    ]
    if len(flags) > 1:
        raise InputError(f"{' and '.join(flags)} exclude each other", key=flags[1], remedy="give exactly one")
    for flag, extra, needs in (("--path", path, "--socket"), ("--pass-env", pass_env, "--command")):
        if extra and flags != [needs]:
            raise InputError(f"belongs to {needs}", key=flag, remedy=f"give {needs} too, or leave it out")
    if header and flags not in (["--url"], ["--socket"]):
        raise InputError("belongs to --url and --socket", key="--header", remedy="give one of them, or leave it out")
    if not flags:
        return None
    value: dict[str, Any] = {}
    if url is not None:
        value = {"url": url}
    elif socket is not None:
        value = {"socket": str(Path(socket).absolute()), **({"path": path} if path else {})}
    elif command is not None:
        value = {"command": _split(command)}
        if pass_env:
            value["environment"] = {name: {"env": name} for name in pass_env}
    if header:
        value["headers"] = dict(_header(item) for item in header)
    check(value)
    return value


def _header(text: str) -> tuple[str, dict[str, str]]:
    """``X-Api-Key=DESK_KEY`` or ``Authorization=Bearer DESK_KEY``: a header's name, and the variable with its value."""
    match = _HEADER.fullmatch(text)
    if match is None:
        raise InputError(
            "is not NAME=VARIABLE",
            key="--header",
            remedy="write it such as X-Api-Key=DESK_KEY or 'Authorization=Bearer DESK_KEY', where DESK_KEY is a variable",
        )
    name, scheme, variable = match.groups()
    return name, {"env": variable, **({"scheme": scheme} if scheme else {})}


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise InputError(
            f"is not a command line ({error})", key="--command", remedy="quote it as for a shell"
        ) from None


def check(value: dict[str, Any]) -> Origin:
    """Validate an `origin` value by the model; an error names the flag that the value came from."""
    try:
        return Origin.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        flag = _FLAGS.get(str(first["loc"][0]) if first["loc"] else "", "--url")
        wrong = first.get("ctx", {}).get("error")
        remedy = wrong.remedy if isinstance(wrong, Wrong) else None
        raise InputError(
            first["msg"].removeprefix("Value error, "),
            key=flag,
            remedy=remedy or "an origin is on loopback, a Unix socket or a command",
        ) from None


def listener_of(origin: Origin) -> Exposure | None:
    """Look up the origin's listening socket in the kernel's table; None for an origin without a port."""
    return exposure(origin.port) if origin.port is not None else None


def judge(origin: Origin, listener: Exposure | None, *, allow_exposed: bool) -> list[str]:
    """Warn about clients that can reach the origin past the rings.

    Raises:
        InputError: the origin is bound beyond loopback and `allow_exposed` is false.
    """
    if listener is None:
        return _socket_warnings(origin)
    if listener.state == "loopback":
        return []
    if listener.state == "unknown":
        return [f"{origin.url}: {listener}"]
    owner = f" by {listener.command or 'a process'} (pid {listener.pid})" if listener.pid is not None else ""
    problem = (
        f"the server is bound beyond loopback, on {', '.join(listener.addresses)} port {origin.port}{owner}: whoever "
        "reaches this machine calls its tools past every ring"
    )
    if allow_exposed:
        return [f"{origin.url}: {problem}; bind it to 127.0.0.1"]
    raise InputError(
        problem,
        key=origin.url,
        remedy="bind it to 127.0.0.1 (often --host 127.0.0.1) and start it again, or add --allow-exposed",
    )


def _socket_warnings(origin: Origin) -> list[str]:
    if origin.socket is None or not Path(origin.socket).exists():
        return []
    if Path(origin.socket).stat().st_mode & 0o002:
        return [f"{origin.socket}: every user of this machine may connect to this socket; chmod o-w it"]
    return []
