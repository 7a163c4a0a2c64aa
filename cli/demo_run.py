"""The demo: the user's own commands and a real client's calls, in order, on a project folder that is thrown away."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cli import console, invocation
from cli.demo_stage import Stage
from cli.demo_story import Story
from model import effects


def run_demo(*, keep_folder: bool, everything: bool, out: Path | None) -> dict[str, Any]:
    """Run all of it; returns the story as data.

    `out` is the folder for the log, the page and the data; without one a new folder is made, which an interruption removes.

    Raises:
        RingwallError: a step did not do what the story says.
    """
    folder = Path(tempfile.mkdtemp(prefix="ringwall-demo-"))
    shown = Path(tempfile.mkdtemp(prefix="ringwall-demo-log-")) if out is None else out
    shown.mkdir(parents=True, exist_ok=True)
    stage = Stage(shown / "demo.log")
    stage.log.write_text("", encoding="utf-8")
    options = invocation.current()
    before, options.project = options.project, folder / "project"
    try:
        report = Story(stage, folder, shown / "rings.html").tell(everything=everything)
        (shown / "demo.json").write_text(f"{json.dumps(report, indent=2, sort_keys=True)}\n", encoding="utf-8")
        return report
    except KeyboardInterrupt:
        if out is None:
            shutil.rmtree(shown, ignore_errors=True)
        raise
    except Exception:
        console.note(f"the demo failed; all that its commands said is in {stage.log}")
        raise
    finally:
        options.project = before
        if keep_folder:
            console.note(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
            effects.forget()  # what the demo wrote is gone, so an interruption has nothing to tell of it
