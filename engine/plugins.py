"""The provider plugins that the engine needs: which ones, whether they are installed, and fetching them.

They have the versions of the installed SDKs and are fetched before a run, never during one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from engine.locate import Engine, require
from model.errors import EngineFailed, EngineMissing

Progress = Callable[[str], None]

PROVIDERS = ("cloudflare", "kong")
INSTALL_LIMIT = 15 * 60
#: The engine attaches to the providers that it names, `name:port` with commas between, instead of starting plugins
#: (pulumi, sdk/go/common/resource/plugin: GetProviderAttachPort).
ATTACHED = "PULUMI_DEBUG_PROVIDERS"


@dataclass(frozen=True)
class ProviderPlugin:
    """A resource provider plugin by name and version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def required_plugins() -> list[ProviderPlugin]:
    """The plugins that match the installed SDKs."""
    return [ProviderPlugin(name, version(f"pulumi-{name}")) for name in PROVIDERS]


def plugins_missing(engine: Engine) -> list[ProviderPlugin]:
    """The required plugins that this engine does not have yet. Raises `EngineMissing` if it cannot be asked."""
    answer = _run(engine, ["plugin", "ls", "--json"], limit=60)
    if answer.returncode != 0:
        raise EngineMissing(f"`pulumi plugin ls` failed: {_last(answer.stderr)}", remedy=f"check {engine.path}")
    try:
        listed = json.loads(answer.stdout)
        have = {
            ProviderPlugin(item["name"], str(item.get("version", ""))) for item in listed if item["kind"] == "resource"
        }
    except (ValueError, TypeError, KeyError) as error:
        raise EngineMissing(
            "`pulumi plugin ls --json` gave no list of plugins", remedy=f"check {engine.path}"
        ) from error
    return [plugin for plugin in required_plugins() if plugin not in have]


def install_plugins(engine: Engine, progress: Progress) -> list[ProviderPlugin]:
    """Fetch what `plugins_missing` names; returns it. Raises `EngineMissing` for the first that cannot be
    fetched."""
    missing = plugins_missing(engine)
    for plugin in missing:
        progress(f"fetching the {plugin} provider plugin")
        answer = _run(engine, ["plugin", "install", "resource", plugin.name, plugin.version], limit=INSTALL_LIMIT)
        if answer.returncode != 0:
            raise EngineMissing(
                f"the {plugin} provider plugin cannot be fetched: {_last(answer.stderr)}",
                remedy="where get.pulumi.com and "
                "github.com are not reachable, run "
                f"`pulumi plugin install resource {plugin.name} {plugin.version} --file ARCHIVE`, "
                "or rehearse with --sandbox",
            )
    return missing


def _run(engine: Engine, arguments: list[str], *, limit: float) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [str(engine.path), *arguments, "--non-interactive", "--color", "never"]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {int(limit)} seconds")
    except OSError as error:
        raise EngineMissing(
            f"{engine.path} cannot be run ({error.strerror})", remedy="run `ringwall engine install`"
        ) from error


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ")[:300] if lines else "no output"


def require_plugins() -> None:
    """Refuse to run without the providers' plugins, as nothing is fetched in mid-run.

    Raises:
        EngineMissing: the engine or a plugin is not installed.
    """
    missing = plugins_missing(require())
    if missing:
        names = ", ".join(str(plugin) for plugin in missing)
        raise EngineMissing(
            f"provider plugins are missing: {names}",
            remedy="run `ringwall engine install --plugins`, or rehearse with --sandbox",
        )


def refuse_unattached(environment: Mapping[str, str]) -> None:
    """Refuse a run whose attached providers do not listen: the engine would wait for each, and then leave a trace.

    Raises:
        EngineFailed: the variable cannot be read, or nothing listens on a port that it names.
    """
    for entry in filter(None, environment.get(ATTACHED, "").split(",")):
        name, _, port = entry.partition(":")
        try:
            socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
        except ValueError:
            raise EngineFailed(f"{entry} names no provider and port", key=ATTACHED, remedy="write name:port") from None
        except OSError as error:
            raise EngineFailed(
                f"no {name} provider answers on 127.0.0.1:{port} ({error.strerror or error}), so nothing was begun",
                key=ATTACHED,
                remedy="start it, or unset the variable and use the installed plugins",
            ) from None
