"""Writes model/detection_rules.py and docs/reference/detection-rules.md from the embedded engine's rules:
`python docs/generate_detection_rules.py`, with --check to compare only. The plan must know the rules' names, and stands on
no floor above the guard."""

from __future__ import annotations

import sys
from pathlib import Path

from guard.engines.embedded import embedded_rules
from guard.engines.rules.grammar import SIGNS
from guard.engines.rules.sign import FRAMES, THRESHOLDS
from guard.inspect.verdict import Category, Leg
from model.finding_exceptions import NO_EXCEPTION

DOCS = Path(__file__).parent
MODULE = DOCS.parent / "model" / "detection_rules.py"
PAGE = DOCS / "reference" / "detection-rules.md"

HEAD = '''\
"""The rules of the guard's embedded engine by id, each with the legs on which it can match.

Made by `python docs/generate_detection_rules.py` from the engine itself; a test compares both.
"""

from __future__ import annotations

from typing import Final

DETECTION_RULES: Final[dict[str, tuple[str, ...]]] = {
'''

PAGE_HEAD = """\
# Detection rules

Made from the guard's embedded engine: every rule by id, with the legs on which it can match. The command
`ringwall audit show --incident` names the rule of a blocked call.

[What the engine finds and misses](../explain/detection.md) has the measured rates;
[allow a blocked call](../howto/allow-a-blocked-call.md) says how to let one false positive pass.

These are the rules of what a guard reads at work. The rules of `ringwall check` are [other rules](rules.md).

The category decides what may happen: only `secret` and `personal_data` can be redacted. A rule marked "none" under
*exception* admits none, because no reviewer could see the text that it would let pass.

A `behaviour` rule stops nothing: who reads such a text is [tainted](../explain/guard.md#inspection).
"""

CATEGORIES = {
    Category.INJECTION: "Text that gives the model orders in somebody else's name.",
    Category.JAILBREAK: "Text that asks the model to drop its own rules.",
    Category.TOOL_POISONING: "A definition that tells the model to do what its user did not ask for.",
    Category.SECRET: "A credential in clear.",
    Category.PERSONAL_DATA: "Data of a person, such as a card or account number.",
    Category.MALICIOUS_URL: "An address that hides where it leads, or carries data away.",
    Category.TOXIC: "Text that harms people; only vendors' engines find it.",
    Category.MALICIOUS_CODE: "A command or query that breaks out of its argument, or destroys.",
    Category.HIDDEN_TEXT: "Text that a person does not see and a model reads.",
    Category.POLICY: "What a server may not ask a person for, or what a policy of your own at a vendor refuses.",
}

FORMS_HEAD = """
## Forms

A rule named `form_` is no list of sentences. The engine adds up signs that stand within 700 bytes, of each family the
heaviest; the text is a finding where the sum reaches the threshold of its leg, and the family of the heaviest sign names the
rule. Families that only add name none.

| Leg | Threshold |
|---|---|
"""
SIGNS_HEAD = """
| Family | Sign | Weight |
|---|---|---|
"""


def _legs() -> dict[str, list[Leg]]:
    legs_of: dict[str, set[Leg]] = {}
    for rule in embedded_rules():
        legs_of.setdefault(rule.id, set()).update(rule.legs)
    return {name: [leg for leg in Leg if leg in legs] for name, legs in sorted(legs_of.items())}


def detection_rules() -> str:
    """The whole module."""
    lines = [HEAD]
    for name, legs in _legs().items():
        words = [f'"{leg}"' for leg in legs]
        listed = ", ".join(words) + ("," if len(words) == 1 else "")
        line = f'    "{name}": ({listed}),\n'
        if len(line) > 121:
            line = f'    "{name}": (\n' + "".join(f"        {word},\n" for word in words) + "    ),\n"
        lines.append(line)
    return "".join([*lines, "}\n"])


def rules_page() -> str:
    """The whole page."""
    category_of = {rule.id: rule.category for rule in embedded_rules()}
    lines = [PAGE_HEAD]
    for category, meaning in CATEGORIES.items():
        names = [name for name in _legs() if category_of[name] == category]
        if not names:
            continue
        lines += [f"\n## {category}\n\n{meaning}\n\n| Rule | Legs | Exception |\n|---|---|---|\n"]
        for name in names:
            legs = _legs()[name]
            where = "all" if legs == list(Leg) else ", ".join(legs)
            lines.append(f"| `{name}` | {where} | {'none' if name in NO_EXCEPTION else 'possible'} |\n")
    return "".join([*lines, *_forms()])


def _forms() -> list[str]:
    """What the rules whose names begin with ``form_`` add up."""
    lines = [FORMS_HEAD, *(f"| {leg} | {threshold} |\n" for leg, threshold in THRESHOLDS.items()), SIGNS_HEAD]
    rows = dict.fromkeys((sign.family, sign.reason, sign.weight) for sign in SIGNS)
    for family, reason, weight in rows:
        lines.append(f"| {family}{'' if family in FRAMES else ' (adds only)'} | {reason} | {weight} |\n")
    return lines


def main(check: bool) -> int:
    stale = 0
    for file, text in ((MODULE, detection_rules()), (PAGE, rules_page())):
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        print(f"{file.name}: {'out of date, run `python docs/generate_detection_rules.py`' if check else 'written'}")
        if not check:
            file.write_text(text, encoding="utf-8")
    return stale if check else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
