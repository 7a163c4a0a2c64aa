"""The private workspace in which the engine runs, so that it rewrites none of the user's files.

Pulumi rewrites stack files (blank lines, alignment, dates), moves the user's selected stack and adds a new encryption
salt wherever it finds none. So the engine gets a copy of Pulumi.yaml and the stack file in a folder of its own; all that
comes back is the salt, appended to the user's file once. The backend, project and stack names are the same, so the plain
`pulumi` CLI in the user's folder sees exactly the state that is written here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.budget import CallBudget
from engine.folder_url import folder_url
from engine.progress import Progress, SilentProgress
from engine.salts import SALT_KEYS, keep_salt, keep_sandbox_salt, secrets_provider
from model.cross_checks import GUARD_KEY, TUNNEL_SECRET
from model.errors import EngineFailed, SecretsLocked, StateMissing
from model.files import put_in_place
from model.loader import read, read_text
from model.logpush import LOGPUSH_KEYS
from model.private_folder import make_private, refuse_shared
from model.project import SECRET_KEYS, Project
from model.scratch import scratch_folder

if TYPE_CHECKING:
    from pulumi.automation import Stack

#: Stands before the backend that Pulumi.yaml names.
BACKEND_VARIABLE = "PULUMI_BACKEND_URL"
#: Where `init` keeps state unless told otherwise, below the project; Git ignores it. The address is relative, so that the
#: committed Pulumi.yaml holds nobody's own path.
DEFAULT_STATE = Path(".ringwall") / "state"
DEFAULT_BACKEND = f"file://./{DEFAULT_STATE}"
#: A checkpoint is written plain or compressed (`PULUMI_DIY_BACKEND_GZIP`).
CHECKPOINT_FORMS = (".json", ".json.gz")


@dataclass(frozen=True)
class Target:
    """The backend that an engine run works on, the project's own or the sandbox's, and where it reports its progress."""

    project: Project
    environment: dict[str, str] = field(default_factory=dict)
    #: Set for the sandbox: another backend, another passphrase, none of the user's encrypted values.
    sandbox_folder: Path | None = None
    #: What the sandbox's providers hold, by the engine's name of a type; there when `sandbox_folder` is.
    sandbox_objects: Callable[[str], Sequence[Mapping[str, Any]]] | None = None
    progress: Progress = field(default_factory=SilentProgress, compare=False)
    #: What bounds the calls of Cloudflare's API; None where none are made, as in the sandbox.
    budget: CallBudget | None = field(default=None, compare=False)
    #: Whether the SDK's own traces are shown.
    debug: bool = False

    def __post_init__(self) -> None:
        if (self.sandbox_folder is None) is not (self.sandbox_objects is None):
            raise TypeError("a sandbox has a folder and objects; without its objects the real providers would be asked")

    @property
    def backend(self) -> str | None:
        """The backend to write into the private Pulumi.yaml; None leaves Pulumi's own default."""
        if self.sandbox_folder is not None:
            return folder_url(self.sandbox_folder / "state")
        if url := os.environ.get(BACKEND_VARIABLE):
            return url
        document = read(self.project.root / "Pulumi.yaml")
        value = document.value
        backend = value.get("backend") if isinstance(value, dict) else None
        if not isinstance(backend, dict | None):
            raise document.error(("backend",), "must be a mapping", "write it as backend: {url: …}")
        address = backend.get("url") if backend else None
        if not isinstance(address, str):
            return None
        if address.startswith("file://") and not address.startswith(("file:///", "file://~")):
            # Relative file backends resolve against the current folder (Pulumi); anchor them to the project.
            path, mark, query = address.removeprefix("file://").partition("?")
            return f"{folder_url((self.project.root / path).resolve())}{mark}{query}"
        return address

    @property
    def state_folder(self) -> Path | None:
        """The folder that holds the state, where the backend is one; None for a service."""
        backend = self.backend
        if backend is None or not backend.startswith("file://"):
            return None
        return Path(backend.removeprefix("file://").partition("?")[0]).expanduser()

    def require_state(self) -> None:
        """Refuse a state folder that is not there: an empty one in its place would say that nothing is deployed.

        Raises:
            StateMissing: the project was moved, or is a clone of one whose state is elsewhere.
            InputError: every account of the machine may write to the project's own folder.
        """
        refuse_shared(self.project.root)
        folder = self.state_folder
        if folder is None or folder.is_dir():
            return
        if self.sandbox_folder is not None:
            make_private(folder)
            return
        default_folder = self.project.root / DEFAULT_STATE
        if os.environ.get(BACKEND_VARIABLE):
            remedy = f"{BACKEND_VARIABLE} names it, before backend.url of Pulumi.yaml: unset or correct that variable"
        elif default_folder.is_dir():
            remedy = (
                f"the project was moved and its state is in {default_folder}: set backend.url in Pulumi.yaml to "
                f"{DEFAULT_BACKEND}"
            )
        else:
            remedy = (
                "the project was moved or cloned: bring that folder from where it was, or set backend.url in Pulumi.yaml "
                "to the backend you share; only if nothing of this project was ever deployed, run "
                f"`mkdir -p {shlex.quote(str(folder))}`"
            )
        raise StateMissing(f"the state folder {folder} is not there, so nobody knows what is deployed", remedy=remedy)

    def stacks_folder(self) -> Path | None:
        """Where a state folder keeps the project's stacks; None for another backend, or one laid out as before Pulumi 3.61.

        Raises:
            StateMissing: the folder is not there.
        """
        folder = self.state_folder
        if folder is None:
            return None
        self.require_state()
        if (folder / ".pulumi" / "stacks").is_dir() and not (folder / ".pulumi" / "meta.yaml").is_file():
            return None
        return folder / ".pulumi" / "stacks" / self.project.name

    def holds(self, stack: str) -> bool | None:
        """Whether the state folder has a checkpoint of the stack; None for another backend, which the engine must ask."""
        folder = self.stacks_folder()
        if folder is None:
            return None
        return any((folder / f"{stack}{form}").is_file() for form in CHECKPOINT_FORMS)


@contextmanager
def workspace(
    target: Target,
    stack: str,
    program: Callable[[], None] | None = None,
    *,
    create: bool = False,
    file_needed: bool = True,
    results: bool = True,
) -> Iterator[Stack]:
    """An Automation API stack in a private workspace.

    Args:
        program: the inline program; None for operations that run none.
        create: make the stack in the backend when it is not there.
        file_needed: refuse a stack that has no file. To take one down or count it the backend's record is enough.
        results: whether the outputs and the history that the Automation API reads after a run are wanted.

    Raises:
        EngineMissing: no usable engine.
        NoSuchStack: the stack is not there, and `create` is false.
        StateMissing: the backend is a folder that is not there.
        SecretsLocked: the passphrase is missing, empty or wrong.
        EngineFailed: the engine refused this, or whatever the block asked the stack to do.
    """
    from pulumi.automation import LocalWorkspace
    from pulumi.automation.errors import CommandError

    from engine.automation import opened_stack
    from engine.command import pulumi_command
    from engine.locate import require

    engine = require()
    target.require_state()
    with scratch_folder() as root:
        _write_project(target, root)
        copy = root / "stacks" / f"Pulumi.{stack}.yaml"
        if file_needed or target.project.stack_file(stack).is_file():
            _copy_stack_file(target, stack, copy)
        elif target.sandbox_folder is not None and (saved := target.sandbox_folder / "salts" / copy.name).is_file():
            shutil.copyfile(saved, copy)
        environment = _environment(target)
        local = LocalWorkspace(
            work_dir=str(root),
            program=program if program is not None else _nothing,
            env_vars=environment,
            pulumi_command=pulumi_command(engine),
            secrets_provider=None if target.sandbox_folder else secrets_provider(copy),
        )
        try:
            yield opened_stack(stack, local, is_held=target.holds(stack), create=create, results=results)
        except CommandError as error:
            raise engine_failure(str(error)) from None
        finally:
            if target.sandbox_folder is None:
                keep_salt(target.project.stack_file(stack), copy)
            else:
                keep_sandbox_salt(target.sandbox_folder, copy)


def list_stacks(target: Target) -> dict[str, int]:
    """Every stack of the project in the backend, with its number of resources: one call, whatever their number.

    Raises:
        EngineMissing: no usable engine.
        EngineFailed: the backend cannot be asked.
    """
    from pulumi.automation import LocalWorkspace
    from pulumi.automation.errors import CommandError

    from engine.command import pulumi_command
    from engine.locate import require

    engine = require()
    target.require_state()
    with scratch_folder() as root:
        _write_project(target, root)
        local = LocalWorkspace(work_dir=str(root), env_vars=_environment(target), pulumi_command=pulumi_command(engine))
        try:
            return {summary.name.rpartition("/")[2]: summary.resource_count or 0 for summary in local.list_stacks()}
        except CommandError as error:
            raise engine_failure(str(error)) from None


def _nothing() -> None:
    """The program of operations that run none."""


def _environment(target: Target) -> dict[str, str]:
    result = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
    result.update(target.environment)
    if target.sandbox_folder is not None:
        result["PULUMI_CONFIG_PASSPHRASE"] = _sandbox_passphrase(target.sandbox_folder)
        return result
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        if os.environ.get(name) == "":
            raise SecretsLocked(f"{name} is empty, which encrypts nothing", remedy="set a passphrase, or unset it")
    return result


def _sandbox_passphrase(folder: Path) -> str:
    file = folder / "passphrase"
    if not file.exists():
        make_private(folder)
        temporary = folder / f"passphrase.{secrets.token_hex(4)}"
        try:
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_urlsafe(32), encoding="utf-8")
            put_in_place(temporary, file)
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
    return file.read_text(encoding="utf-8")


def _write_project(target: Target, root: Path) -> None:
    document = read(target.project.root / "Pulumi.yaml")
    value: dict[str, Any] = dict(document.value) if isinstance(document.value, dict) else {}
    value.pop("main", None)
    value["stackConfigDir"] = "stacks"
    backend = target.backend
    if backend is not None:
        value["backend"] = {"url": backend}
    (root / "stacks").mkdir()
    # JSON, whose strings are quoted: the engine's YAML reader takes a "?" in unquoted text, such as a backend's URL, for a
    # key. Not ASCII alone, as that reader refuses JSON's pairs of escapes for characters beyond U+FFFF.
    (root / "Pulumi.yaml").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def stack_text(project: Project, stack: str) -> str:
    """The text of a stack's file; raises InputError where there is none, or it is no text."""
    file = project.stack_file(stack)
    if not file.is_file():
        raise project.unknown(stack)
    return read_text(file)


def _copy_stack_file(target: Target, stack: str, copy: Path) -> None:
    file, text = target.project.stack_file(stack), stack_text(target.project, stack)
    if target.sandbox_folder is None:
        shutil.copyfile(file, copy)
        return
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.allow_unicode = False  # an escape stays one: the loader refuses an invisible character that stands as itself
    data = yaml.load(text)
    for key in SALT_KEYS:
        data.pop(key, None)
    held = [key for key in (TUNNEL_SECRET, GUARD_KEY, *LOGPUSH_KEYS) if key in data["config"]]
    for key in SECRET_KEYS:
        data["config"].pop(key, None)
    for key in held:
        stand_in = hashlib.sha256(f"{key} {_sandbox_passphrase(target.sandbox_folder)}".encode()).digest()
        secret = base64.b64encode(stand_in).decode()
        data["config"][key] = f"https://logs.example.com/{stand_in.hex()}" if key in LOGPUSH_KEYS else secret
    with copy.open("w", encoding="utf-8") as out:
        yaml.dump(data, out)
        saved = target.sandbox_folder / "salts" / copy.name
        if saved.exists():
            out.write(saved.read_text(encoding="utf-8"))


#: What the engine says of a backend that it did not reach, or whose credentials it lacks; `blob (key …)` is the error of
#: every object store (gocloud.dev, blob).
_UNREACHED = (
    r"unable to open bucket|no such host|connection refused|dial tcp|NoCredentialProviders|get credentials"
    r"|blob \(key [^)]*\) \(code=(?!NotFound)"
)


def engine_failure(output: str) -> EngineFailed:
    """The error that the engine printed before it stopped, as one line."""
    problem = backend_problem(output)
    kind = SecretsLocked if re.search(r"passphrase|secrets manager|decrypt", problem) else EngineFailed
    return kind(problem)


#: The password in a backend's address, which the engine repeats whole.
_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@|(?<=[?&])(password)=[^&\s:]+", re.IGNORECASE)


def _in_one_line(problem: str) -> str:
    text = _PASSWORD.sub(
        lambda m: f"{m[1]}:[secret]@" if m[2] is None else f"{m[2]}=[secret]", " ".join(problem.split())
    )
    return re.sub(r"^\d+ errors? occurred:\s*\* ", "", text).replace(" * ", "; ")


def backend_problem(output: str) -> str:
    """The last ``error:`` that the engine printed, with the remedy where it is known."""
    # Several at once stand below a count, an asterisk before each.
    lines = re.findall(r"error: (.+(?:\n+\s+\* .+)*)", output)
    problem = _in_one_line(lines[-1]) if lines else "the engine stopped without saying why; use --debug"
    overridden = bool(os.environ.get(BACKEND_VARIABLE))
    if "incorrect passphrase" in problem:
        problem += "; the passphrase in PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE is not this stack's"
    elif "passphrase" in problem:
        problem += "; set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
    elif re.search(r"PULUMI_ACCESS_TOKEN|pulumi login", problem):
        place = f"unset {BACKEND_VARIABLE}, which stands before" if overridden else "set"
        problem += f"; {place} backend.url in Pulumi.yaml, or run `pulumi login`"
    # A folder is an object store to the engine, so these come before what is said of stores.
    elif re.search(r"read-only file system|permission denied", problem, re.IGNORECASE):
        problem += "; the state cannot be written: let this user write there, or mount it writable"
    elif re.search(r"no space left|file too large|disk quota", problem, re.IGNORECASE):
        problem += "; the disk is full: make room, then run `ringwall repair STACK` with its name"
    elif re.search(_UNREACHED, problem):
        place = BACKEND_VARIABLE if overridden else "backend.url"
        problem += f"; the backend cannot be reached: check {place}, its credentials and the network"
    elif re.search(r"stack '[^']*' already exists", problem):
        problem += "; another run made it at the same moment: wait until that ends, then run this again"
    elif "failed to load checkpoint: EOF" in problem:
        problem += (
            "; a killed run left a half-written file next to the state: run `ringwall repair STACK` with its name"
        )
    elif re.search(r"unmarshal|invalid character|unexpected end of JSON", problem):
        problem += (
            "; the recorded state cannot be read: run `ringwall repair STACK` with its name, or restore the checkpoint from "
            "the backend's .pulumi/backups"
        )
    return problem
