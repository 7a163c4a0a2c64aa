"""The rules' reference is what the rules say, and its examples work."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from model.loader import parse
from model.waivers import Waiver
from plan.rules.custom import load_rules

DOCS = Path(__file__).parents[2] / "docs"


def test_the_rules_reference_is_what_the_rules_say() -> None:
    spec = importlib.util.spec_from_file_location("docs_generate_rules", DOCS / "generate_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "reference" / "rules.md").read_text(encoding="utf-8") == module.rules_reference()


def test_its_examples_are_a_waiver_and_a_rule() -> None:
    text = (DOCS / "reference" / "rules.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    value = parse(shown, Path("example.yaml")).value
    assert isinstance(value, dict)
    assert isinstance(value["waivers"], list)
    Waiver.model_validate(value["waivers"][0])
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert [rule.id for rule in load_rules(code, "example.py")] == ["acme-server-tag"]
