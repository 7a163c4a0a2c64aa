"""The demo's audit log proven: the guard's own, and a copy in which one word was changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.demo_stage import Stage
from model.errors import RingwallError

_BROKEN = 3


def verify_log(stage: Stage, folder: Path) -> dict[str, Any]:
    """Verify the log in `folder`, then a copy in which a refusal was made an allowance; what the first said.

    Raises:
        RingwallError: the log is broken, or the copy is not.
    """
    step = stage.step("The audit log proven")
    log, key = folder / "audit.jsonl", folder / "state" / "audit.key.pub"
    stage.show_command("audit", "verify", log.name, "--public-key", key.name)
    report: dict[str, Any] = json.loads(stage.ringwall("audit", "verify", str(log), "--public-key", str(key), "--json"))
    stage.say(f"{report['records']} records and {report['heads']} signed heads hold together")
    copy = folder / "altered" / log.name
    copy.parent.mkdir()
    text = log.read_text(encoding="utf-8")
    altered = text.replace('"decision":"refuse"', '"decision":"allow"', 1)
    if altered == text:
        raise RingwallError("the audit log holds no refusal to alter in a copy")
    copy.write_text(altered, encoding="utf-8")
    stage.ringwall("audit", "verify", str(copy), "--public-key", str(key), expected=_BROKEN)
    stage.say(f"a copy with one word changed is called BROKEN (exit code {_BROKEN})")
    step.result = {"records": report["records"], "heads": report["heads"], "altered_copy_is_broken": True}
    return step.result
