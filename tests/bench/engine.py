"""What the embedded engine takes for a text of 20,000 characters of several kinds, and for the texts of a small call.

    .venv/bin/python tests/bench/engine.py [--rounds N]

The figures are processor time, the least of all rounds, as a busy machine takes the caches away.
The texts are those of `tests/bench/texts.py`: ordinary ones, this project's page about detection (which is full of what
attackers write), and the attacks of a corpus, one after the other.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from guard.engines.embedded import EmbeddedVerdictEngine
from guard.inspect.verdict import Leg, ScanItem, Text
from tests.bench.texts import texts

ENGINE = EmbeddedVerdictEngine(frozenset(("look_up",)), acting_tools=frozenset(("send_message",)))
SMALL = (
    "Please look up order 48213 and say when the parcel arrives; the last note said Thursday at noon, near the river. "
)


def least(leg: Leg, text: str, rounds: int, *, times: int = 1) -> float:
    """The least milliseconds of processor that judging `text` took in one of all rounds, each of so many times."""
    item = ScanItem(leg, "bench", "tools/call", "look_up", (Text("/text", text),), "{}", "", "bench")
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(times):
            ENGINE.judge(item)
        spent.append((time.process_time() - begun) / times)
    return min(spent) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds: int = parser.parse_args().rounds
    print(f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    for name, text in texts().items():
        print(f"{name + f', {len(text):,} characters':<50} {least(Leg.RESULTS, text, rounds):8.2f} ms")
    small = (SMALL * 2)[:200]
    for leg in (Leg.ARGUMENTS, Leg.RESULTS):
        print(f"{f'{leg} of 200 characters':<50} {least(leg, small, rounds, times=20):8.3f} ms")
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
