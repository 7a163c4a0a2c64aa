"""Fail every operation of up, update and destroy in turn, in each way that an API fails, and see that it becomes whole.

At the stand-in providers under the real engine. A command that meets a fault ends with code 5. The next of a chain meets
the same fault at operations that have met none, and so has to go on from there; the last meets none. Then nothing may be
doubled or left, all is recorded, no lock stays, an update has arrived, and no client secret is in clear in the state, its
backups or the output. Where a chain ends badly, each of its operations is tried from the start, and the bad one is named.

    make faults                                   all that a run has in the air at once: half an hour on two cores
    .venv/bin/python tests/faults/run.py          one in each run: three times as long
    .venv/bin/python tests/faults/run.py --alone --only tunnel --kind "reset, done"
    .venv/bin/python tests/faults/run.py --record FILE   goes on from the outcomes in FILE, and adds to them
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.fault_kinds import ANSWERS
from tests.support.operation_table import run

if __name__ == "__main__":
    raise SystemExit(run("faults", ANSWERS, __doc__ or ""))
