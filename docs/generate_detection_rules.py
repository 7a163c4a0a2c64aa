"""Writes model/detection_rules.py from the embedded engine's rules: `python docs/generate_detection_rules.py`, with --check
to compare only. The plan must know the rules' names, and stands on no floor above the guard."""

from __future__ import annotations

import sys
from pathlib import Path

from guard.engines.embedded import embedded_rules
from guard.inspect.verdict import Leg

FILE = Path(__file__).parent.parent / "model" / "detection_rules.py"

HEAD = '''\
"""The rules of the guard's embedded engine by id, each with the legs on which it can match.

Made by `python docs/generate_detection_rules.py` from the engine itself; a test compares both.
"""

from __future__ import annotations

from typing import Final

DETECTION_RULES: Final[dict[str, tuple[str, ...]]] = {
'''


def detection_rules() -> str:
    """The whole module."""
    legs_of: dict[str, set[Leg]] = {}
    for rule in embedded_rules():
        legs_of.setdefault(rule.id, set()).update(rule.legs)
    lines = [HEAD]
    for name, legs in sorted(legs_of.items()):
        words = [f'"{leg}"' for leg in Leg if leg in legs]
        listed = ", ".join(words) + ("," if len(words) == 1 else "")
        line = f'    "{name}": ({listed}),\n'
        if len(line) > 121:
            line = f'    "{name}": (\n' + "".join(f"        {word},\n" for word in words) + "    ),\n"
        lines.append(line)
    return "".join([*lines, "}\n"])


def main(check: bool) -> int:
    text = detection_rules()
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text:
        return 0
    remedy = "out of date, run `python docs/generate_detection_rules.py`"
    print(f"{FILE.name}: {remedy if check else 'written'}")
    if not check:
        FILE.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
