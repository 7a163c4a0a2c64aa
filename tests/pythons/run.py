"""What Ringwall writes has the same bytes on every Python that it runs on.

    make pythons

Plans, checks, hosts' files, schemas and editions of the examples are written by this Python and by each other one of the
PATH, in an environment of `requirements.lock`. Where there is no other Python, nothing was shown, and that is a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from model.schema import FORMATS
from tests.support.node import NotAvailable
from tests.support.venvs import venv

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
PROJECTS = sorted(file.parent for file in (ROOT / "examples").glob("*/Pulumi.yaml"))
#: The images that hosts need besides the one of each server, by what runs them.
IMAGES = {
    "systemd": (),
    "compose": ("ringwall", "cloudflared", "kong", "pause", "socat"),
    "kubernetes": ("ringwall", "cloudflared", "kong"),
}
VERSIONS = tuple(f"3.{minor}" for minor in range(11, 16))
TIMEOUT = 120
_RUN = "from cli.main import run; run()"


class Failed(Exception):
    """A command that should have written something."""


class Writer:
    """One Python with what `requirements.lock` names, and Ringwall as it is installed."""

    def __init__(self, version: str, program: Path, scratch: Path) -> None:
        self.version = version
        self._program = program
        self._scratch = scratch / version
        self._installed = self._scratch / "installed"
        pip: list[str | Path] = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        build = [*pip, "--no-deps", "--no-build-isolation", "--target", self._installed, "."]
        done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotAvailable(done.stderr.strip())

    def said(self, *words: str | Path) -> bytes:
        """What one command prints; raises Failed."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "PYTHONPATH": str(self._installed),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "100",
        }
        command = [self._program, "-c", _RUN, *words]
        done = subprocess.run(
            command, cwd=self._scratch, env=variables, capture_output=True, timeout=TIMEOUT, check=False
        )
        if done.returncode:
            raise Failed(f"Python {self.version}: {' '.join(map(str, words))}: {done.stderr.decode().strip()}")
        return done.stdout

    def documents(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is compared, by name."""
        for name in ("stack", *FORMATS):
            yield f"schema {name}", self.said("schema", name)
        yield "editions", self.said("editions", "--json")
        for project in PROJECTS:
            listed = self.said("list", "--json", "--project", project)
            yield f"list {project.name}", listed
            rows = json.loads(listed)["stacks"]
            if rows:
                yield f"check {project.name}", self.said("check", "--json", "--project", project)
            commands = [f"{row['stack']}=server@sha256:{'0' * 64}" for row in rows if row["kind"] == "server"]
            for row in rows:
                stack = row["stack"]
                yield f"plan {project.name} {stack}", self.said("plan", stack, "--full", "--project", project)
                yield f"plan {project.name} {stack} --json", self.said("plan", stack, "--json", "--project", project)
                for form, names in IMAGES.items() if row["kind"] == "environment" else ():
                    folder = self._scratch / project.name / stack / form
                    images = [*(f"{name}=image@sha256:{'0' * 64}" for name in names), *(commands if names else ())]
                    options = [word for image in images for word in ("--image", image)]
                    place = ["--output", folder, "--project", project]
                    self.said("host", "render", stack, "--offline", "--format", form, *options, *place)
                    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                        yield f"{project.name} {stack} {form} {file.relative_to(folder)}", file.read_bytes()


def writers(scratch: Path) -> Iterator[Writer]:
    """This Python and the others; raises NotAvailable where packages cannot be fetched."""
    for version in VERSIONS:
        program = sys.executable if sys.version.startswith(f"{version}.") else shutil.which(f"python{version}")
        if program is not None and _is(program, version):
            yield Writer(version, venv(LOCK, python=program, version=version) / "python", scratch)


def _is(program: str, version: str) -> bool:
    """Whether a program of that name is that Python: a shim may stand for none."""
    command = [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == version


def main() -> int:
    """The command line."""
    with tempfile.TemporaryDirectory(prefix="ringwall-pythons-") as folder:
        try:
            found = list(writers(Path(folder)))
            if len(found) < 2:
                raise NotAvailable("no other Python than this one is on the PATH")
        except NotAvailable as absent:
            print(f"nothing was shown: {absent}")
            return 1
        try:
            return 1 if compared(found) else 0
        except Failed as problem:
            print(f"fault: {problem}")
            return 1


def compared(writers: Sequence[Writer]) -> int:
    """How many documents differ from the first writer's; raises Failed."""
    faults = 0
    first: dict[str, bytes] = {}
    for writer in writers:
        documents = dict(writer.documents())
        first = first or documents
        digest = hashlib.sha256(b"".join(documents[name] for name in sorted(documents))).hexdigest()[:16]
        print(f"Python {writer.version}: {len(documents)} documents, {digest}")
        for name in sorted(first.keys() | documents.keys()):
            if first.get(name) != documents.get(name):
                faults += 1
                print(f"fault: {name} differs from what Python {writers[0].version} writes")
    return faults


if __name__ == "__main__":
    sys.exit(main())
