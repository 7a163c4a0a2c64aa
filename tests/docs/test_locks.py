"""What is installed does not change with what others release: locks are complete, and are installed as they stand.

pip resolves what a lock leaves open, also with --require-hashes: for `pydantic[email]` in a package's metadata it looks for
the newest release, and refuses it as having no hash in the lock. With --no-deps it installs the lock and nothing else.
"""

from __future__ import annotations

import ast
import re
import shlex
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
#: What runs, and what tests and develops it.
LOCK, DEV_LOCK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
PYTHONS = ("3.11.0", "3.11.9", "3.12.0", "3.13.0", "3.14.0")
PLATFORMS = (("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt"))
#: Where a command that installs may stand; code of tests installs by `tests/support/venvs.py`, which is read too.
INSTALLERS = sorted(
    {
        ROOT / "Makefile",
        ROOT / ".ci" / "run",
        ROOT / "action.yml",
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.yml"),
        *(ROOT / "tests" / "support").glob("venvs.py"),
    }
)


def commands(file: Path) -> list[list[str]]:
    """The words of each `pip install` in a file, over lines that go on."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    if file.suffix == ".py":
        text = re.sub(r"[\[\]\",]", " ", text).replace("*install", "pip install")
    return [shlex.split(line, comments=True) for line in re.findall(r"\bpip +install +([^`\n]*)", text)]


def environments() -> list[dict[str, str]]:
    return [
        {
            "python_version": python.rpartition(".")[0],
            "python_full_version": python,
            "sys_platform": platform,
            "platform_system": system,
            "os_name": name,
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
            "extra": "",
        }
        for python in PYTHONS
        for platform, system, name in PLATFORMS
    ]


def locked(lock: Path = LOCK) -> dict[str, list[Requirement]]:
    lines = re.findall(r"^(\S+==[^\\\n]+?) *\\$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    pins: dict[str, list[Requirement]] = {}
    for requirement in map(Requirement, lines):
        pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


@pytest.mark.parametrize("file", INSTALLERS, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_installed_is_a_lock_as_it_stands_or_one_exact_version(file: Path) -> None:
    for words in commands(file):
        if {"-r", "--requirement"} & set(words):
            assert {"--no-deps", "--require-hashes"} <= set(words), words
        elif "--editable" in words or "." in words:
            assert {"--no-deps", "--no-build-isolation"} <= set(words), words
        elif {"--constraints", "requirements.lock"} <= set(words):
            # The wheel that was just built, its packages as the lock has them.
            assert words[-1] == "$(OUT)/ringwall-*.whl"
        else:
            packages = [word for word in words if not word.startswith("-") and "{" not in word and word != "--quiet"]
            assert all("==" in package for package in packages), words


def test_the_commands_are_read() -> None:
    """A lock is installed in three places, so the test above sees them."""
    lock = [file.name for file in INSTALLERS for words in commands(file) if {"-r", "--requirement"} & set(words)]
    assert {"Makefile", "action.yml", "venvs.py"} <= set(lock)


@pytest.mark.parametrize("lock", [LOCK, DEV_LOCK], ids=lambda lock: lock.name)
def test_the_lock_holds_all_that_its_packages_need_on_every_python_and_platform(lock: Path) -> None:
    pins = locked(lock)
    missing = set()
    for environment in environments():
        # Extras that are asked for, by package: `pydantic[email]` needs what its `email` names.
        wanted: dict[str, set[str]] = {name: {""} for name in pins}
        again = True
        while again:
            again = False
            for name in [name for name, entries in pins.items() if any(_holds(pin, environment) for pin in entries)]:
                for need in _needs(name, wanted[name], environment):
                    target = canonicalize_name(need.name)
                    if not any(_holds(pin, environment) for pin in pins.get(target, [])):
                        missing.add(f"{name} needs {need} on Python {environment['python_full_version']}, "
                                    f"{environment['sys_platform']}")  # fmt: skip
                    elif not need.extras <= wanted[target]:
                        wanted[target] |= need.extras
                        again = True
    assert sorted(missing) == []


def test_what_runs_is_installed_as_it_was_tested_and_without_what_tests_it() -> None:
    """A host, an image and other people's CI need no linter, no test server and no builder of documentation."""
    runs, develops = locked(), locked(DEV_LOCK)
    for name, pins in runs.items():
        assert {str(pin.specifier) for pin in pins} <= {str(pin.specifier) for pin in develops.get(name, [])}, name
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needs = [*document["project"]["dependencies"], *document["project"]["optional-dependencies"]["s3"]]
    assert {canonicalize_name(Requirement(need).name) for need in needs} <= set(runs)
    tests = {
        canonicalize_name(Requirement(need).name) for need in document["dependency-groups"]["dev"] if type(need) is str
    }
    assert tests & set(runs) == {"botocore"}
    assert tests <= set(develops)


def test_the_code_that_runs_imports_nothing_but_what_is_installed_to_run_it() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    own = document["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    extra = {
        canonicalize_name(Requirement(need).name) for need in document["project"]["optional-dependencies"]["model"]
    }
    installed = set(locked()) | extra
    owners = packages_distributions()
    imported: dict[str, Path] = {}
    for path in (path for package in own for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            imported.update((name.partition(".")[0], path) for name in names)
    foreign = {
        name: str(path.relative_to(ROOT))
        for name, path in imported.items()
        if name not in sys.stdlib_module_names and name not in own
    }
    assert "pulumi" in foreign
    missing = {
        name: path
        for name, path in foreign.items()
        if installed.isdisjoint(map(canonicalize_name, owners.get(name, [name])))
    }
    assert missing == {}


def test_the_lock_of_the_model_holds_its_packages_and_the_usual_ones_in_the_usual_versions() -> None:
    """It is installed after the usual lock, and must not take its packages back."""
    usual, model = locked(), locked(LOCK.with_name("requirements-model.lock"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["model"]]
    assert {canonicalize_name(need.name) for need in needs} <= set(model)
    for need in needs:
        for pin in model[canonicalize_name(need.name)]:
            [exact] = pin.specifier
            assert need.specifier.contains(exact.version), (str(need), str(pin))
    for name in usual.keys() & model.keys():
        assert {str(pin.specifier) for pin in model[name]} <= {str(pin.specifier) for pin in usual[name]}, name


def _holds(pin: Requirement, environment: dict[str, str]) -> bool:
    return pin.marker is None or pin.marker.evaluate(environment)


def _needs(name: str, extras: set[str], environment: dict[str, str]) -> list[Requirement]:
    try:
        texts = requires(name) or []
    except PackageNotFoundError:  # for another platform than this one
        return []
    parsed = [Requirement(text) for text in texts]
    return [
        need
        for need in parsed
        if need.marker is None or any(need.marker.evaluate({**environment, "extra": extra}) for extra in extras)
    ]
