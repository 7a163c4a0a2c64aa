"""Kill a run with SIGKILL in every operation of up, update and destroy in turn, and see that it becomes whole.

At the stand-in providers under the real engine. "killed, done": the service has done its work, and the answer is never
heard. "killed, done late": it does its work some time after the kill. The next command of a chain is killed at another
operation, and so has to go on from there; the last is left alone. Then nothing may be doubled or left, all is recorded, no
lock stays, an update has arrived, and no client secret is in clear. Where a chain ends badly, each of its operations is
tried from the start, and the bad one is named.

    make interrupt                                every operation, and rare tests: about an hour on two cores
    .venv/bin/python tests/interrupt/run.py --alone --only tunnel --kind "killed, done"
    .venv/bin/python tests/interrupt/run.py --record FILE   goes on from the outcomes in FILE, and adds to them
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.fault_kinds import KILLS
from tests.support.operation_table import run

if __name__ == "__main__":
    raise SystemExit(run("interrupt", KILLS, __doc__ or ""))
