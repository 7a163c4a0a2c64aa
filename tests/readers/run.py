"""Ringwall's YAML reader and Pulumi's over a corpus too large for every test run: `make readers`."""

from __future__ import annotations

import sys
import tempfile
from itertools import chain, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.pulumi_yaml import build, disagreements, missing
from tests.support.yaml_spellings import scalars, slips, spellings

SEED = 1
SLIPS = 400_000
BATCH = 20_000


def main() -> int:
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    texts = chain(spellings(scalars(pairs=True)), slips(SEED, SLIPS))
    asked = accepted = 0
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder) / "reader")
        while batch := list(islice(texts, BATCH)):
            count, differing = disagreements(program, batch)
            asked, accepted = asked + len(batch), accepted + count
            found += differing
    print(*found, sep="\n")
    print(f"{asked} spellings, {accepted} read by Ringwall, {len(found)} of them otherwise by Pulumi")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
