"""What `ringwall init` writes: its questions, the checks of its flags, and the changes that make a project and environment.

Nothing is written here but the schema cache and the project's virtual environment; the text of the files is in
`templates`.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from engine.folder_url import REMEDY, unfit_character
from engine.workspace import DEFAULT_BACKEND
from model.base import CloudflareId, Country, Domain, HttpsUrl, Name
from model.countries import country_remedy
from model.errors import InputError, NoProject, RingwallError
from model.files import read_bytes
from model.loader import read
from model.loopback import is_loopback
from model.private_folder import make_private
from model.project import Project, find_project, open_project
from operations.project.staging import load_staged
from operations.project.templates import (
    FORMER_PROGRAM_IMPORT,
    IGNORED,
    PROGRAM,
    PROGRAM_IMPORT,
    SCHEMA_FILE,
    EnvironmentAnswers,
    environment_file,
    pulumi_yaml,
)
from operations.project.write import FileChange

BACKENDS = ("s3", "gs", "azblob", "https", "postgres")
SECRETS_PROVIDERS = ("awskms", "azurekeyvault", "gcpkms", "hashivault")


@dataclass(frozen=True)
class Question:
    """One value that `init` needs: its flag, the question, the model's own type for it, and where the user finds it."""

    flag: str
    text: str
    type: Any
    remedy: str
    #: What to write for a wrong value, where the value itself says it.
    correct: Callable[[str], str] | None = None

    def remedy_of(self, value: str | None) -> str:
        """What to do about a missing or wrong value."""
        return self.correct(value) if self.correct is not None and value else self.remedy

    def wrong(self, value: str) -> str | None:
        """The model's complaint about `value`; None when it is valid."""
        try:
            TypeAdapter(self.type).validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            if first["type"] == "string_pattern_mismatch":
                return f"{value or 'nothing'} does not fit"
            return f"{value}: {first['msg'].removeprefix('Value error, ')}"
        return None

    def advice(self, value: str) -> str | None:
        """The same in one line for a person who is asked: the problem and what to do."""
        problem = self.wrong(value)
        return f"{problem}; {self.remedy_of(value)}" if problem else None


_LABEL = "lower-case letters, digits and -, starting with a letter"
ENVIRONMENT = Question("ENV", "Environment", Name, f"use {_LABEL}, such as dev")
ACCOUNT_ID = Question(
    "--account-id",
    "Cloudflare account id",
    CloudflareId,
    "32 hexadecimal digits; the dashboard's Account home shows it",
)
ZONE = Question("--zone", "Zone of the host names", Domain, "give the domain at Cloudflare, such as example.com")
ZONE_ID = Question(
    "--zone-id", "Cloudflare zone id", CloudflareId, "32 hexadecimal digits; the zone's Overview page shows it"
)
TEAM = Question("--team", "Zero Trust team name", Name, "the <team> of <team>.cloudflareaccess.com")
COUNTRY = Question(
    "--country",
    "Country people come from, such as SE",
    Country,
    "give an ISO 3166-1 code such as SE; repeat it for more",
    country_remedy,
)
HOST = Question("--host", "Name of the origin host", Name, f"use {_LABEL}, such as dev-1")
KONG_ADMIN = Question(
    "--kong-admin",
    "Kong Admin API",
    HttpsUrl,
    "give its URL: https, or http on loopback; in production not on an origin host",
)
AGENT = Question("--agent", "Agent", Name, f"use {_LABEL}, such as ci")


@dataclass(frozen=True)
class ProjectPlan:
    """The changes that `init` will make, and the local folder of its state, if any."""

    project: Project
    changes: tuple[FileChange, ...]
    state_folder: Path | None


def root_of(folder: Path) -> Path:
    """The project `folder` is in, or `folder` itself when it is in none."""
    try:
        return find_project(folder).root
    except NoProject:
        if (folder / "Pulumi.yaml").exists():
            raise
        return folder.absolute()


def check_environment_name(name: str) -> None:
    """Raise `InputError` unless an environment can have the name."""
    problem = ENVIRONMENT.wrong(name)
    if problem or name == "zone":
        raise InputError(problem or "zone is the prefix of zone stacks", key="ENV", remedy=ENVIRONMENT.remedy)


def check_topology(topology: str, production: bool, admin_uri: str | None) -> None:
    """Refuse what the model would refuse too, but with the name of the flag; raises `InputError`."""
    if topology == "central":
        raise InputError(
            "central needs names and certificates that init does not ask for",
            key="--topology",
            remedy="make it hybrid, then write topology, hosts.*.guard_address and gateway.mutual_tls in the file",
        )
    if production and topology == "colocated":
        raise InputError(
            "a shell injected on a production host could rewrite the gateway beside it",
            key="--topology",
            remedy="use hybrid",
        )
    if production and admin_uri and is_loopback(urlsplit(admin_uri).hostname or ""):
        raise InputError(
            "in production the Admin API lives off the origin hosts", key=KONG_ADMIN.flag, remedy="give its https URL"
        )


def plan(
    root: Path,
    answers: EnvironmentAnswers,
    *,
    name: str | None = None,
    backend: str | None = None,
) -> ProjectPlan:
    """The files of a new environment, and of a new project around it where there is none; checked as the model reads them.

    Raises:
        InputError: something is there already, or the result would not be a good project; nothing is written.
    """
    changes: list[FileChange] = []
    state_folder = None
    texts: dict[Path, str] = {}
    if (root / "Pulumi.yaml").exists():
        for flag, value in (("--name", name), ("--backend", backend)):
            if value is not None:
                raise InputError(
                    "the project is there already", file=root / "Pulumi.yaml", key=flag, remedy="edit that file"
                )
        project = open_project(root)
        _refuse_other_program(project)
    else:
        project = Project(root, name or "ringwall", root / "stacks")
        url, state_folder = portable_backend(backend, root)
        texts[root / "Pulumi.yaml"] = pulumi_yaml(_project_name(project.name), url)
        program = project.stack_dir / "__main__.py"
        if not (program.exists() and program.read_text(encoding="utf-8") == PROGRAM):
            texts[program] = PROGRAM
    file = project.stack_file(answers.name)
    if file.exists() or file.with_suffix(".yml").exists():
        raise InputError("the environment is there already", file=file, remedy="edit it, or choose another name")
    texts[file] = environment_file(answers)
    for path, text in texts.items():
        if path.exists():
            raise InputError("is there already and would be overwritten", file=path, remedy="move it away")
        changes.append(FileChange.new(path, text))
    changes += _ignore(root)
    load_staged(project, answers.name, texts)
    return ProjectPlan(project, tuple(changes), state_folder)


def _project_name(name: str) -> str:
    """Pulumi: letters, digits, hyphen, underscore and period, at most 100 of them."""
    if not name or len(name) > 100 or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        raise InputError(f"{name} is no Pulumi project name", key="--name", remedy="use letters, digits, - _ and .")
    return name


def _refuse_other_program(project: Project) -> None:
    """Refuse a folder whose Pulumi program is not Ringwall's: its stack files would never be deployed."""
    document = read(project.root / "Pulumi.yaml")
    main = document.value.get("main", ".") if isinstance(document.value, dict) else "."
    program = project.root / str(main) / "__main__.py"
    text = program.read_text(encoding="utf-8") if program.is_file() else ""
    if PROGRAM_IMPORT not in text and FORMER_PROGRAM_IMPORT not in text:
        raise document.error(
            ("main",), "is the project of another Pulumi program", "name an empty folder with --project"
        )


def make_virtualenv(root: Path) -> Path | None:
    """Make the project's `.venv`, which Git ignores, so that the plain pulumi CLI finds Ringwall there.

    It holds no package of its own: one line leads to the environment this runs in. `pulumi install` and `pulumi package
    add` write into the project's environment (sdk/python/toolchain/pip.go), and so never into Ringwall's.
    None where there is one already, or Ringwall runs in no virtual environment.
    """
    folder = root / ".venv"
    if sys.prefix == sys.base_prefix or folder.exists() or folder.is_symlink():
        return None
    try:
        venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
        base = {"base": str(folder), "platbase": str(folder)}
        packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=base))
        line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (packages / "ringwall-environment.pth").write_text(line, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # half of one would pass for the project's own
        remedy = "make room, or correct who may write there, then run `ringwall engine install`, which makes it too"
        raise RingwallError(f"cannot be made ({error.strerror})", file=folder, remedy=remedy) from None
    return folder


def portable_backend(url: str | None, root: Path) -> tuple[str, Path | None]:
    """The backend as it goes into Pulumi.yaml, and the local folder it means, if any.

    Pulumi.yaml is committed, so a folder of the project is written relative and works wherever the project is. Ringwall
    resolves that against the project; plain pulumi against the current folder (pkg/backend/diy), where it refuses what is
    not there.
    """
    if url is None:
        url = DEFAULT_BACKEND
    scheme, separator, location = url.partition("://")
    if scheme == "file" and separator:
        path, _, query = location.partition("?")
        folder = Path(path).expanduser() if path.startswith("~") else root.absolute() / path
        char = unfit_character(folder)
        if not path or char:
            problem = (
                f"{folder} holds {char}, with which Pulumi opens no state" if path else f"{url} is no usable folder"
            )
            raise InputError(problem, key="--backend", remedy=f"name {REMEDY}")
        written = path if path.startswith("~") else str(folder)
        if folder.is_relative_to(root.absolute()):
            written = f"./{folder.relative_to(root.absolute())}"
        return f"file://{written}" + (f"?{query}" if query else ""), folder
    if scheme not in BACKENDS or not location:
        raise InputError(
            f"{url} is no backend",
            key="--backend",
            remedy=f"use file://FOLDER or one of {', '.join(f'{b}://' for b in BACKENDS)}",
        )
    if urlsplit(url).password:
        raise InputError(
            "the URL holds a password", key="--backend", remedy="give it to Pulumi by its environment variable"
        )
    return url, None


def check_secrets_provider(url: str | None) -> str | None:
    """None for the passphrase, which needs no key in the stack file."""
    if url is None or url == "passphrase":
        return None
    if url.partition("://")[0] not in SECRETS_PROVIDERS or "://" not in url or urlsplit(url).password:
        known = ", ".join(f"{name}://" for name in SECRETS_PROVIDERS)
        raise InputError(
            f"{url} is no secrets provider", key="--secrets-provider", remedy=f"use passphrase, or one of {known}"
        )
    return url


def _ignore(root: Path) -> Sequence[FileChange]:
    """The change of `.gitignore`. State may hold encrypted secrets, and the cache differs by machine, so Git must not
    see them; missing lines are added at the end of an existing file."""
    file = root / ".gitignore"
    before = read_bytes(file) if file.exists() else None
    have = (before or b"").decode("utf-8", "replace").splitlines()
    missing = [line for line in IGNORED if line not in (item.strip() for item in have)]
    if not missing:
        return ()
    start = before or b""
    end = b"\r\n" if b"\r\n" in start else b"\n"
    if start and not start.endswith(b"\n"):
        start += end
    return (FileChange(file, before, start + b"".join(line.encode() + end for line in missing)),)


def refresh_schema(project: Project) -> None:
    """Write the JSON schema that the stack files' first line names for editors, unless it is up to date.

    Raises:
        RingwallError: it cannot be written.
    """
    import json

    from model.schema import stack_file_schema

    text = json.dumps(stack_file_schema(), indent=1, sort_keys=True) + "\n"
    file = project.root / SCHEMA_FILE
    try:
        if not file.exists() or read_bytes(file) != text.encode():
            make_private(file.parent)
            file.write_text(text, encoding="utf-8")
    except OSError as error:  # of a full disk it names no file
        raise RingwallError(
            f"cannot be written ({error.strerror})", file=file, remedy="make room, or correct who may write there"
        ) from None
