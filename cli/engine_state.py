"""Questions about what is deployed, answered from the backend without running a program.

A state folder is read as Pulumi's own backend writes it (pkg/backend/diy: `.pulumi/stacks/PROJECT/STACK.json`, replaced as
a whole), so what is not secret is known without an engine process and without the passphrase. Any other backend is asked
through the engine.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from cli.workspace import Target, list_stacks, stack_text, workspace
from model.errors import EngineFailed, NoSuchStack
from model.project import Project

#: How the engine marks a secret in a checkpoint (pulumi/sdk: resource.SigKey, resource.SecretSig).
_MARK, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
HIDDEN = "[secret]"


def outputs(project: Project, stack: str, show_secrets: bool = False, target: Target | None = None) -> dict[str, Any]:
    """A stack's outputs; secret ones are the text ``[secret]`` unless `show_secrets`.

    Raises:
        NoSuchStack: the stack does not exist in the backend.
    """
    target = target or Target(project)
    if not show_secrets:
        found = _checkpoint(target, stack)
        if found is not None:
            exported = next((one.get("outputs") for one in found if one["type"] == "pulumi:pulumi:Stack"), None) or {}
            return {name: _without_secrets(value) for name, value in sorted(exported.items())}
    with workspace(target, stack) as selected:
        answered = selected.outputs()
    return {
        name: output.value if show_secrets or not output.secret else HIDDEN for name, output in sorted(answered.items())
    }


def live_resources(project: Project, stack: str, target: Target | None = None) -> int | None:
    """How many resources the stack has in the backend; None when the backend knows no such stack.

    Providers and the stack itself do not count.
    """
    target = target or Target(project)
    try:
        resources = _checkpoint(target, stack)
        if resources is None:
            with workspace(target, stack) as selected:
                resources = (selected.export_stack().deployment or {}).get("resources") or []
    except NoSuchStack:
        return None
    return _count(resources)


def all_live_resources(target: Target, stacks: list[str]) -> dict[str, int | None]:
    """The same for many stacks at once: no engine process for a state folder, one for any other backend, whose list
    counts providers and the stack itself, too."""
    if _stacks_folder(target) is not None:
        return {stack: live_resources(target.project, stack, target) for stack in stacks}
    listed = list_stacks(target)
    return {stack: listed.get(stack) for stack in stacks}


def _count(resources: list[dict[str, Any]]) -> int:
    return sum(1 for resource in resources if not resource["type"].startswith("pulumi:"))


def _stacks_folder(target: Target) -> Path | None:
    """Where a state folder keeps the project's stacks; None for another backend, or one laid out as before Pulumi 3.61."""
    folder = target.state_folder
    if folder is None:
        return None
    target.require_state()
    if (folder / ".pulumi" / "stacks").is_dir() and not (folder / ".pulumi" / "meta.yaml").is_file():
        return None
    return folder / ".pulumi" / "stacks" / target.project.name


def _checkpoint(target: Target, stack: str) -> list[dict[str, Any]] | None:
    """The stack's resources as the state folder has them; None where there is no folder to read.

    Raises:
        NoSuchStack: the folder is there and knows no such stack.
        EngineFailed: the checkpoint cannot be read.
        InputError: the stack has no file.
    """
    folder = _stacks_folder(target)
    if folder is None:
        return None
    stack_text(target.project, stack)
    for name, read in ((f"{stack}.json", Path.read_bytes), (f"{stack}.json.gz", _unzipped)):
        file = folder / name
        try:
            latest = json.loads(read(file))["checkpoint"].get("latest") or {}
            resources = latest.get("resources") or []
            if all(isinstance(one["type"], str) for one in resources):
                return list(resources)
            problem = "a resource has no type"
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = error.strerror or type(error).__name__
        except (ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
            problem = f"{type(error).__name__}: it is not what Pulumi writes"
        backups = folder.parent.parent / "backups" / target.project.name / stack
        raise EngineFailed(f"{file}: the recorded state cannot be read ({problem}); restore it from {backups}")
    raise NoSuchStack(f"stack {stack} does not exist in the backend; run `ringwall up {stack}` first")


def _unzipped(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_MARK) == _SECRET:
            return HIDDEN
        return {key: _without_secrets(item) for key, item in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value
