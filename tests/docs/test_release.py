"""The workflow that makes a release pins every action, gives each job what it needs, and builds by `make wheel`."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.test_locks import locked
from tests.docs.test_workflows import load, steps

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"


def test_every_action_is_pinned_by_its_commit_and_carries_its_version() -> None:
    lines = re.findall(r"uses: (.+)", WORKFLOW.read_text(encoding="utf-8"))
    assert len(lines) == len([step for step in steps(WORKFLOW) if "uses" in step]) == 6
    for line in lines:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_what_builds_can_neither_sign_nor_publish() -> None:
    content = load(WORKFLOW)
    assert content["permissions"] == {}
    assert {name: job["permissions"] for name, job in content["jobs"].items()} == {
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "publish": {"contents": "write"},
    }
    assert content["jobs"]["attest"]["needs"] == "build"
    assert content["jobs"]["publish"]["needs"] == "attest"
    assert set(content["on"]) == {"push"}
    for step in steps(WORKFLOW):
        assert "${{" not in step.get("run", "")


def test_wheel_and_bill_of_materials_come_from_the_make_target() -> None:
    scripts = [step["run"] for step in steps(WORKFLOW) if "run" in step]
    assert "make wheel" in scripts
    attested = {step["with"].get("sbom-path"): step["with"]["subject-path"] for step in steps(WORKFLOW)[3:] if "with" in step
                and "subject-path" in step["with"]}  # fmt: skip
    assert attested == {None: "release/ringwall-*.whl", "release/ringwall.cdx.json": "release/ringwall-*.whl"}


def test_the_tools_of_a_release_are_locked() -> None:
    pins = locked(ROOT / "requirements-release.lock")
    for need in map(Requirement, ("cyclonedx-bom>=7", "hatchling==1.33.0", "uv==0.13.9")):
        [pin] = pins[canonicalize_name(need.name)]
        [exact] = pin.specifier
        assert need.specifier.contains(exact.version)
