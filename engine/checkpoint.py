"""A stack's recorded state in a state folder, as Pulumi's own backend writes it (pkg/backend/diy:
`.pulumi/stacks/PROJECT/STACK.json`, replaced as a whole).

The file is read here without the engine: starting one takes a second for each of an environment's many stacks, and it
demands the passphrase even for values that are not secret. Any other backend is asked through the engine.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from engine.holder import all_ended, on_file
from engine.workspace import CHECKPOINT_FORMS, Target, list_stacks, stack_text, workspace
from model.errors import EngineFailed, NoSuchStack
from model.files import open_file


def recorded(target: Target, stack: str) -> dict[str, Any]:
    """The stack's recorded deployment, its secrets encrypted; empty if the backend knows no such stack.

    Raises:
        EngineFailed: it cannot be read.
        InputError: neither the backend nor the files know the stack.
    """
    try:
        deployment = from_folder(target, stack)
        if deployment is not None:
            return deployment
        with workspace(target, stack, file_needed=False) as selected:
            return dict(selected.export_stack().deployment or {})
    except NoSuchStack:
        return {}


def from_folder(target: Target, stack: str) -> dict[str, Any] | None:
    """The stack's deployment as the state folder records it; None if the backend is no folder and the engine must be asked.

    Raises:
        NoSuchStack: the folder is there and knows no such stack.
        EngineFailed: the checkpoint cannot be read.
        InputError: the folder knows no such stack, and neither do the files.
        StateMissing: the folder is not there.
    """
    folder = target.stacks_folder()
    if folder is None:
        return None
    for name in CHECKPOINT_FORMS:
        file = folder / f"{stack}{name}"
        try:
            return deployment_in(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = error.strerror or type(error).__name__
        except (ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
            problem = f"{type(error).__name__}: it is not what Pulumi writes"
        raise EngineFailed(
            f"{file}: the recorded state cannot be read ({problem})",
            remedy=f"run `ringwall repair {stack}`, which puts back the newest whole copy",
        )
    stack_text(target.project, stack)
    raise NoSuchStack(f"stack {stack} does not exist in the backend", remedy=f"run `ringwall up {stack}` first")


def deployment_in(file: Path) -> dict[str, Any]:
    """The deployment that a checkpoint or a copy of one holds; raises what reading and decoding raise."""
    with open_file(file) as stream:
        data = stream.read()
    checkpoint = json.loads(gzip.decompress(data) if ".json.gz" in file.name else data)["checkpoint"]
    deployment = checkpoint.get("latest") or {}
    if not all(isinstance(resource["type"], str) for resource in deployment.get("resources") or []):
        raise TypeError("a resource has no type")
    return dict(deployment)


def recorded_stacks(target: Target) -> list[str]:
    """The names of the project's stacks in the backend, sorted, whether or not they have a file.

    Raises:
        StateMissing: the backend is a folder that is not there.
        EngineFailed: the backend cannot be asked.
    """
    folder = target.stacks_folder()
    if folder is None:
        return sorted(list_stacks(target))
    return sorted({file.name.removesuffix(form) for form in CHECKPOINT_FORMS for file in folder.glob(f"*{form}")})


def mend_attributes(target: Target, stack: str) -> list[Path]:
    """Remove attribute files that a killed engine left half written, and return their paths.

    A file backend keeps content type and digest in a ``.attrs`` file, written in place before the checkpoint itself is
    exchanged in one step (gocloud.dev/blob/fileblob). Without one the engine takes defaults; an empty one it refuses.
    """
    folder = target.stacks_folder()
    lock_holders = on_file(target.backend, target.project.name, stack) or []
    if folder is None or (lock_holders and not all_ended(lock_holders)):
        return []
    locks = folder.parents[1] / "locks" / "organization" / target.project.name / stack
    removed = []
    for attributes in [*folder.glob(f"{stack}.json*.attrs"), *locks.glob("*.attrs")]:
        try:
            json.loads(attributes.read_text(encoding="utf-8"))
        except ValueError:
            attributes.unlink(missing_ok=True)
            removed.append(attributes)
        except FileNotFoundError:
            continue
    return removed
